"""Enforces NetworkPolicies (networking.k8s.io/v1) on the embedded one-node cluster, as one nftables table.

`python -m local.network_policy` watches policies, pods and namespaces and keeps the table as they say. What a pod may
do is what Kubernetes documents; where it leaves a choice:

- What is not allowed is dropped, as CNI plugins do. A refusal would fail sooner, but would also fail what is allowed
  and only not programmed yet: after a drop the next SYN, a second later, gets through.
- An address of the pod network that no running pod is known to have can't be reached, and can't reach anything. So a
  new pod has no moment without its policies.
- An established connection stays when a later policy would forbid it.
- Pods on the host's network are the node: no policy selects them, and no pod or namespace selector finds them.
- The node reaches every pod. What a pod sends to the node is subject to its egress policies (`ipBlock`).
- A destination behind a Service is judged by the address of the pod or node that answers, an `ipBlock` also where
  it covers pods.
"""

from local.network_policy.nftables import TABLE, remove

__all__ = ["TABLE", "remove"]
