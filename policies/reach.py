"""Who reaches whom inside the platform's namespace: what network policies let through, and what configurations ask for. Pure.

The two are found apart from each other: openings from the rendered NetworkPolicy objects (and those that Strimzi makes of a
listener's peers), needs from the addresses that stand in what a pod is configured with. Only ports that a pod listens on count.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from components.core.rendered import Manifest

if TYPE_CHECKING:
    from policies.model import Subject

Body = Mapping[str, Any]
STRIMZI_METRICS, CONNECT_REST = 9404, 8083
CNPG_PORTS = (5432, 8000, 9187)
_KAFKA_PARTS = {"entityOperator": "entity-operator", "kafkaExporter": "kafka-exporter", "cruiseControl": "cruise-control"}
_PORT = r"(?:[:\s]+|[^{}]{0,300}?(?:\"port\": \"?|PORT=))([0-9]{2,5})(?![0-9])"
"""A port right behind its host, or in a setting of its own near by."""
DISCOVERED = {"redis-sentinel": "redis"}
"""Who knows the first Service is told the addresses of the second by it."""
_CLUSTERS = ("redis",)
"""Components whose programs are one cluster."""
_NOT_INHERITED = re.compile(r"^app\.kubernetes\.io/(?!part-of)")
"""Strimzi gives an object's labels to its pods, but for these (``STRIMZI_LABELS_EXCLUSION_PATTERN``'s default)."""


@dataclass(frozen=True, slots=True)
class Pods:
    """Pods of one rendered object, or of another ``namespace``. Those of a ``family`` make up one cluster and talk among
    themselves; ``texts`` are everything that they are configured with, ``ports`` those that they listen on."""

    id: str
    owner: Manifest
    labels: Mapping[str, str]
    ports: frozenset[int]
    texts: tuple[str, ...] = ()
    family: str = ""
    namespace: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """``source`` reaches ``target`` at ``port``; both by :attr:`Pods.id`."""

    source: str
    target: str
    port: int


def selects(selector: Body | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector chooses a pod; an empty one chooses every pod."""
    chosen = selector or {}
    equal = all(labels.get(key) == value for key, value in chosen.get("matchLabels", {}).items())
    return equal and all(_holds(one, labels) for one in chosen.get("matchExpressions", ()))


