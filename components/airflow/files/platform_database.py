"""Arguments of Airflow's database connections (`[database] sql_alchemy_connect_args`)."""

# A server that vanished is noticed within seconds, instead of after the kernel's quarter of an hour.
_NOTICE_A_LOST_SERVER = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20000,
}

CONNECT_ARGS = _NOTICE_A_LOST_SERVER
# psycopg 3 prepares statements on one server connection, and a transaction pooler runs the next on another.
CONNECT_ARGS_ASYNC = _NOTICE_A_LOST_SERVER | {"prepare_threshold": None}
