"""Single sign-on's part of the API server, with FAB as Airflow has it. The provider itself is not there."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from local.first_run import ui_url
from tests.local.platform import Platform

pytestmark = pytest.mark.cluster

_MAP_CLAIMS = """
import json, runpy, types
manager = runpy.run_path("/opt/airflow/config/webserver_config.py")["SECURITY_MANAGER_CLASS"]
claims = {"sub": "1", "preferred_username": "ada", "given_name": "Ada", "email": "a@example.com", "roles": ["data"]}
remote = types.SimpleNamespace(userinfo=lambda token: claims)
print(json.dumps(manager.get_oauth_user_info(types.SimpleNamespace(oauth_remotes={"oidc": remote}), "oidc", {})))
"""


@pytest.fixture
def oidc(platform: Platform, tmp_path: Path) -> Iterator[Platform]:
    """The platform with sign-on through OpenID Connect; afterwards as it was."""

    def change(config: dict[str, Any]) -> None:
        config["airflow-platform:airflow"]["auth"] = {
            "manager": "oidc",
            "issuer": "https://login.example.com/realms/data",
            "client_id": "airflow",
            "cidrs": ["192.0.2.0/24"],
            "groups_claim": "roles",
            "roles": {"data": ["User"]},
        }
        config["airflow-platform:oidcClientSecret"] = {"secure": "v1:encrypted"}

    if (platform.target.state / "pulumi").exists():
        pytest.skip("Pulumi wants the client's secret encrypted with the stack's own key, which this test has not.")
    platform.deploy(change, tmp_path / "oidc")
    yield platform
    platform.deploy(lambda config: None, tmp_path / "simple")


def test_sign_on_offers_the_provider_and_maps_its_claims(oidc: Platform) -> None:
    url = ui_url(oidc.target)
    assert requests.get(f"{url}/api/v2/dags", timeout=30).status_code == requests.codes.unauthorized
    page = requests.get(f"{url}/auth/login/", timeout=30)
    assert page.ok
    assert "oidc" in page.text
    said = oidc.kubectl(
        *("exec", "-n", "airflow", "deployment/airflow-api-server", "-c", "api-server", "--"),
        *("python", "-c", _MAP_CLAIMS),
    )
    user = json.loads(said.splitlines()[-1])
    assert user["username"] == "ada"
    assert user["role_keys"] == ["data"]
