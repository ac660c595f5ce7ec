"""The namespace is closed, and each opening is one that somebody needs."""

import json
import re
from collections.abc import Iterator, Mapping

from components.core.rendered import Manifest
from components.kafka.network_policies import CLIENT_LABEL
from components.schema_registry.derive import PORT as REGISTRY_PORT
from policies.model import OUTSIDE_DEVELOPMENT, PRODUCTION, Rule, Subject, Violation
from policies.reach import Edge, Pods, Reach, selects
from policies.rules.places import origin

_BY_ROLE: tuple[tuple[Mapping[str, str], Mapping[str, str], frozenset[int]], ...] = (
    (CLIENT_LABEL, {"strimzi.io/component-type": "kafka"}, frozenset()),
    (CLIENT_LABEL, {"app.kubernetes.io/name": "haproxy"}, frozenset({REGISTRY_PORT})),
    (CLIENT_LABEL, {"app.kubernetes.io/name": "otel-collector"}, frozenset()),
)
"""Openings for a role and not for single programs: source, target, and the ports, all where none are named. Whoever carries the
label of Kafka's clients may knock at every listener, at the registry behind HAProxy and at the collector, and each of them asks
who it is."""

_NAMESPACE = "kubernetes.io/metadata.name"


def _missing(subject: Subject) -> Iterator[Violation]:
    reach = subject.reach
    for edge in sorted({*reach.needed, *_scraped(subject, reach)}):
        source, target = reach.by_id.get(edge.source) or _outside(edge.source), reach.by_id[edge.target]
        closed = [] if source.namespace or reach.lets_out(source, target, edge.port) else ["out of the one"]
        closed += [] if reach.lets_in(source, target, edge.port) else ["into the other"]
        if closed and source.id != target.id:
            blamed = target.owner if source.namespace else source.owner
            message = f"{edge.source} needs port {edge.port} of {edge.target}, and no policy lets it {' nor '.join(closed)}"
            yield Violation(origin(subject, blamed), message, blamed.id)


def _scraped(subject: Subject, reach: Reach) -> Iterator[Edge]:
    """Prometheus to what monitors choose; it lives in a namespace of its own."""
    observability = subject.spec.observability
    if observability is None:
        return
    for monitor in subject.of_kind("PodMonitor"):
        chosen = [pods for pods in reach.pods if selects(monitor.body["spec"]["selector"], pods.labels)]
        for endpoint in monitor.body["spec"]["podMetricsEndpoints"]:
            addresses = [
                one["replacement"] for one in endpoint.get("relabelings", ()) if one.get("targetLabel") == "__address__"
            ]
            port = int(addresses[-1].rpartition(":")[2]) if addresses else endpoint.get("portNumber")
            source = f"Namespace/{observability.prometheus.namespace}"
            yield from (Edge(source, pods.id, port) for pods in chosen if port is not None)


def _outside(name: str) -> Pods:
    """Prometheus, as its operator labels it."""
    nothing = Manifest("observability", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return Pods(name, nothing, {"app.kubernetes.io/name": "prometheus"}, frozenset(), namespace=name.partition("/")[2])


def _surplus(subject: Subject) -> Iterator[Violation]:
    reach = subject.reach
    for edge in sorted(set(reach.open()) - reach.needed):
        source, target = reach.by_id[edge.source], reach.by_id[edge.target]
        if not any(
            _is(source, wanted) and _is(target, other) and (not ports or edge.port in ports)
            for wanted, other, ports in _BY_ROLE
        ):
            message = f"{edge.source} may reach it at port {edge.port}, and nothing there is configured to"
            yield Violation(origin(subject, target.owner), message, target.owner.id)


def _is(pods: Pods, labels: Mapping[str, str]) -> bool:
    return selects({"matchLabels": labels}, pods.labels)


def _namespaces(subject: Subject) -> Iterator[Violation]:
    """Every name that stands in the spec, or is a default of it, is a name that somebody meant."""
    words = set(re.findall(r'"([^"]*)"', json.dumps(subject.spec.model_dump(mode="json"))))
    for policy in subject.of_kind("NetworkPolicy"):
        rules = [*(policy.body["spec"].get("ingress") or ()), *(policy.body["spec"].get("egress") or ())]
        for peer in (peer for rule in rules for peer in (*rule.get("from", ()), *rule.get("to", ()))):
            name = ((peer.get("namespaceSelector") or {}).get("matchLabels") or {}).get(_NAMESPACE)
            if "namespaceSelector" in peer and name not in words:
                said = "namespaces without naming one" if name is None else f"namespace {name}"
                yield Violation(origin(subject, policy), f"opens to {said}, which the spec does not name", policy.id)


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "network-opening-missing",
        "Whatever a program is configured to reach, it may reach",
        "The namespace is closed: an opening that was forgotten on either side is a program that waits for ever.",
        "This is a fault of the platform, not of the spec: report it with both names and the port.",
        "Kubernetes documentation, network policies: both sides must let a connection through",
        OUTSIDE_DEVELOPMENT,
        _missing,
    ),
    Rule(
        "network-opening-surplus",
        "Nothing may be reached that nobody is configured to reach",
        "Each opening too many is a way on for whoever has got into one pod.",
        "This is a fault of the platform, not of the spec: report it with both names and the port.",
        "Least privilege; NIST SP 800-207, zero trust",
        PRODUCTION,
        _surplus,
    ),
    Rule(
        "network-namespaces",
        "Openings to other namespaces are to those that the spec names",
        "A namespace that nobody wrote down is one whose owner nobody knows.",
        "Name the namespace where its users are declared, such as tenants[].namespaces.",
        "Kubernetes documentation, network policies; requirement A16",
        OUTSIDE_DEVELOPMENT,
        _namespaces,
    ),
)
