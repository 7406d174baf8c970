"""A node with pods, made of network namespaces: routed links as the CNI plugin `ptp` makes them, real sockets.

The node is a network namespace too, so the machine's own network is not touched. Each namespace belongs to a process
that ends with its standard input: however the tests end, all goes with them.
"""

import contextlib
import ctypes
import itertools
import os
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path

from local import debian
from local.network_policy.rules import Network, table
from tests.local.network_policy_objects import NETWORK

GATEWAY = "10.244.0.1"
_CLONE_NEWNET = 0x40000000
_UNANSWERED_SECONDS = 0.3  # an answer takes well below a millisecond
_libc = ctypes.CDLL(None, use_errno=True)


def why_not() -> str:
    """Why the lab can't be made here; empty where it can."""
    if sys.platform != "linux":
        return "network namespaces and nftables are Linux's"
    if os.geteuid() != 0:
        return "making network namespaces takes root"
    if missing := [name for name in ("unshare", "nsenter") if not shutil.which(name)]:
        return f"{' and '.join(missing)} of util-linux not found"
    try:
        debian.tools()
    except (RuntimeError, OSError) as error:
        return f"no nft: {error}"
    return ""


class Lab:
    """The node (172.30.0.1) and hosts linked to it. Every host answers on every TCP and UDP port in `PORTS`."""

    PORTS = (53, 80, 6443, 8080, 8081, 8090, 9090)

    def __init__(self, hosts: Mapping[str, str]) -> None:
        """Make hosts with these addresses, by name; `node` is there too."""
        self.addresses = {**hosts, "node": str(NETWORK.node)}
        self._env = debian.tools().env()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._servers: list[socket.socket] = []
        self._source_ports = itertools.count(20000)  # never one twice: connection tracking remembers the old ones
        try:
            for name in self.addresses:
                self._processes[name] = _namespace()
            self._wire(hosts)
            for name in self.addresses:
                self._serve(name)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Everything is gone after this."""
        for server in self._servers:
            server.close()
        for process in self._processes.values():
            process.kill()
            process.communicate()

    def enforce(
        self,
        policies: Iterable[Mapping[str, object]],
        pods: Iterable[Mapping[str, object]],
        namespaces: Iterable[Mapping[str, object]],
        network: Network = NETWORK,
    ) -> None:
        """Load on the node what the controller would."""
        self.nft(f"flush ruleset\n{table(policies, pods, namespaces, network)}")

    def nft(self, commands: str) -> None:
        """Run nft on the node."""
        self.run("node", ["nft", "-f", "-"], commands)

    def run(self, name: str, command: Sequence[str], text: str = "") -> None:
        """Run a command on a host, with `text` as its input."""
        entered = ["nsenter", f"--net={self._net(name)}", *command]
        done = subprocess.run(entered, env=self._env, input=text, capture_output=True, text=True)
        assert done.returncode == 0, f"{command} on {name}: {done.stderr}\n{text}"

    def passing(self, flows: Iterable[str]) -> set[str]:
        """Those of `flows` that get an answer; each is `SOURCE -> DESTINATION:PORT[/udp]`, by name or address."""
        waiting = {self._open(flow): flow for flow in flows}
        clients = list(waiting)
        passed: set[str] = set()
        deadline = time.monotonic() + _UNANSWERED_SECONDS
        while waiting:
            tcp = [each for each in waiting if each.type == socket.SOCK_STREAM]
            udp = [each for each in waiting if each.type == socket.SOCK_DGRAM]
            timeout = max(0.0, deadline - time.monotonic())
            readable, writable, _ = select.select([*self._servers, *udp], tcp, [], timeout)
            if not readable and not writable:
                break
            for ready in [*readable, *writable]:
                if flow := waiting.pop(ready, None):
                    if not ready.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                        passed.add(flow)
                elif ready.type == socket.SOCK_DGRAM:
                    ready.sendto(*ready.recvfrom(64))
                else:
                    ready.accept()[0].close()
        for client in clients:
            client.close()
        return passed

    def expect(self, *, passing: Iterable[str] = (), dropped: Iterable[str] = ()) -> None:
        """Assert that all of `passing` get an answer, and none of `dropped`."""
        assert self.passing([*passing, *dropped]) == set(passing)

    @contextlib.contextmanager
    def inside(self, name: str) -> Generator[None]:
        """Sockets made meanwhile by this thread are the host's, for as long as they live."""
        with Path("/proc/thread-self/ns/net").open() as own, Path(self._net(name)).open() as other:
            _enter(other.fileno())
            try:
                yield
            finally:
                _enter(own.fileno())

    def _open(self, flow: str) -> socket.socket:
        source, destination = flow.removesuffix("/udp").split(" -> ")
        name, port = destination.rsplit(":", 1)
        address = (self.addresses.get(name, name), int(port))
        with self.inside(source):
            client = socket.socket(type=socket.SOCK_DGRAM if flow.endswith("/udp") else socket.SOCK_STREAM)
        client.setblocking(False)
        client.bind(("", next(self._source_ports)))
        with contextlib.suppress(BlockingIOError):
            client.connect(address)
        if client.type == socket.SOCK_DGRAM:
            client.send(b"?")
        return client

    def _wire(self, hosts: Mapping[str, str]) -> None:
        node = [f"address add {NETWORK.node}/32 dev lo", "link set lo up"]
        for number, (name, address) in enumerate(hosts.items()):
            node += [
                f"link add veth{number} type veth peer name eth0 netns {self._processes[name].pid}",
                f"link set veth{number} up",
                f"address add {GATEWAY}/32 dev veth{number}",
                f"route add {address}/32 dev veth{number} scope link",
            ]
        self.run("node", ["ip", "-batch", "-"], "\n".join(node))
        self.run("node", ["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])
        for name, address in hosts.items():
            host = [
                "link set lo up",
                "link set eth0 up",
                f"address add {address}/32 dev eth0",
                f"route add {GATEWAY}/32 dev eth0 scope link",
                f"route add default via {GATEWAY}",
            ]
            self.run(name, ["ip", "-batch", "-"], "\n".join(host))

    def _serve(self, name: str) -> None:
        with self.inside(name):
            for port, kind in itertools.product(self.PORTS, (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
                server = socket.socket(type=kind)
                server.bind(("", port))
                if kind == socket.SOCK_STREAM:
                    server.listen(64)
                self._servers.append(server)

    def _net(self, name: str) -> str:
        return f"/proc/{self._processes[name].pid}/ns/net"


def _namespace() -> subprocess.Popen[bytes]:
    """A process with a network namespace of its own, that ends when its standard input does."""
    process = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout
    process.stdout.readline()  # the namespace is there
    return process


def _enter(descriptor: int) -> None:
    # os.setns came with Python 3.12.
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
