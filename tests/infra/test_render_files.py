"""Rendering a stack: manifests in the order in which they must exist, without secrets, the same every time."""

import subprocess
import sys
from pathlib import Path

import pulumi
import pulumi_gcp as gcp
import pulumi_kubernetes as kubernetes
import pulumi_random as random
import pytest
import yaml

from infra import render
from infra.generated import Stored
from infra.offline import evaluate

DISTINCTIVE = "hunter2-correct-horse-battery"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    return tmp_path


def metadata(name: str, namespace: pulumi.Input[str] = "airflow"):
    return {"name": name, "namespace": namespace}


class Database(pulumi.ComponentResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("demo:index:Database", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        kubernetes.core.v1.ServiceAccount(f"{name}-account", metadata=metadata(f"{name}-account"), opts=child)
        inner = pulumi.ComponentResource("demo:index:Inner", f"{name}-inner", {}, child)
        kubernetes.core.v1.ConfigMap(
            f"{name}-settings", metadata=metadata(f"{name}-settings"), opts=pulumi.ResourceOptions(parent=inner)
        )


def platform() -> None:
    namespace = kubernetes.core.v1.Namespace("airflow", metadata={"name": "airflow"})
    password = random.RandomPassword("password", length=20)
    kubernetes.core.v1.Secret(
        "broker",
        metadata=metadata("broker", namespace.metadata["name"]),
        string_data={"password": password.result, "token": DISTINCTIVE},
    )
    kubernetes.core.v1.ConfigMap(
        "settings",
        metadata=metadata("settings", namespace.metadata["name"]),
        data={
            "url": pulumi.Output.secret(f"redis://:{DISTINCTIVE}@redis"),
            "script": "set -e\nrun\n",
            "ref": "1234e567",
        },
    )
    kubernetes.helm.v3.Release(
        "operator",
        name="operator",
        namespace="operators",
        chart="cloudnative-pg",
        version="0.29.0",
        repository_opts={"repo": "https://charts.example.org"},
        values={"auth": {"token": pulumi.Output.secret(DISTINCTIVE)}, "replicas": 2},
    )
    gcp.secretmanager.SecretVersion(
        "token", secret="projects/p/secrets/token", secret_data=pulumi.Output.secret(DISTINCTIVE)
    )
    pulumi.export("token", pulumi.Output.secret(DISTINCTIVE))


def layers(rendered: dict[str, str]) -> dict[str, int]:
    return {
        file.split("/")[1].removesuffix(".yaml"): int(file.split("/")[0].removeprefix("layer-"))
        for file in rendered
        if "/" in file
    }


def test_a_secret_is_nowhere_in_the_files_and_everything_else_is(root, tmp_path):
    render.write(render.files(evaluate("dev", program=platform, root=root)), tmp_path / "out")

    everything = b"".join(file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file())
    assert DISTINCTIVE.encode() not in everything
    secret = yaml.safe_load((tmp_path / "out/layer-01/secret_airflow_broker.yaml").read_text())
    assert secret["stringData"] == {"password": "<secret>", "token": "<secret>"}, "a review still sees which keys"
    (chart,) = yaml.safe_load((tmp_path / "out/charts.yaml").read_text())
    assert (chart["repository"], chart["chart"], chart["version"]) == (
        "https://charts.example.org",
        "cloudnative-pg",
        "0.29.0",
    )
    assert chart["values"] == {"auth": {"token": "<secret>"}, "replicas": 2}
    inventory = yaml.safe_load((tmp_path / "out/inventory.yaml").read_text())
    assert [entry["name"] for entry in inventory] == ["token", "password"]


def test_secret_data_that_nobody_marked_is_hidden_too(root):
    def program():
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata("plain"), "data": {"key": DISTINCTIVE}}
        pulumi.CustomResource("kubernetes:core/v1:Secret", "plain", secret)
        kubernetes.core.v1.ConfigMap(
            "map",
            metadata=metadata("map"),
            data={"key": DISTINCTIVE},
            opts=pulumi.ResourceOptions(additional_secret_outputs=["data"]),
        )

    rendered = render.files(evaluate("dev", program=program, root=root))

    for file in ("secret_airflow_plain", "configmap_airflow_map"):
        assert yaml.safe_load(rendered[f"layer-00/{file}.yaml"])["data"] == {"key": "<secret>"}


def test_an_engineless_deployment_gets_the_real_values_of_the_same_objects(root, tmp_path):
    recording = evaluate("dev", program=platform, root=root, generated=Stored(tmp_path / "generated.json"))

    objects = [item for layer in render.objects(recording) for item in layer]

    (secret,) = (item for item in objects if item["kind"] == "Secret")
    assert secret["stringData"]["token"] == DISTINCTIVE
    assert len(secret["stringData"]["password"]) == 20
    files = [file for file in render.files(recording) if file.startswith("layer-")]
    assert len(files) == len(objects)


def test_a_render_is_the_same_in_another_process_with_another_hash_seed(root, tmp_path):
    script = (
        f"import sys; sys.path[:0] = {[str(Path(__file__).parent), str(Path.cwd())]}\n"
        "from pathlib import Path\n"
        "from test_render_files import platform\n"
        "from infra import render\n"
        "from infra.offline import evaluate\n"
        f"render.write(render.files(evaluate('dev', program=platform, root=Path({str(root)!r}))), Path(sys.argv[1]))\n"
    )
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / seed)], check=True, env={"PYTHONHASHSEED": seed}, timeout=60
        )

    def contents(directory: Path) -> dict[str, bytes]:
        return {str(file.relative_to(directory)): file.read_bytes() for file in directory.rglob("*") if file.is_file()}

    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    assert len(contents(tmp_path / "1")) == 6


