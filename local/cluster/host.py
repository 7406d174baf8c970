"""What the embedded cluster changes on the machine itself: written down before it is done, and undone from that."""

import contextlib
import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from local.cluster.addresses import NODE_IP, POD_CIDR, SERVICE_CIDR
from local.debian import DebianTools

# The kubelet sets all but the first by itself; forwarding is what routes between pods.
SYSCTLS = (
    "net.ipv4.ip_forward",
    "vm.overcommit_memory",
    "vm.panic_on_oom",
    "kernel.panic",
    "kernel.panic_on_oops",
    "kernel.keys.root_maxkeys",
    "kernel.keys.root_maxbytes",
)

# Paths that the kubelet and the CNI library have compiled in. They must exist, to have a file system of the cluster's
# own mounted over them in the node's mount namespace; the machine's stay empty.
MOUNT_POINTS = (Path("/var/lib/cni"), Path("/var/lib/kubelet"), Path("/var/log/containers"))

FIREWALL_TABLE = "airflow_platform_host"
TABLES = (
    ("inet", FIREWALL_TABLE),
    ("inet", "airflow_platform_policy"),
    ("ip", "kube-proxy"),
    ("ip6", "kube-proxy"),
)
"""Every nftables table that is there while the cluster runs."""

# Forwarding is on now, so without this another machine could route to pods, NodePorts and the API server through this
# one, and pods could send packets with addresses that nobody can answer.
_FIREWALL = f"""
table inet {FIREWALL_TABLE}
delete table inet {FIREWALL_TABLE}
table inet {FIREWALL_TABLE} {{
  chain input {{
    type filter hook input priority filter; policy accept;
    ip daddr {NODE_IP} iifname != {{ "lo", "veth*" }} drop
  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    ip daddr {POD_CIDR} iifname != "veth*" drop
    ip saddr {POD_CIDR} oifname != "veth*" reject
  }}
}}
"""


@dataclass(frozen=True)
class _Before:
    """What was there before: values of sysctls, the address; and the mount points that had to be made, with parents."""

    sysctls: dict[str, str]
    address: bool
    made: list[str]


def prepare(state: Path, tools: DebianTools) -> None:
    """Change the machine as the cluster needs it; a second call repairs what is not so any more."""
    journal = _journal(state)
    if not journal.exists():
        state.mkdir(parents=True, exist_ok=True)
        sysctls = {name: _sysctl(name).read_text().strip() for name in SYSCTLS}
        before = _Before(sysctls, _address_present(tools), _missing(MOUNT_POINTS))
        unfinished = journal.with_suffix(".new")
        unfinished.write_text(json.dumps(asdict(before), indent=2))
        unfinished.replace(journal)
    for directory in MOUNT_POINTS:
        directory.mkdir(parents=True, exist_ok=True)
    _sysctl("net.ipv4.ip_forward").write_text("1")
    _run(tools, ["ip", "address", "replace", f"{NODE_IP}/32", "dev", "lo"])
    # On a machine without a default route a Service's address would be unreachable before it is ever translated.
    _run(tools, ["ip", "route", "replace", SERVICE_CIDR, "dev", "lo", "src", NODE_IP])
    _run(tools, ["nft", "-f", "-"], _FIREWALL)


def restore(state: Path, tools: DebianTools) -> None:
    """Undo what `prepare` and the cluster's processes changed; does nothing where `prepare` was never called."""
    journal = _journal(state)
    if not journal.exists():
        return
    before = _Before(**json.loads(journal.read_text()))
    _remove_links(tools)
    present = _run(tools, ["nft", "list", "tables"]).splitlines()
    for family, table in TABLES:
        if f"table {family} {table}" in present:
            _run(tools, ["nft", "delete", "table", family, table])
    _run(tools, ["ip", "route", "flush", "exact", SERVICE_CIDR, "dev", "lo"])
    if not before.address and _address_present(tools):
        _run(tools, ["ip", "address", "delete", f"{NODE_IP}/32", "dev", "lo"])
    for name, value in before.sysctls.items():
        if _sysctl(name).read_text().strip() != value:
            _sysctl(name).write_text(value)
    for directory in reversed(before.made):
        with contextlib.suppress(OSError):  # somebody else uses it by now
            Path(directory).rmdir()
    journal.unlink()


def prepared(state: Path) -> bool:
    """Whether something on the machine is changed, or may be."""
    return _journal(state).exists()


def _remove_links(tools: DebianTools) -> None:
    """The kernel keeps a killed pod's network as long as a connection in it has something left to send: minutes."""
    for route in json.loads(_run(tools, ["ip", "-json", "route", "show", "root", POD_CIDR]) or "[]"):
        # It may vanish by itself meanwhile.
        subprocess.run(["ip", "link", "delete", route["dev"]], env=tools.env(), capture_output=True)


def _address_present(tools: DebianTools) -> bool:
    return f" {NODE_IP}/32 " in _run(tools, ["ip", "-oneline", "address", "show", "dev", "lo"])


def _journal(state: Path) -> Path:
    return state / "host.json"


def _sysctl(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")


def _missing(directories: Sequence[Path]) -> list[str]:
    """The directories that don't exist, each after those of its parents that don't."""
    missing = dict.fromkeys(
        path for directory in directories for path in (*reversed(directory.parents), directory) if not path.exists()
    )
    return [str(path) for path in missing]


def _run(tools: DebianTools, command: list[str], stdin: str = "") -> str:
    done = subprocess.run(command, env=tools.env(), input=stdin, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
    return done.stdout
