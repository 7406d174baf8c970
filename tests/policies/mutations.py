"""Changes of the small stack (`objects.py`), each of one value, by the one policy that each violates.

A change is: what the message must name, the object, the path, the new value.
"""

from typing import Any

from tests.policies.objects import ABSENT, pod_template

Change = tuple[str, str, tuple[str | int, ...], Any]

POD = ("spec", "template", "spec")
MAIN = (*POD, "containers", 0)
INIT = (*POD, "initContainers", 0)
CONTEXT = (*MAIN, "securityContext")
CRON_POD = ("spec", "jobTemplate", "spec", "template", "spec")
SYNCHRONOUS = ("spec", "postgresql", "synchronous")
TASK = ("data", "pod_template.yaml")

FERNET = "AIRFLOW__CORE__FERNET_KEY"
OTHER_LABELS = {"matchLabels": {"app": "other"}}


def secret_variable(name: str, secret: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": "x"}}}


MUTATIONS: dict[str, list[Change]] = {
    "pods-are-restricted": [
        ("`hostNetwork` to `true`", "web", (*POD, "hostNetwork"), True),
        ("`hostPID`", "cleanup", (*CRON_POD, "hostPID"), True),
        ("`runAsNonRoot` not set", "web", (*POD, "securityContext", "runAsNonRoot"), ABSENT),
        ("`runAsNonRoot` `false`", "web", (*CONTEXT, "runAsNonRoot"), False),
        ("runs as user 0", "web", (*POD, "securityContext", "runAsUser"), 0.0),
        ("runs as user 0", "web", (*CONTEXT, "runAsUser"), 0.0),
        ("`Unconfined`", "web", (*CONTEXT, "seccompProfile"), {"type": "Unconfined"}),
        ("`seccompProfile.type` not set", "cleanup", (*CRON_POD, "securityContext", "seccompProfile"), ABSENT),
        ("`privileged` `true`", "web", (*CONTEXT, "privileged"), True),
        ("`allowPrivilegeEscalation` not set", "web", (*CONTEXT, "allowPrivilegeEscalation"), ABSENT),
        ("does not drop all", "web", (*CONTEXT, "capabilities", "drop"), ["NET_RAW"]),
        ("`SYS_ADMIN`", "web", (*CONTEXT, "capabilities", "add"), ["SYS_ADMIN"]),
        ("`procMount`", "web", (*CONTEXT, "procMount"), "Unmasked"),
        ("`appArmorProfile.type`", "web", (*CONTEXT, "appArmorProfile"), {"type": "Unconfined"}),
        ("`seLinuxOptions.type`", "web", (*POD, "securityContext", "seLinuxOptions"), {"type": "spc_t"}),
        ("`hostPath`", "web", (*POD, "volumes", 1), {"name": "host", "hostPath": {"path": "/"}}),
        ("port `80` of its node", "web", (*MAIN, "ports", 0, "hostPort"), 80.0),
        ("`10.0.0.1`", "web", (*MAIN, "livenessProbe", "httpGet", "host"), "10.0.0.1"),
        ("`kernel.msgmax`", "web", (*POD, "securityContext", "sysctls"), [{"name": "kernel.msgmax", "value": "1"}]),
        ("init container `wait`", "web", (*INIT, "securityContext", "privileged"), True),
        ("task pod template", "configuration", TASK, pod_template(volumes=[{"name": "x", "nfs": {"path": "/"}}])),
        ("has no containers", "configuration", TASK, pod_template(containers=[])),
    ],
    "root-file-systems-are-read-only": [
        ("container `main`", "web", (*CONTEXT, "readOnlyRootFilesystem"), ABSENT),
        ("init container `wait`", "web", (*INIT, "securityContext", "readOnlyRootFilesystem"), False),
    ],
    "containers-have-resources": [
        ("no `limits.cpu`", "web", (*MAIN, "resources", "limits", "cpu"), ABSENT),
        ("`requests.cpu`, `requests.memory`", "web", (*INIT, "resources", "requests"), ABSENT),
        ("task pod template", "configuration", TASK, pod_template({"resources": {}})),
        ("container `postgres`", "database", ("spec", "resources"), ABSENT),
    ],
    "long-running-containers-have-probes": [
        ("no `readinessProbe`", "web", (*MAIN, "readinessProbe"), ABSENT),
        ("no `livenessProbe`", "web", (*MAIN, "livenessProbe"), ABSENT),
        ("container `wait`", "web", (*INIT, "restartPolicy"), "Always"),
    ],
    "images-are-pinned": [
        ("`airflow`", "web", (*MAIN, "image"), "airflow"),
        ("`airflow:latest`", "web", (*MAIN, "image"), "airflow:latest"),
        ("`registry:5000/airflow`", "cleanup", (*CRON_POD, "containers", 0, "image"), "registry:5000/airflow"),
        ("`airflow:3`", "web", (*MAIN, "image"), "airflow:3"),
        ("`airflow:main`", "configuration", TASK, pod_template({"image": "airflow:main"})),
        ("`postgresql:17`", "database", ("spec", "imageName"), "postgresql:17"),
    ],
    "api-tokens-have-a-role": [
        ("`automountServiceAccountToken` not set", "web", (*POD, "automountServiceAccountToken"), ABSENT),
        ("`airflow/default`", "web", (*POD, "automountServiceAccountToken"), True),
        ("`airflow/cleanup`", "cleanup-binding", ("subjects", 0, "namespace"), "airflow-tasks"),
        ("`airflow/cleanup`", "cleanup-binding", (), ABSENT),
        ("task pod template", "configuration", TASK, pod_template(automountServiceAccountToken=True)),
    ],
    "secrets-stay-in-secrets": [
        ("variable `FERNET_KEY`", "web", (*MAIN, "env", 0), {"name": "FERNET_KEY", "value": "never-shown"}),
        ("a URL with a password", "web", (*MAIN, "env", 2, "value"), "postgresql://airflow:never-shown@db:5432/x"),
        ("`--db-password`", "web", (*MAIN, "args", 1), "--db-password=never-shown"),
        ("a secret value in its `args`", "web", (*MAIN, "args"), ["api-server", "--token", "never-shown"]),
        ("the key `password`", "configuration", ("data", "password"), "never-shown"),
        ("`secret_key`", "configuration", ("data", "airflow.cfg"), "[api]\nsecret_key = never-shown\n"),
        ("`SECRET_KEY`", "configuration", ("data", "settings.py"), "SECRET_KEY = 'never-shown'"),
        ("a private key", "configuration", ("data", "tls.pem"), "-----BEGIN EC PRIVATE KEY-----\nnever-shown"),
        ("a private key", "configuration", ("data", "jwks.json"), '{"kty": "RSA", "n": "x", "d": "never-shown"}'),
        ("annotation `db/password`", "web", ("metadata", "annotations", "db/password"), "never-shown"),
        ("`PW_TOKEN`", "configuration", TASK, pod_template({"env": [{"name": "PW_TOKEN", "value": "never-shown"}]})),
    ],
    "roles-grant-the-least": [
        ("wildcard in `verbs`", "cleanup-role", ("rules", 0, "verbs"), ["*"]),
        ("wildcard in `resources`", "cleanup-role", ("rules", 0, "resources"), ["*"]),
        ("wildcard in `apiGroups`", "cleanup-role", ("rules", 0, "apiGroups"), ["*"]),
        ("`pods/exec`", "cleanup-role", ("rules", 0, "resources"), ["pods", "pods/exec"]),
        ("verb `impersonate`", "cleanup-role", ("rules", 0, "verbs"), ["impersonate"]),
        (
            "any service account",
            "cleanup-role",
            ("rules", 0),
            {"resources": ["serviceaccounts/token"], "verbs": ["create"]},
        ),
        (
            "Secrets of every namespace",
            "reader",
            (),
            (
                "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
                {"metadata": {"name": "reader"}, "rules": [{"resources": ["secrets"], "verbs": ["list"]}]},
            ),
        ),
    ],
    "nobody-is-cluster-admin": [
        ("`cluster-admin`", "cleanup-binding", ("roleRef", "name"), "cluster-admin"),
        (
            "`system:authenticated`",
            "cleanup-binding",
            ("subjects", 1),
            {"kind": "Group", "name": "system:authenticated"},
        ),
    ],
    "pods-have-network-policies": [
        ("ingress of Deployment airflow/web", "web-traffic", ("spec", "policyTypes"), ["Egress"]),
        ("egress of Deployment airflow/web", "web-traffic", ("spec", "podSelector"), OTHER_LABELS),
        ("ingress of CronJob airflow/cleanup", "cleanup-traffic", ("metadata", "namespace"), "airflow-tasks"),
        ("task pod template", "task-traffic", (), ABSENT),
        ("Cluster airflow/metadata", "database-traffic", ("spec", "podSelector"), {}),
        ("Write `metadata.namespace`", "configuration", TASK, pod_template(namespace=None)),
    ],
    "namespaces-deny-by-default": [
        ("namespace `airflow`", "airflow-deny", ("spec", "policyTypes"), ["Ingress"]),
    ],
    "network-policies-name-their-peers": [
        ("without `from`", "web-traffic", ("spec", "ingress", 0, "from"), ABSENT),
        ("without `to`", "web-traffic", ("spec", "egress", 0, "to"), []),
        ("without `ports`", "web-traffic", ("spec", "egress", 0, "ports"), ABSENT),
    ],
    "replicas-have-a-disruption-budget": [
        ("no disruption budget", "web-budget", (), ABSENT),
        ("no disruption budget", "web-budget", ("metadata", "namespace"), "airflow-tasks"),
        ("no disruption budget", "web-budget", ("spec", "selector"), OTHER_LABELS),
        ("lets none", "web-budget", ("spec", "maxUnavailable"), 0.0),
        ("lets none", "web-budget", ("spec",), {"minAvailable": "60%", "selector": {"matchLabels": {"app": "web"}}}),
    ],
    "replicas-are-spread": [
        ("one node", "web", (*POD, "topologySpreadConstraints"), ABSENT),
        ("one node", "web", (*POD, "topologySpreadConstraints", 0, "labelSelector"), OTHER_LABELS),
        ("one node", "web", (*POD, "topologySpreadConstraints", 0, "topologyKey"), "rack"),
    ],
    "namespaces-enforce-restricted": [
        ("not set", "tasks", ("metadata", "labels", "pod-security.kubernetes.io/enforce"), ABSENT),
        ("`baseline`", "tasks", ("metadata", "labels", "pod-security.kubernetes.io/enforce"), "baseline"),
    ],
    "task-pods-hold-no-control-plane-secret": [
        ("Move it", "fernet", ("metadata", "namespace"), "airflow-tasks"),
        (f"`{FERNET}`", "configuration", TASK, pod_template({"env": [secret_variable(FERNET, "mine")]})),
    ],
    "databases-lose-no-commit": [
        ("`instances: 2`", "database", ("spec", "instances"), 2.0),
        ("`instances: 1`", "database", ("spec", "instances"), ABSENT),
        ("asynchronously", "database", SYNCHRONOUS, ABSENT),
        ("`preferred`", "database", (*SYNCHRONOUS, "dataDurability"), "preferred"),
        ("`synchronous.failoverQuorum` not set", "database", (*SYNCHRONOUS, "failoverQuorum"), ABSENT),
        ("`enableSuperuserAccess` `true`", "database", ("spec", "enableSuperuserAccess"), True),
        ("`enablePDB` `false`", "database", ("spec", "enablePDB"), False),
        ("`affinity.enablePodAntiAffinity`", "database", ("spec", "affinity", "enablePodAntiAffinity"), False),
    ],
}
