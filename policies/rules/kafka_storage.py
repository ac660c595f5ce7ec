"""What is written stays written: disks, and the object store behind them (requirement A15)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from components.core.paths import format_step
from components.core.rendered import Manifest
from policies.model import EVERYWHERE, OUTSIDE_DEVELOPMENT, PRODUCTION, SHARED, Rule, Subject, Violation
from policies.rules.kafka_replication import LEAST_REPLICAS
from policies.rules.places import origin
from policies.rules.settings import broker_settings, whole_number

_CREDENTIAL_KEY = re.compile(r"(?i)(access[._-]?key([._-]?id)?|secret[._-]?(access[._-]?)?key|password|token|credentials?)$")
_METADATA_FACTOR = "rlmm.config.remote.log.metadata.topic.replication.factor"


def _volumes(pool: Manifest) -> Iterator[Mapping[str, Any]]:
    storage = pool.body["spec"]["storage"]
    yield from storage.get("volumes", ()) if storage.get("type") == "jbod" else (storage,)


def _persistent(subject: Subject) -> Iterator[Violation]:
    for pool in subject.of_kind("KafkaNodePool"):
        for volume in _volumes(pool):
            if volume.get("type") != "persistent-claim":
                path = f"{origin(subject, pool)}.storage.type"
                yield Violation(path, f"volume {volume.get('id', 0)} is {volume.get('type')}", pool.id)
    if subject.spec.target == "docker":
        kafka = subject.spec.kafka
        for name, nodes in (("brokers", kafka.brokers), ("controllers", kafka.controllers)):
            if nodes.replicas and nodes.storage.type != "persistent":
                yield Violation(f"kafka.{name}.storage.type", f"the {name}' storage is {nodes.storage.type}")


def _kept(subject: Subject) -> Iterator[Violation]:
    for pool in subject.of_kind("KafkaNodePool"):
        for volume in _volumes(pool):
            if volume.get("type") == "persistent-claim" and volume.get("deleteClaim", False):
                yield Violation(
                    f"{origin(subject, pool)}.storage.keep",
                    f"the claim of volume {volume.get('id', 0)} goes with the pool",
                    pool.id,
                )


def _tiered_metadata(subject: Subject) -> Iterator[Violation]:
    if subject.spec.kafka.tiered is None:
        return
    for setting in broker_settings(subject, _METADATA_FACTOR):
        factor = whole_number(setting.value)
        if factor is None or factor < LEAST_REPLICAS:
            yield Violation("kafka.topicDefaults.replicas", f"{_METADATA_FACTOR} {setting.said}", setting.resource)


def _tiered_credentials(subject: Subject) -> Iterator[Violation]:
    tiered = subject.spec.kafka.tiered
    for key in tiered.config if tiered is not None else ():
        if _CREDENTIAL_KEY.search(key):
            yield Violation(f"kafka.tiered.config{format_step(key)}", f"{key} is given by value")


def _tiered_store(subject: Subject) -> Iterator[Violation]:
    tiered = subject.spec.kafka.tiered
    if tiered is not None and tiered.store == "local":
        yield Violation("kafka.tiered.store", "old segments go to a folder of one machine")


def _tiered_compaction(subject: Subject) -> Iterator[Violation]:
    for topic in subject.state.topics:
        if _is_tiered(topic.config) and "compact" in str(topic.config.get("cleanup.policy", "")):
            cleanup = topic.config["cleanup.policy"]
            yield Violation(
                topic.origin, f"topic {topic.name} is tiered and has cleanup {cleanup}", subject.topic_resource(topic)
            )


def _is_tiered(config: Mapping[str, object]) -> bool:
    return str(config.get("remote.storage.enable", False)).lower() == "true"


def _local_retention(subject: Subject) -> Iterator[Violation]:
    """-2 is Kafka's "as long as the whole", -1 its "for ever"."""
    for topic in subject.state.topics:
        if not _is_tiered(topic.config):
            continue
        for unit in ("ms", "bytes"):
            local = int(topic.config.get(f"local.retention.{unit}", -2))
            whole = int(topic.config.get(f"retention.{unit}", -1))
            if local != -2 and whole != -1 and (local == -1 or local > whole):
                yield Violation(
                    topic.origin,
                    f"topic {topic.name} keeps {local} {unit} on disk of {whole} in all",
                    subject.topic_resource(topic),
                )


def _tiered_image(subject: Subject) -> Iterator[Violation]:
    kafka = subject.spec.kafka
    if kafka.tiered is not None and kafka.image is None:
        yield Violation("kafka.image", "tiered storage is on, and the default image holds no remote storage manager")


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "kafka-storage-persistent",
        "Kafka's storage outlives its pods",
        "An ephemeral volume is empty after a restart: three restarted brokers are an empty cluster.",
        "Set storage.type to persistent.",
        "Strimzi documentation, persistent storage",
        SHARED,
        _persistent,
    ),
    Rule(
        "kafka-storage-kept",
        "Claims stay when their pool goes",
        "A node pool deleted by mistake takes its disks along, and nothing brings them back.",
        "Set storage.keep to true.",
        "Strimzi documentation, deleteClaim",
        OUTSIDE_DEVELOPMENT,
        _kept,
    ),
    Rule(
        "kafka-tiered-metadata-replication",
        "The metadata topic of tiered storage has at least three replicas",
        "It alone knows which segment lies where: lost, the object store holds files that no broker can find.",
        "Set kafka.topicDefaults.replicas to 3.",
        "KIP-405; Strimzi's documented sample leaves it at 1",
        OUTSIDE_DEVELOPMENT,
        _tiered_metadata,
    ),
    Rule(
        "kafka-tiered-credentials",
        "The object store's credentials are references",
        "The remote storage manager's settings are rendered in plain text, for everyone who reads the tree or the cluster.",
        "Write kafka.tiered.credentials: vault:<path>#<key>, or give the nodes an identity of their own.",
        "Requirements A15 and A19",
        EVERYWHERE,
        _tiered_credentials,
    ),
    Rule(
        "kafka-tiered-store",
        "Old segments go to an object store",
        "A local folder is lost with its machine; it is for trials.",
        "Set kafka.tiered.store to s3.",
        "Requirement A15; Apache Kafka documentation: LocalTieredStorage is for tests",
        PRODUCTION,
        _tiered_store,
    ),
    Rule(
        "kafka-tiered-image",
        "The brokers' image holds the remote storage manager",
        "Neither Kafka's own image nor Strimzi's has one; brokers that are told to use it do not start.",
        "Build an image that adds the plugin where kafka.tiered.classPath says, and name it in kafka.image.",
        "KIP-405: the remote storage manager is the user's to bring",
        EVERYWHERE,
        _tiered_image,
    ),
    Rule(
        "kafka-tiered-compaction",
        "A tiered topic is not compacted",
        "Kafka refuses the combination: compaction cannot rewrite segments that have left the disk.",
        "Set cleanup to delete, or tiered to false.",
        "KIP-405, limitations",
        EVERYWHERE,
        _tiered_compaction,
    ),
    Rule(
        "kafka-tiered-local-retention",
        "The hot set of a tiered topic is not longer than the topic",
        "Kafka refuses a local retention above the whole one.",
        "Lower the topic's local.retention.*, or raise its retention.",
        "KIP-405; Apache Kafka documentation, local.retention.ms and local.retention.bytes",
        EVERYWHERE,
        _local_retention,
    ),
)
