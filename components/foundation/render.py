"""The namespace, closed by default, and the priority classes. Pure."""

from components.core.context import Context
from components.core.rendered import NETWORK_PART, Manifest, Rendered
from components.environment import EnvironmentSpec

COMPONENT = NETWORK_PART
PRIORITIES = {"data": 1_000_000, "service": 900_000}
"""Priority classes by role. What holds data is evicted last. Below Kubernetes' own system classes (2,000,000,000)."""


def render(spec: EnvironmentSpec) -> Rendered:
    """Nothing on docker but the network, which everything else joins."""
    context = spec.context
    if context.target == "docker":
        return Rendered(network=context.network)
    return Rendered(
        manifests=(
            _namespace(context),
            _default_deny(context),
            *(_priority(context, r, v) for r, v in sorted(PRIORITIES.items())),
        )
    )


def _namespace(context: Context) -> Manifest:
    labels = {
        **context.labels(COMPONENT),
        "pod-security.kubernetes.io/enforce": "restricted",
    }
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": context.namespace, "labels": labels}}
    return Manifest(COMPONENT, body, stateful=True)


def _default_deny(context: Context) -> Manifest:
    """No pod is reached by anyone, nor reaches anything but DNS, unless another policy opens it."""
    body = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "default-deny", "namespace": context.namespace, "labels": context.labels(COMPONENT)},
        "spec": {
            "podSelector": {},
            "policyTypes": ["Ingress", "Egress"],
            "egress": [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}],
        },
    }
    return Manifest(COMPONENT, body)


def _priority(context: Context, role: str, value: int) -> Manifest:
    body = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": context.priority_class(role), "labels": context.labels(COMPONENT)},
        "value": value,
        "description": f"cdc-platform {context.environment}: pods of role {role}",
    }
    return Manifest(COMPONENT, body)
