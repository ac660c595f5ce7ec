"""What changes the number of pods by load: one thing for each, never beyond what has work, and never brokers (A12)."""

from collections import defaultdict
from collections.abc import Iterator

from components.core.rendered import Manifest
from components.kafka.derive import change_topic, source_tables
from components.sink.derive import pipelines, worker_name
from policies.model import EVERYWHERE, OUTSIDE_DEVELOPMENT, SHARED, Rule, Subject, Violation
from policies.rules.places import origin

_SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
_BROKERS = ("Kafka", "KafkaNodePool", "StrimziPodSet")
_UNCHECKED = "strimzi.io/skip-broker-scaledown-check"
_SECRET_PARAMETERS = ("password", "key", "keyPassword")


def _target(scaler: Manifest) -> tuple[str, str]:
    """Kind and name of what it scales."""
    target = scaler.body["spec"]["scaleTargetRef"]
    return target.get("kind", "Deployment"), target["name"]


def _most(scaler: Manifest) -> int:
    spec = scaler.body["spec"]
    return int(spec.get("maxReplicas", spec.get("maxReplicaCount", 100)))


def _one(subject: Subject) -> Iterator[Violation]:
    by_target: defaultdict[tuple[str, str], list[Manifest]] = defaultdict(list)
    for scaler in subject.of_kind(*_SCALERS):
        by_target[_target(scaler)].append(scaler)
    for (kind, name), scalers in by_target.items():
        for scaler in scalers[1:]:
            message = f"changes the replicas of {kind} {name}, as {scalers[0].id} does"
            yield Violation(origin(subject, scaler), message, scaler.id)


def _useful(subject: Subject) -> Iterator[Violation]:
    """The most workers of a pipeline: its scaler's, or its Deployment's where there is none."""
    spec = subject.spec
    partitions = {topic.name: topic.partitions for topic in subject.state.topics}
    most = {
        manifest.name: (int(manifest.body["spec"].get("replicas", 1)), manifest) for manifest in subject.of_kind("Deployment")
    }
    most |= {_target(scaler)[1]: (_most(scaler), scaler) for scaler in subject.of_kind(*_SCALERS)}
    for _, pipeline in pipelines(spec):
        name = worker_name(pipeline)
        count = sum(partitions.get(change_topic(pipeline, spec.naming, table), 0) for table in source_tables(pipeline))
        if name in most and count and most[name][0] > count:
            path = "sink.replicas" if most[name][1].kind == "Deployment" else "sink.autoscaling.most"
            message = f"{most[name][0]} workers of pipeline {pipeline.name}, whose topics have {count} partition(s)"
            yield Violation(path, message, most[name][1].id)


def _credentials(subject: Subject) -> Iterator[Violation]:
    access = {manifest.name for manifest in subject.of_kind("TriggerAuthentication")}
    for scaler in subject.of_kind("ScaledObject"):
        for trigger in scaler.body["spec"]["triggers"]:
            metadata = trigger.get("metadata", {})
            written = sorted(set(metadata) & set(_SECRET_PARAMETERS))
            if written:
                yield Violation(origin(subject, scaler), f"trigger {trigger['type']} has {written[0]} in it", scaler.id)
            asks_as_nobody = trigger.get("authenticationRef", {}).get("name") not in access
            if trigger["type"] == "kafka" and metadata.get("sasl", "none") != "none" and asks_as_nobody:
                message = "asks Kafka with a password, and no TriggerAuthentication says which"
                yield Violation(origin(subject, scaler), message, scaler.id)


def _brokers(subject: Subject) -> Iterator[Violation]:
    for scaler in subject.of_kind(*_SCALERS):
        if _target(scaler)[0] in _BROKERS:
            message = f"changes the number of brokers by load: {' '.join(_target(scaler))}"
            yield Violation(origin(subject, scaler), message, scaler.id)
    for manifest in subject.of_kind(*_BROKERS):
        if str(manifest.body["metadata"].get("annotations", {}).get(_UNCHECKED, "false")).lower() != "false":
            yield Violation("kafka.brokers", f"{_UNCHECKED} lets the operator remove brokers with what they hold", manifest.id)


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "scaling-one",
        "One thing alone changes the replicas of another",
        "Two autoscalers undo what the other did, again and again, and each change moves work between pods.",
        "Leave autoscalers to the platform.",
        "Kubernetes documentation, horizontal pod autoscaling; KEDA documentation, scaling deployments",
        EVERYWHERE,
        _one,
    ),
    Rule(
        "scaling-useful",
        "No pipeline has more sink workers than partitions",
        "A partition is read by one worker of a group: the others wait, and cost memory and connections.",
        "Lower sink.replicas or sink.autoscaling.most, or give the topics more partitions.",
        "Apache Kafka documentation, consumer groups; KEDA documentation, Apache Kafka scaler",
        OUTSIDE_DEVELOPMENT,
        _useful,
    ),
    Rule(
        "scaling-credentials",
        "KEDA asks Kafka with credentials from a Secret",
        "Without them it is refused and nothing is scaled; written into the object, anybody reads them who may read objects.",
        "Leave triggers to the platform.",
        "Requirements A18 and A19; KEDA documentation, TriggerAuthentication",
        SHARED,
        _credentials,
    ),
    Rule(
        "scaling-brokers",
        "Nothing takes brokers away by load, or unasked",
        "A broker holds replicas: what removes it before they have moved loses copies, and with the last one records.",
        "Change kafka.brokers.replicas; kafka.cruiseControl moves the replicas first.",
        "Requirement A12; Strimzi documentation, scaling node pools",
        EVERYWHERE,
        _brokers,
    ),
)
