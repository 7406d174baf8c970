"""The Airflow image: Python packages pinned in requirements.txt, and the DAGs as a thin layer of their own on top."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import uv

from local.cluster.image import Image
from local.images import recipe
from local.images.archive import RunConfig
from local.images.recipe import Recipe

HOME = "/opt/airflow"
REF = "localhost/airflow-platform/airflow:3.3.2"
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
DAGS = Path(__file__).parents[2] / "dags"

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
    # git and ssh are for DAG bundles from repositories.
    packages=("ca-certificates", "git", "openssh-client", "python3", "tzdata"),
    before=f"useradd --uid 50000 --gid 0 --home-dir {HOME} airflow",
    inputs={"requirements.txt": REQUIREMENTS, "uv": Path(uv.find_uv_bin())},
    # Airflow touches its configuration file when it is imported, and the root file system will be read-only. For the
    # same reason everything is compiled here: an import without .pyc takes twice the processor time. They are valid by
    # content: the times of files change on their way into the image. What git does with Perl is not needed.
    after=f"""
        export PYC_INVALIDATION_MODE=UNCHECKED_HASH UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=/opt/venv
        /inputs/uv --quiet venv --python /usr/bin/python3 /opt/venv
        /inputs/uv --quiet pip install --compile-bytecode --require-hashes -r /inputs/requirements.txt
        python3 -m compileall -qf --invalidation-mode unchecked-hash /usr/lib/python3.13
        rm -rf /usr/share/perl /usr/share/perl5 /usr/lib/*/perl
        install -d {HOME}/dags
        install -d -o airflow {HOME}/logs
        touch {HOME}/airflow.cfg
    """,
    expected="1 min",
)


def build() -> list[Image]:
    """The runtime, and on it the image with the DAGs, to be imported in this order; made, or found in the cache."""
    runtime = recipe.build(RUNTIME)
    dags = {file.name: file for file in DAGS.glob("*.py")}
    image = Image(REF, recipe.location(REF, recipe.key(RUNTIME.key, HOME, files=dags)))
    if not image.archive.exists():
        with recipe.scratch() as folder:
            _lay_out(Path(folder), dags)
            recipe.pack(image, Path(folder), _RUN, on=runtime.archive)
    return [runtime, image]


def _lay_out(root: Path, dags: Mapping[str, Path]) -> None:
    """Put the DAGs in `root` where they are in the image. Its directories' modes replace those of the layer below."""
    folder = root / HOME.lstrip("/") / "dags"
    folder.mkdir(parents=True)
    for name, file in dags.items():
        shutil.copyfile(file, folder / name)
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
