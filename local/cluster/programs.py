"""The programs of the embedded Kubernetes, built from their Go modules into the cache."""

from dataclasses import dataclass
from pathlib import Path

from local import debian, go_build
from local.debian import DebianTools

KUBERNETES = "1.34.4"  # the newest minor whose kubelet still starts on cgroup v1; local/go/kubernetes/go.mod pins it

_VERSION = "k8s.io/component-base/version"
_KUBERNETES_LDFLAGS = f"-s -w -X {_VERSION}.gitVersion=v{KUBERNETES} -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=34"


@dataclass(frozen=True)
class Programs:
    """Paths of what the cluster runs. `kubernetes` is one binary: its first argument names the program in it."""

    kubernetes: Path
    etcd: Path
    tools: DebianTools

    @property
    def kubectl(self) -> Path:
        """A link to `kubernetes`, which looks at the name that it is called by."""
        return self.kubernetes.with_name("kubectl")


def build() -> Programs:
    """Build or download what isn't in the cache yet: about 8 minutes on 2 cores the first time."""
    kubernetes = go_build.build("kubernetes", ".", "kubernetes", ldflags=_KUBERNETES_LDFLAGS, expected="8 min")
    programs = Programs(
        kubernetes=kubernetes,
        etcd=go_build.build("etcd", "go.etcd.io/etcd/server/v3", "etcd", expected="30 s"),
        tools=debian.tools(),
    )
    if not programs.kubectl.exists():
        programs.kubectl.symlink_to(kubernetes.name)
    return programs


def unbuilt() -> list[str]:
    """Names of what `build` would still have to build from Go modules."""
    kubernetes = go_build.target("kubernetes", ".", "kubernetes", ldflags=_KUBERNETES_LDFLAGS)
    etcd = go_build.target("etcd", "go.etcd.io/etcd/server/v3", "etcd")
    wanted = {f"Kubernetes {KUBERNETES}": kubernetes, "etcd": etcd}
    return [what for what, path in wanted.items() if not path.exists()]


def complete() -> bool:
    """Whether `build` would find everything in the cache."""
    return not unbuilt() and debian.location().exists()
