"""CloudNativePG as it is installed: nothing of it is pulled, and its webhook judges what is applied."""

import copy
import json
import re
import shutil
from typing import Any

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from local import go_build, paths
from local.cluster import embedded
from local.operators import cloudnativepg

needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="the operator's manifest is in its Go module")


@needs_go
def test_no_container_of_the_operator_is_pulled_from_a_registry() -> None:
    (deployment,) = (each for each in cloudnativepg.manifest() if each["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        assert container["image"].startswith("localhost/")
        assert container["imagePullPolicy"] == "IfNotPresent"


@needs_go
def test_the_operator_starts_no_pod_from_an_image_of_a_registry() -> None:
    (deployment,) = (each for each in cloudnativepg.manifest() if each["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    images = {each["name"]: each["value"] for each in container["env"] if each["name"].endswith("_IMAGE_NAME")}
    assert images.keys() == {"OPERATOR_IMAGE_NAME", "POSTGRES_IMAGE_NAME", "PGBOUNCER_IMAGE_NAME"}
    assert all(image.startswith("localhost/") for image in images.values())
    settings = [each for each in cloudnativepg.manifest() if each["kind"] != "CustomResourceDefinition"]
    assert re.findall(r"[\w-]+\.io/[\w./-]+:\d[\w.]*", json.dumps(settings)) == []


def test_the_version_that_is_shown_is_the_one_that_is_built() -> None:
    module = (go_build.MODULES / "cloudnativepg" / "go.mod").read_text()
    assert f"github.com/cloudnative-pg/cloudnative-pg v{cloudnativepg.VERSION} " in module


@pytest.fixture(scope="module")
def installed() -> client.CustomObjectsApi:
    kubeconfig = embedded.config_file(paths.cluster())
    assert kubeconfig.exists(), "The embedded cluster is not up: run `make test-cluster`."
    cloudnativepg.install(kubeconfig)
    return client.CustomObjectsApi(config.new_client_from_config(str(kubeconfig)))


@pytest.mark.cluster
@pytest.mark.usefixtures("installed")
def test_installing_again_changes_nothing() -> None:
    assert not cloudnativepg.install(embedded.config_file(paths.cluster()))


@pytest.mark.cluster
def test_the_webhook_refuses_a_lease_that_expires_while_it_is_being_renewed(installed: client.CustomObjectsApi) -> None:
    wrong: dict[str, Any] = copy.deepcopy(cloudnativepg.QUESTION)
    wrong["spec"]["primaryLease"] = {"leaseDurationSeconds": 5, "renewDeadlineSeconds": 10}
    with pytest.raises(ApiException, match="leaseDuration"):
        installed.create_namespaced_custom_object(
            "postgresql.cnpg.io", "v1", cloudnativepg.NAMESPACE, "clusters", wrong, dry_run="All"
        )
