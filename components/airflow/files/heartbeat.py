"""Liveness of a triggerer or a DAG processor: did this pod's job write its heartbeat lately?

`airflow jobs check` asks the same, and takes 3 CPU seconds to import Airflow each time; this takes a tenth of one.
While the database can't be reached nobody can tell, and a restart would not help: that counts as alive.

Usage: python heartbeat.py JOB_TYPE MAX_AGE_SECONDS
"""

import os
import socket
import sys

import psycopg2


def main(job_type: str, max_age_seconds: str) -> int:
    """0 where the newest heartbeat is young enough, else 1."""
    url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("postgresql+psycopg2://", "postgresql://")
    try:
        connection = psycopg2.connect(url, connect_timeout=5)
    except psycopg2.OperationalError:
        return 0
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM job WHERE job_type = %s AND hostname = %s AND state = 'running'"
                " AND latest_heartbeat > now() - make_interval(secs => %s)",
                (job_type, socket.gethostname(), float(max_age_seconds)),
            )
            row = cursor.fetchone()
    except psycopg2.OperationalError:
        return 0
    finally:
        connection.close()
    return 0 if row and row[0] else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
