"""What surrounds everything: the namespace, its network, and the guard on what holds data."""

from collections.abc import Iterator
from typing import Any

from policies.model import OUTSIDE_DEVELOPMENT, SHARED, Rule, Subject, Violation
from policies.rules.places import origin

_HOLD_DATA = ("Kafka", "KafkaNodePool", "KafkaTopic", "Namespace", "PersistentVolumeClaim", "StatefulSet")
_DNS_PORT = 53
_ENFORCE = "pod-security.kubernetes.io/enforce"


def _default_deny(subject: Subject) -> Iterator[Violation]:
    closed = {policy.namespace for policy in subject.of_kind("NetworkPolicy") if _closes_all(policy.body["spec"])}
    namespaces = {manifest.namespace for manifest in subject.except_kinds("Namespace")} - {None}
    for namespace in sorted(str(name) for name in namespaces - closed):
        yield Violation("kubernetes.namespace", f"namespace {namespace} is open to all", f"Namespace/{namespace}")


def _closes_all(spec: dict[str, Any] | Any) -> bool:
    """Whether a policy closes every pod of its namespace, both ways, but for DNS."""
    everyone = not any((spec.get("podSelector") or {}).values())
    both = {"Ingress", "Egress"} <= set(spec.get("policyTypes", ()))
    only_dns = all(
        rule.get("ports") and all(port.get("port") == _DNS_PORT for port in rule["ports"]) for rule in spec.get("egress") or ()
    )
    return everyone and both and not spec.get("ingress") and only_dns


def _open_ingress(subject: Subject) -> Iterator[Violation]:
    for policy in subject.of_kind("NetworkPolicy"):
        for rule in policy.body["spec"].get("ingress") or ():
            peers = rule.get("from") or ()
            if not peers or any(_is_anyone(peer) for peer in peers):
                yield Violation(origin(subject, policy), "lets everyone in", policy.id)


def _is_anyone(peer: dict[str, Any]) -> bool:
    """An empty peer, every namespace with no pod chosen, or the whole Internet."""
    everywhere = "namespaceSelector" in peer and not any((peer["namespaceSelector"] or {}).values())
    chosen = any((peer.get("podSelector") or {}).values())
    networks = peer.get("ipBlock") or {}
    return not peer or (everywhere and not chosen) or networks.get("cidr") in {"0.0.0.0/0", "::/0"}


def _pod_security(subject: Subject) -> Iterator[Violation]:
    for namespace in subject.of_kind("Namespace"):
        level = (namespace.body["metadata"].get("labels") or {}).get(_ENFORCE)
        if level != "restricted":
            said = "nothing" if level is None else str(level)
            yield Violation("kubernetes.namespace", f"namespace {namespace.name} enforces {said}", namespace.id)


def _holds_data(subject: Subject) -> Iterator[Violation]:
    for manifest in subject.of_kind(*_HOLD_DATA):
        if not manifest.stateful:
            yield Violation(origin(subject, manifest), "holds data and is not protected", manifest.id)
    for workload in subject.rendered.workloads:
        if not workload.stateful and any(mount.volume and not mount.read_only for mount in workload.mounts):
            yield Violation(origin(subject, workload), "writes to a volume and is not protected", workload.id)


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "network-default-deny",
        "Namespaces are closed unless a policy opens them",
        "Where no policy selects a pod, every pod of the cluster may connect to it.",
        "Leave the default-deny policy to the platform.",
        "Kubernetes documentation, network policies, default deny",
        OUTSIDE_DEVELOPMENT,
        _default_deny,
    ),
    Rule(
        "network-open-ingress",
        "No policy lets everyone in",
        "An ingress rule without peers undoes the default that closes the namespace.",
        "List the namespaces or pods that may connect.",
        "Kubernetes documentation, network policies",
        OUTSIDE_DEVELOPMENT,
        _open_ingress,
    ),
    Rule(
        "namespace-pod-security",
        "Namespaces enforce the restricted pod security standard",
        "It stops a privileged pod that somebody adds by hand beside the platform.",
        f"Leave the namespace's label {_ENFORCE} at restricted.",
        "Kubernetes documentation, pod security admission",
        OUTSIDE_DEVELOPMENT,
        _pod_security,
    ),
    Rule(
        "stateful-protected",
        "What holds data is protected from deletion",
        "One wrong rename or destroy deletes topics, disks or a whole cluster, and reports success.",
        "This is a fault of the platform, not of the spec: report it with the object's name.",
        "Pulumi documentation, protect and retainOnDelete; Strimzi: deleting a KafkaTopic deletes the topic",
        SHARED,
        _holds_data,
    ),
)
