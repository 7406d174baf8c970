"""`python -m local.network_policy`: enforce network policies until SIGTERM or SIGINT."""

import argparse
import logging
import signal
import tempfile
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from kubernetes import config

from local.network_policy.controller import Controller
from local.network_policy.rules import Network


def main() -> None:
    """Parse the command line and run the controller."""
    parser = argparse.ArgumentParser(prog="python -m local.network_policy", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="may list pods, namespaces and networkpolicies")
    parser.add_argument("--pod-cidr", type=IPv4Network, required=True, help="addresses of the pods: 10.244.0.0/16")
    parser.add_argument("--node-ip", type=IPv4Address, required=True, help="the node's address for pods: 172.30.0.1")
    parser.add_argument("--nft", default="nft", help="the nft program (default: the one on PATH)")
    parser.add_argument("--ready-file", type=Path, help="touched when the policies are enforced for the first time")
    parser.add_argument(
        "--cni-results",
        type=Path,
        help="where the CNI library keeps its results, as this process sees it (/var/lib/cni/results): a pod's address"
        " is known before it starts (default: when the API server knows it, up to a second later)",
    )
    arguments = parser.parse_args()

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its every retry, where we log each loss of the API server
    if arguments.ready_file:
        arguments.ready_file.unlink(missing_ok=True)
    # The client writes the kubeconfig's key to a temporary file, and a killed process leaves it: where `down` finds it.
    tempfile.tempdir = str(arguments.kubeconfig.parent)
    controller = Controller(
        config.new_client_from_config(str(arguments.kubeconfig)),
        Network(arguments.pod_cidr, arguments.node_ip),
        nft=arguments.nft,
        ready_file=arguments.ready_file,
        cni_results=arguments.cni_results,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: controller.stop())
    controller.run()


if __name__ == "__main__":
    main()
