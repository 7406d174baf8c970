"""Where the one-machine Kubernetes keeps what it builds and what it runs."""

import os
from pathlib import Path


def cache() -> Path:
    """Directory for everything that takes time to build, outside the checkout.

    `AIRFLOW_PLATFORM_CACHE` names it; else `$XDG_CACHE_HOME/airflow-platform`; else `~/.cache/airflow-platform`.
    """
    if named := os.environ.get("AIRFLOW_PLATFORM_CACHE"):
        return Path(named).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "airflow-platform"


def cluster() -> Path:
    """State of the embedded cluster: certificates, etcd, logs, process ids, kubeconfig. Taking it down removes it."""
    return cache() / "clusters" / "local"