def test_a_namespace_comes_before_what_is_in_it(root):
    found = layers(render.files(evaluate("dev", program=platform, root=root)))

    assert found["namespace__airflow"] < found["secret_airflow_broker"] == found["configmap_airflow_settings"]


def test_depending_on_a_component_means_all_that_is_in_it_and_holds_for_the_children_of_who_depends(root):
    def program():
        first = Database("first")
        Database("second", pulumi.ResourceOptions(depends_on=[first]))

    found = layers(render.files(evaluate("dev", program=program, root=root)))

    last_of_first = max(found["serviceaccount_airflow_first-account"], found["configmap_airflow_first-settings"])
    first_of_second = min(found["serviceaccount_airflow_second-account"], found["configmap_airflow_second-settings"])
    assert last_of_first < first_of_second


def test_text_that_a_kubernetes_client_would_read_as_a_number_is_quoted(root):
    rendered = render.files(evaluate("dev", program=platform, root=root))

    settings = rendered["layer-01/configmap_airflow_settings.yaml"]
    assert "ref: '1234e567'" in settings
    assert list(yaml.safe_load(settings)) == ["apiVersion", "data", "kind", "metadata"], "keys are sorted"
    assert "script: |\n    set -e\n    run\n" in settings, "a script stays readable"


def test_rendering_again_removes_only_what_the_render_wrote(tmp_path):
    (tmp_path / "layer-00").mkdir()
    (tmp_path / "layer-00/mine.yaml").write_text("kept")
    render.write({"layer-00/a.yaml": "a", "layer-01/b.yaml": "b"}, tmp_path)

    render.write({"layer-00/c.yaml": "c"}, tmp_path)

    left = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*")}
    assert left == {".rendered", "layer-00", "layer-00/mine.yaml", "layer-00/c.yaml"}


def test_a_marker_can_not_make_it_remove_files_elsewhere(tmp_path):
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.rendered").write_text("../precious\n")

    with pytest.raises(ValueError, match="not below"):
        render.write({}, tmp_path / "out")
    assert (tmp_path / "precious").exists()


def test_two_resources_that_are_the_same_object_are_refused(root):
    def program():
        for name in ("one", "two"):
            kubernetes.core.v1.ConfigMap(name, metadata=metadata("same"))

    with pytest.raises(ValueError, match="same object, ConfigMap airflow same"):
        render.files(evaluate("dev", program=program, root=root))
