"""What can't be seen from packets: the table's text does not depend on order, stays small, and is quickly made."""

import random
import time
from typing import Any

import pytest

from local.network_policy.rules import table
from local.network_policy.selectors import selects
from tests.local.network_policy_objects import DENY_ALL, NAMESPACES, NETWORK, PODS, namespace, pod, policy

_BUSY = """
    podSelector: {}
    policyTypes: [Ingress, Egress]
    ingress: [{from: [{namespaceSelector: {}}], ports: [{port: http}, {port: 80}]}]
    egress: [{to: [{podSelector: {matchLabels: {app: web}}}, {ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 53}]}]
    """


def test_the_same_objects_in_another_order_give_the_same_table() -> None:
    policies = [policy(name, _BUSY, name=f"busy-{number}") for name in ("a", "b") for number in range(5)]
    objects: list[list[Any]] = [[*policies, DENY_ALL], list(PODS), list(NAMESPACES)]
    first = table(*objects, NETWORK)
    for seed in range(5):
        for each in objects:
            random.Random(seed).shuffle(each)
        assert table(*objects, NETWORK) == first


def test_a_thousand_pods_and_a_hundred_policies_take_a_table_of_their_size() -> None:
    """Not of their product: pods with the same policies share a chain, policies that mean the same pods a set."""
    namespaces = [namespace(f"n{number}") for number in range(20)]
    pods = [pod(f"n{n % 20}", f"pod{n}", f"10.244.{n // 250}.{n % 250 + 2}", ports={"http": 80}) for n in range(1000)]
    policies = [policy(f"n{number % 20}", _BUSY, name=f"busy-{number}") for number in range(100)]

    start = time.process_time()
    for _ in range(10):
        table([], pods, namespaces, NETWORK)
    alone = (time.process_time() - start) / 10
    start = time.process_time()
    text = table(policies, pods, namespaces, NETWORK)
    with_policies = time.process_time() - start

    assert text.count("10.244.") < 20 * len(pods)
    assert with_policies < 100 * alone


def test_an_address_that_is_used_again_belongs_to_the_newer_pod() -> None:
    older, newer = pod("a", "older", "10.244.0.9"), pod("b", "newer", "10.244.0.9")
    older["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    newer["metadata"]["creationTimestamp"] = "2026-01-01T00:00:01Z"
    assert table([DENY_ALL], [newer, older], [], NETWORK) == table([DENY_ALL], [newer], [], NETWORK)


def test_an_ipv6_block_lets_no_ipv4_packet_through() -> None:
    allows = policy("a", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: '::/0', except: ['fd00::/8']}}]}]}")
    denies = policy("a", "{podSelector: {}}")
    assert table([allows], PODS, [], NETWORK) == table([denies], PODS, [], NETWORK)


def test_a_selector_with_an_unknown_operator_is_refused() -> None:
    with pytest.raises(ValueError, match="'Like'; it must be In, NotIn, Exists or DoesNotExist"):
        selects({"matchExpressions": [{"key": "app", "operator": "Like", "values": ["web"]}]}, {"app": "web"})
