"""Watches the cluster and programs the table whenever what it should be has changed."""

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubernetes import client

from local.network_policy import cni, nftables
from local.network_policy.rules import Network, table
from local.network_policy.watch import Watch

_LOG = logging.getLogger(__name__)
_DEBOUNCE_SECONDS = 0.05
_RETRY_SECONDS = 1.0
_CHECK_SECONDS = 30.0  # whether the table is still there


class Controller:
    """Enforces the policies of one cluster until `stop`. The table stays then: a restart leaves no gap."""

    def __init__(
        self,
        api: client.ApiClient,
        network: Network,
        *,
        nft: str = "nft",
        ready_file: Path | None = None,
        cni_results: Path | None = None,
    ) -> None:
        self._network = network
        self._nft = nft
        self._ready_file = ready_file
        self._cni_results = cni_results
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._programmed = ""
        if cni_results:
            cni.watch(cni_results, self._changed)
        core, networking = client.CoreV1Api(api), client.NetworkingV1Api(api)
        self._policies = Watch("policies", networking.list_network_policy_for_all_namespaces, self._changed)
        self._pods = Watch("pods", core.list_pod_for_all_namespaces, self._changed)
        self._namespaces = Watch("namespaces", core.list_namespace, self._changed)

    def stop(self) -> None:
        """Make `run` return. May be called from a signal handler."""
        self._stopping.set()
        self._changed.set()

    def run(self) -> None:
        """Keep the table current. Writes the ready file once it is for the first time."""
        for watch in (self._policies, self._pods, self._namespaces):
            while not watch.synced.wait(0.1):
                if self._stopping.is_set():
                    return
        wait = 0.0
        while True:
            changed = self._changed.wait(wait)
            if self._stopping.is_set():
                return
            if changed:
                time.sleep(_DEBOUNCE_SECONDS)
                self._changed.clear()
            elif self._programmed and not nftables.present(self._nft):
                _LOG.warning("Somebody removed the table; it is programmed again.")
                self._programmed = ""
            wait = _CHECK_SECONDS if self._program() else _RETRY_SECONDS

    def _program(self) -> bool:
        """Bring the table up to date. False where that failed and is to be tried again; the old table stays then."""
        start = time.monotonic()
        try:
            pods: list[Mapping[str, Any]] = [*self._pods.objects()]
            if self._cni_results:
                pods = cni.with_addresses(pods, self._cni_results)
            wanted = table(self._policies.objects(), pods, self._namespaces.objects(), self._network)
            if wanted == self._programmed:
                return True
            nftables.replace(self._nft, wanted)
        except (ValueError, RuntimeError, OSError):
            _LOG.exception("The table could not be programmed; the one before it stays.")
            return False
        self._programmed = wanted
        _LOG.info("Programmed %d lines in %.0f ms.", wanted.count("\n"), 1000 * (time.monotonic() - start))
        if self._ready_file:
            self._ready_file.touch()
        return True
