"""Sign-on through OpenID Connect, for Airflow's FAB auth manager (`[fab] config_file`)."""

import os

from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride
from flask_appbuilder.const import AUTH_OAUTH

ROLES = REMOTE_APP = GROUPS_CLAIM = None  # written here by the platform


class OidcSecurityManager(FabAirflowSecurityManagerOverride):
    """FAB knows some providers by name, and of any other one it asks nothing. This asks what the standard says."""

    def get_oauth_user_info(self, provider, resp):
        """The user as the provider's userinfo endpoint describes them, with their groups."""
        claims = self.oauth_remotes[provider].userinfo(token=resp)
        return {
            "username": claims.get("preferred_username") or claims["sub"],
            "first_name": claims.get("given_name", ""),
            "last_name": claims.get("family_name", ""),
            "email": claims.get("email", ""),
            "role_keys": claims.get(GROUPS_CLAIM, []),
        }


SECURITY_MANAGER_CLASS = OidcSecurityManager
AUTH_TYPE = AUTH_OAUTH
AUTH_USER_REGISTRATION = True
# FAB adds this role to every user at every login, so it is the least.
AUTH_USER_REGISTRATION_ROLE = "Public"
AUTH_ROLES_SYNC_AT_LOGIN = True
AUTH_ROLES_MAPPING = ROLES
OAUTH_PROVIDERS = [
    {
        "name": "oidc",
        "icon": "fa-key",
        "token_key": "access_token",
        "remote_app": REMOTE_APP | {"client_secret": os.environ["OIDC_CLIENT_SECRET"]},
    }
]
