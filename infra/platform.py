"""The platform: its components, composed in layers, top to bottom. Each layer waits for the one before it."""

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi import Output
from pulumi_kubernetes.helm.v3 import Release

from components.airflow.airflow import Airflow, database_clients
from components.database.cloudnativepg import CloudNativePG
from components.database.external import external_database
from components.database.settings import CloudNativePGSettings
from components.kubernetes.namespace import Namespace, NamespaceSettings, Role
from components.references import DatabaseConnection
from infra.settings import OperatorSettings, PlatformSettings

CLOUDNATIVEPG_CHART = "0.29.0"
"""Of operator 1.30.0. https://github.com/cloudnative-pg/charts"""


class Platform(pulumi.ComponentResource):
    """Namespaces, operators, the metadata database, Airflow."""

    outputs: dict[str, Any]

    def __init__(self, name: str, settings: PlatformSettings, *, secrets: pulumi.Config) -> None:
        super().__init__("airflow-platform:index:Platform", name)
        provider = kubernetes.Provider(
            "kubernetes",
            context=settings.cluster.context,
            # Otherwise an API server that is reached by another address counts as another cluster.
            cluster_identifier=settings.cluster.identifier or pulumi.get_stack(),
            enable_server_side_apply=True,
            # What somebody changed by hand is shown and undone. A preview would fail with a conflict instead.
            enable_patch_force=True,
            # A changed ConfigMap or Secret is updated in place, and a checksum restarts who reads it. Without these,
            # it would be deleted and made anew under the pods that mount it.
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self._inside = pulumi.ResourceOptions(parent=self, providers=[provider])
        self._settings = settings

        control_plane = self._namespace("control-plane", settings.namespaces.control_plane)
        foundations: list[pulumi.Resource] = [control_plane]
        if "KubernetesExecutor" in settings.airflow.executors:
            foundations.append(self._namespace("tasks", settings.namespaces.tasks))
        database, layer = self._database(secrets, foundations)
        airflow = Airflow(
            "airflow",
            settings.airflow,
            namespace=control_plane.name,
            tasks_namespace=settings.namespaces.tasks.name,
            database=database,
            cluster=settings.cluster,
            protect=settings.protect_data,
            oidc_client_secret=secrets.get_secret("oidcClientSecret"),
            opts=self._after(layer),
        )
        self.outputs = {"airflow_url": airflow.base_url}
        if airflow.passwords is not None:
            self.outputs["airflow_passwords"] = Output.secret(airflow.passwords)
        self.register_outputs(self.outputs)

    def _after(self, layer: list[pulumi.Resource]) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions.merge(self._inside, pulumi.ResourceOptions(depends_on=layer))

    def _namespace(self, role: Role, settings: NamespaceSettings) -> Namespace:
        platform = self._settings
        return Namespace(
            role, settings, role=role, cluster=platform.cluster, protect=platform.protect_data, opts=self._inside
        )

    def _database(
        self, secrets: pulumi.Config, foundations: list[pulumi.Resource]
    ) -> tuple[DatabaseConnection, list[pulumi.Resource]]:
        """The metadata database, and what must be there before its clients start."""
        settings = self._settings
        if not isinstance(settings.database, CloudNativePGSettings):
            return external_database(settings.database, secrets.require_secret("databasePassword")), foundations
        layer = [*foundations, self._namespace("data", settings.namespaces.data)]
        operator = settings.addons.cloudnativepg
        if operator.install == "managed":
            layer.append(self._cloudnativepg_operator(operator))
        pooled_clients, direct_clients = database_clients(settings.namespaces.control_plane.name)
        database = CloudNativePG(
            "database",
            settings.database,
            namespace=settings.namespaces.data.name,
            operator_namespace=operator.namespace,
            cluster=settings.cluster,
            pooled_clients=pooled_clients,
            direct_clients=direct_clients,
            protect=settings.protect_data,
            opts=self._after(layer),
        )
        return database.metadata, [*layer, database]

    def _cloudnativepg_operator(self, operator: OperatorSettings) -> Release:
        return Release(
            "cloudnativepg",
            name="cloudnative-pg",
            chart="cloudnative-pg",
            version=CLOUDNATIVEPG_CHART,
            repository_opts={"repo": "https://cloudnative-pg.github.io/charts"},
            namespace=operator.namespace,
            create_namespace=True,
            opts=self._inside,
        )