def _holds(expression: Body, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values", ())
    return {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[expression["operator"]]


_ANYONE: Body = {}
Item = tuple[str, str]
"""A label with its value."""


def _first(selector: Body) -> Item | None:
    return next(iter(selector.get("matchLabels", {}).items()), None)


def _at(rule: Body, port: int) -> bool:
    """Whether a rule is about a TCP port; one without ports is about all."""
    ports = rule.get("ports") or ()
    return not ports or any(one.get("port", port) == port and one.get("protocol", "TCP") == "TCP" for one in ports)


class Reach:
    """The namespace's pods, and both matrices over them."""

    def __init__(self, subject: "Subject") -> None:
        self._subject = subject
        self._known: dict[tuple[str, str], list[Body]] = {}
        self.namespace = subject.spec.context.namespace

    @cached_property
    def pods(self) -> tuple[Pods, ...]:
        """Everything that runs in the namespace by what was rendered."""
        return tuple(_pods(self._subject))

    @cached_property
    def by_id(self) -> Mapping[str, Pods]:
        """The same by name."""
        return {pods.id: pods for pods in self.pods}

    @cached_property
    def needed(self) -> frozenset[Edge]:
        """What configurations ask for."""
        return frozenset(self._needed())

    def _needed(self) -> Iterator[Edge]:
        services = dict(_services(self._subject))
        listening = {name: self._listening(services[name]) for name in DISCOVERED.values() if name in services}
        for pods in self.pods:
            text = "\n".join(pods.texts)
            for name, chosen in services.items():
                found = addressed(name, self.namespace, text)
                yield from self._to(pods, chosen, found)
                if found and DISCOVERED.get(name) in services:
                    behind = DISCOVERED[name]
                    yield from self._to(pods, services[behind], listening[behind])

    def _to(self, source: Pods, chosen: Body, ports: set[int]) -> Iterator[Edge]:
        for target in self._pods_of.get(_first(chosen), ()) if ports else ():
            if selects(chosen, target.labels):
                yield from (Edge(source.id, target.id, port) for port in ports)

    def _listening(self, chosen: Body) -> set[int]:
        return {port for pods in self.pods if selects(chosen, pods.labels) for port in pods.ports}

    def lets_out(self, source: Pods, target: Pods, port: int) -> bool:
        """Whether the source's own policies let it."""
        return self._passes("Egress", source, target, port)

    def lets_in(self, source: Pods, target: Pods, port: int) -> bool:
        """Whether the target's do."""
        return self._passes("Ingress", target, source, port)

    def open(self) -> Iterator[Edge]:
        """Everything that is let through both ways between pods of different families."""
        for target in self.pods:
            for port in sorted(target.ports):
                for source in self._let_in(target, port):
                    same = source.id == target.id or (source.family and source.family == target.family)
                    if not same and self.lets_out(source, target, port):
                        yield Edge(source.id, target.id, port)

    def _let_in(self, target: Pods, port: int) -> Iterator[Pods]:
        """In the order of their ids. Who is chosen by labels is looked up by one of them: environments have thousands."""
        found: dict[str, Pods] = {}
        closed = self._chosen("Ingress", target)
        for rule in (rule for policy in closed for rule in policy.get("ingress") or () if _at(rule, port)):
            for peer in rule.get("from") or (_ANYONE,):
                selector = peer.get("podSelector") or {}
                for source in self._pods_of.get(_first(selector), ()):
                    if self._is_peer(peer, source):
                        found[source.id] = source
        yield from sorted(found.values(), key=lambda pods: pods.id) if closed else self.pods

    @cached_property
    def _pods_of(self) -> Mapping[Item | None, Sequence[Pods]]:
        """Pods by each of their labels; all of them by ``None``."""
        found: defaultdict[Item | None, list[Pods]] = defaultdict(list)
        for pods in self.pods:
            for item in (None, *pods.labels.items()):
                found[item].append(pods)
        return found

    @cached_property
    def _policies_of(self) -> Mapping[Item | None, Sequence[Body]]:
        """Policies by the first label that they choose by; those that choose by none, by ``None``."""
        found: defaultdict[Item | None, list[Body]] = defaultdict(list)
        for policy in self._policies:
            found[_first(policy.get("podSelector") or {})].append(policy)
        return found

    def _chosen(self, direction: str, pods: Pods) -> list[Body]:
        """The policies over some pods."""
        known = self._known.get((direction, pods.id))
        if known is None:
            candidates = (policy for item in (None, *pods.labels.items()) for policy in self._policies_of.get(item, ()))
            known = [
                one for one in candidates if direction in one["policyTypes"] and selects(one.get("podSelector"), pods.labels)
            ]
            self._known[direction, pods.id] = known
        return known

    def _passes(self, direction: str, own: Pods, other: Pods, port: int) -> bool:
        side, peers = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
        chosen = self._chosen(direction, own)
        same = own.family != "" and own.family == other.family
        found = (rule for policy in chosen for rule in policy.get(side) or ())
        return same or not chosen or any(_at(rule, port) and self._names(rule, peers, other) for rule in found)

    def _names(self, rule: Body, peers: str, other: Pods) -> bool:
        return not rule.get(peers) or any(self._is_peer(peer, other) for peer in rule[peers])

    def _is_peer(self, peer: Body, other: Pods) -> bool:
        """A peer without a namespace is of the policy's own."""
        if "ipBlock" in peer:
            return False
        labels = {"kubernetes.io/metadata.name": other.namespace or self.namespace}
        chosen = selects(peer["namespaceSelector"], labels) if "namespaceSelector" in peer else other.namespace is None
        return chosen and selects(peer.get("podSelector"), other.labels)

    @cached_property
    def _policies(self) -> Sequence[Body]:
        own = [dict(manifest.body["spec"]) for manifest in self._subject.of_kind("NetworkPolicy")]
        return [*own, *(_listeners(kafka) for kafka in self._subject.of_kind("Kafka"))]


def addressed(service: str, namespace: str, text: str) -> set[int]:
    """The ports that stand behind a Service's name, short or full, or behind that of one of its pods (``pod.service``)."""
    host = rf"{re.escape(service)}(?:\.{re.escape(namespace)}(?:\.svc(?:\.[a-z][a-z0-9.-]*)?)?)?"
    found = re.finditer(host + _PORT, text)
    return {int(match[1]) for match in found if not re.match(r"[\w-]", text[max(0, match.start() - 1)]) or match.start() == 0}


def _listeners(kafka: Manifest) -> Body:
    """Strimzi's own policy over the brokers: each listener for its peers, for everybody where none are named."""
    rules = [
        {"ports": [{"port": entry["port"]}], "from": entry.get("networkPolicyPeers", ())}
        for entry in kafka.body["spec"]["kafka"]["listeners"]
    ]
    chosen = {"matchLabels": {"strimzi.io/cluster": kafka.name, "strimzi.io/component-type": "kafka"}}
    return {"podSelector": chosen, "policyTypes": ["Ingress"], "ingress": rules}


def _services(subject: "Subject") -> Iterator[tuple[str, Body]]:
    """Names that lead to pods, and which: Services of ours and of the operators."""
    for service in subject.of_kind("Service"):
        if service.body["spec"].get("selector"):
            yield service.name, {"matchLabels": service.body["spec"]["selector"]}
    for kafka in subject.of_kind("Kafka"):
        brokers = {"matchLabels": {"strimzi.io/cluster": kafka.name, "strimzi.io/broker-role": "true"}}
        yield from ((f"{kafka.name}-kafka-{name}", brokers) for name in ("bootstrap", "brokers"))
    for connect in subject.of_kind("KafkaConnect"):
        chosen = {"matchLabels": {"strimzi.io/cluster": connect.name, "strimzi.io/kind": "KafkaConnect"}}
        yield from ((f"{connect.name}-{name}", chosen) for name in ("connect-api", "connect"))
    for cluster in subject.of_kind("Cluster"):
        instances = {"matchLabels": {"cnpg.io/cluster": cluster.name}}
        yield from ((f"{cluster.name}-{name}", instances) for name in ("rw", "ro", "r"))


def _pods(subject: "Subject") -> Iterator[Pods]:
    files = {one.name: tuple(map(str, one.body.get("data", {}).values())) for one in subject.of_kind("ConfigMap")}
    for manifest in subject.of_kind("Deployment", "StatefulSet", "Job", "CronJob"):
        spec = manifest.body["spec"]
        template = (spec["jobTemplate"]["spec"] if manifest.kind == "CronJob" else spec)["template"]
        labels = template.get("metadata", {}).get("labels", {})
        texts = tuple(_configuration(subject, manifest, template["spec"], files))
        family = manifest.component if manifest.component in _CLUSTERS else ""
        yield Pods(manifest.id, manifest, labels, frozenset(_ports(template["spec"])), texts, family)
    for kafka in subject.of_kind("Kafka"):
        yield from _kafka(subject, kafka)
    for manifest in subject.of_kind("KafkaConnect", "KafkaMirrorMaker2"):
        yield _workers(subject, manifest)
    for cluster in subject.of_kind("Cluster"):
        labels = {**cluster.body["spec"].get("inheritedMetadata", {}).get("labels", {}), "cnpg.io/cluster": cluster.name}
        yield Pods(cluster.id, cluster, labels, frozenset(CNPG_PORTS), family=cluster.id)


def _kafka(subject: "Subject", kafka: Manifest) -> Iterator[Pods]:
    labels = _strimzi(kafka, "Kafka")
    ports = {entry["port"] for entry in kafka.body["spec"]["kafka"]["listeners"]}
    for pool in subject.of_kind("KafkaNodePool"):
        is_broker = "broker" in pool.body["spec"]["roles"]
        own = {**labels, "strimzi.io/component-type": "kafka", "strimzi.io/pool-name": pool.name}
        own["strimzi.io/broker-role"] = str(is_broker).lower()
        listens = frozenset({STRIMZI_METRICS, *(ports if is_broker else ())})
        yield Pods(pool.id, pool, own, listens, family=kafka.id)
    for part, kind in _KAFKA_PARTS.items():
        if part in kafka.body["spec"]:
            own = {**labels, "strimzi.io/component-type": kind}
            listens = frozenset({STRIMZI_METRICS} if part == "kafkaExporter" else ())
            yield Pods(f"{kafka.id}/{part}", kafka, own, listens, family=kafka.id)


def _workers(subject: "Subject", manifest: Manifest) -> Pods:
    """Workers of Connect or MirrorMaker. Either colour of Connect may be given the other's connectors."""
    template = manifest.body["spec"].get("template", {}).get("pod", {}).get("metadata", {}).get("labels", {})
    run = subject.of_kind("KafkaConnector") if manifest.kind == "KafkaConnect" else ()
    texts = tuple(text for one in (manifest, *run) for text in _texts(one.body["spec"]))
    ports = frozenset({CONNECT_REST, STRIMZI_METRICS})
    return Pods(manifest.id, manifest, {**_strimzi(manifest, manifest.kind), **template}, ports, texts)


def _strimzi(manifest: Manifest, kind: str) -> dict[str, str]:
    given = manifest.body["metadata"].get("labels", {})
    inherited = {key: value for key, value in given.items() if not _NOT_INHERITED.match(key)}
    return {**inherited, "strimzi.io/cluster": manifest.name, "strimzi.io/kind": kind}


def _configuration(subject: "Subject", owner: Manifest, pod: Body, files: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """The pod's own words, the files that are mounted into it, and for a prober what it is sent to."""
    yield from _texts(pod)
    for volume in pod.get("volumes", ()):
        if "configMap" in volume:
            yield from files.get(volume["configMap"]["name"], ())
    for probe in subject.of_kind("Probe"):
        if addressed(owner.name, str(owner.namespace), str(probe.body["spec"]["prober"]["url"])):
            yield from _texts(probe.body["spec"]["targets"])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def _ports(pod: Body) -> Iterator[int]:
    for container in pod.get("containers", ()):
        yield from (int(port["containerPort"]) for port in container.get("ports", ()))
