"""The Airflow image: Python packages pinned in requirements.txt, and the DAGs as a thin layer of their own on top."""

import hashlib
import shutil
from pathlib import Path

import uv

from local import dags
from local.cluster.image import Image
from local.images import recipe
from local.images.archive import RunConfig
from local.images.recipe import Recipe

HOME = "/opt/airflow"
REF = "localhost/airflow-platform/airflow:3.3.2"
REQUIREMENTS = Path(__file__).parent / "requirements.txt"

_RUN = RunConfig(
    user="50000:0",
    env={
        "PATH": "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin",
        "AIRFLOW_HOME": HOME,
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    },
    # No entrypoint: the KubernetesExecutor gives a task's pod arguments only, and they begin with `python`.
    workdir=HOME,
)

# Everything but the DAGs. A DAG's edit leaves it, its archive and what the cluster has unpacked of it as they are.
RUNTIME = Recipe(
    ref="localhost/airflow-platform/airflow-runtime:3.3.2",
    run=_RUN,
    # git and ssh for DAG bundles from repositories; tini-like init is the runtime's own matter.
    packages=("ca-certificates", "git", "openssh-client", "python3", "tzdata"),
    before=f"useradd --uid 50000 --gid 0 --home-dir {HOME} airflow",
    inputs={"requirements.txt": REQUIREMENTS, "uv": Path(uv.find_uv_bin())},
    # Airflow touches its configuration file when it is imported, and the root file system will be read-only. For the same
    # reason everything is compiled here, by content and not by time: an import without .pyc takes twice the processor time.
    after=f"""
        export PYC_INVALIDATION_MODE=unchecked-hash UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
        /inputs/uv --quiet venv --python /usr/bin/python3 /opt/venv
        /inputs/uv --quiet pip install --python /opt/venv --require-hashes --compile-bytecode -r /inputs/requirements.txt
        python3 -m compileall -q -f --invalidation-mode unchecked-hash /usr/lib/python3.13
        mkdir -p {HOME}/dags {HOME}/logs
        touch {HOME}/airflow.cfg
        chown -R 50000:0 {HOME}
    """,
    expected="1 min",
)


def build() -> list[Image]:
    """The runtime and, lying on it, the image with the DAGs: made or found in the cache, to be imported in this order."""
    runtime = recipe.build(RUNTIME)
    sources = {file.name: file for file in dags.files()}
    image = Image(REF, recipe.location(REF, recipe.key(RUNTIME.key, HOME, files=sources)))
    if not image.archive.exists():
        with recipe.scratch() as folder:
            _lay_out(Path(folder), sources)
            recipe.pack(image, Path(folder), _RUN, on=runtime.archive)
    return [runtime, image]
