"""What a cluster must hold, by its spec, in the words in which it is observed. Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any

from components.connect.connectors import Connector, connectors
from components.connect.names import COLOURS, offsets_topic
from components.environment import EnvironmentSpec
from components.kafka.derive import dlq_topic, sink_group
from components.kafka.logins import FIRST, MECHANISMS
from components.kafka.state import AclBinding, Quota, Topic, User
from components.tenancy.spec import QuotaSpec
from components.vault.login_rotation import login_users
from operations.live.normal import canonical_config
from operations.live.observed import Acl, Entity

EVERYBODY: Entity = (("user", None),)
SCRAM = FIRST
CLUSTER = "kafka-cluster"
_RESOURCES = {"topic": "TOPIC", "group": "GROUP", "cluster": "BROKER", "transactionalId": "TRANSACTIONAL_ID"}
_PATTERNS = {"literal": "LITERAL", "prefix": "PREFIXED"}
_FIGURES = {
    "produce": "producer_byte_rate",
    "consume": "consumer_byte_rate",
    "request": "request_percentage",
    "controller_mutations": "controller_mutation_rate",
}


@dataclass(frozen=True, slots=True)
class DesiredTopic:
    """``config`` is canonical. ``mirrored``: MirrorMaker makes it and nobody else may. ``ordered``: whether records of one key
    must stay in one partition, as far as the spec tells; ``None`` where only its producers know."""

    name: str
    partitions: int
    replicas: int
    config: Mapping[str, str]
    origin: str
    pipeline: str = ""
    mirrored: bool = False
    ordered: bool | None = None


@dataclass(frozen=True, slots=True)
class DesiredUser:
    """``principal`` is as the brokers know it. ``scram`` says whether it comes with a password, ``mechanisms`` those that it
    must have one for."""

    name: str
    principal: str
    scram: bool
    acls: frozenset[Acl]
    quota: Mapping[str, float]
    origin: str
    pipeline: str = ""
    mechanisms: tuple[str, ...] = (SCRAM,)

    @property
    def entity(self) -> Entity:
        return (("user", self.principal.removeprefix("User:")),)


@dataclass(frozen=True, slots=True)
class PipelineFacts:
    """What consequences are told of: the consumer group of a pipeline, and the topics that its connector leans on."""

    name: str
    group: str
    history: str
    offsets: frozenset[str]


@dataclass(frozen=True, slots=True)
class Desired:
    """``operated`` says that Strimzi's operators make topics and users. ``judged`` whether ACLs are looked at at all."""

    environment: str
    operated: bool
    judged: bool
    topics: Mapping[str, DesiredTopic]
    users: Mapping[str, DesiredUser]
    default_quota: Mapping[str, float]
    pipelines: Mapping[str, PipelineFacts] = field(default_factory=dict)
    connectors: Mapping[str, Connector] = field(default_factory=dict)
    super_users: frozenset[str] = frozenset()

    def fingerprint(self, more: object = None) -> str:
        """Of all that is wanted, and of ``more``."""
        plain = [asdict(topic) for topic in self.topics.values()]
        people = [{**asdict(user), "acls": sorted(map(repr, user.acls))} for user in self.users.values()]
        workers = {name: dict(connector.config) for name, connector in self.connectors.items()}
        return digest([self.environment, self.operated, plain, people, self.default_quota, workers, more])


def digest(value: Any) -> str:
    """SHA-256 of a plain value."""
    return sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def desired(spec: EnvironmentSpec) -> Desired:
    """From a whole spec. Connectors are those of the active colour."""
    state = spec.kafka_state
    dlqs = {dlq_topic(pipeline, spec.naming) for pipeline in spec.pipelines}
    strimzi = spec.target == "kubernetes"
    judged = spec.kafka.authorization.type == "simple"
    rotated, passwords = login_users(spec), _takes_passwords(spec)
    running = () if spec.connect is None else connectors(spec, spec.connect.active)
    return Desired(
        spec.name,
        strimzi,
        judged,
        {topic.name: _topic(topic, dlqs) for topic in state.topics},
        {user.name: _user(user, strimzi, judged, user.name in rotated, passwords) for user in state.users},
        figures(spec.kafka.quotas.default),
        {facts.name: facts for facts in _pipelines(spec)},
        {connector.name: connector for connector in running},
        frozenset(f"User:{name}" for name in spec.kafka.authorization.super_users),
    )


def _topic(topic: Topic, dlqs: set[str]) -> DesiredTopic:
    config = canonical_config(topic.config)
    ordered: bool | None = None
    if topic.name in dlqs:
        ordered = False
    elif topic.pipeline or "compact" in config.get("cleanup.policy", ""):
        ordered = True
    return DesiredTopic(
        topic.name, topic.partitions, topic.replicas, config, topic.origin, topic.pipeline, topic.mirrored, ordered
    )


def _takes_passwords(spec: EnvironmentSpec) -> bool:
    """Whether users have SCRAM passwords: on Kubernetes Strimzi gives them theirs, elsewhere some listener must ask for one."""
    return spec.target == "kubernetes" or any(one.authentication == "scram-sha-512" for one in spec.kafka.listeners)


def _user(user: User, strimzi: bool, judged: bool, rotated: bool, passwords: bool) -> DesiredUser:
    """Strimzi names the user of a certificate by all of its subject."""
    principal = f"User:CN={user.name}" if strimzi and user.authentication == "tls" else f"User:{user.name}"
    bindings = frozenset(binding for acl in user.acls for binding in _bindings(acl, principal)) if judged else frozenset()
    scram = passwords and user.authentication == "scram-sha-512"
    mechanisms = MECHANISMS if rotated else (SCRAM,)
    return DesiredUser(user.name, principal, scram, bindings, figures(user.quota), user.origin, user.pipeline, mechanisms)


def _bindings(acl: AclBinding, principal: str) -> list[Acl]:
    name = CLUSTER if acl.resource == "cluster" else acl.name
    return [
        Acl(principal, _RESOURCES[acl.resource], name, _PATTERNS[acl.pattern], protocol_word(operation), "ALLOW", acl.host)
        for operation in acl.operations
    ]


def protocol_word(operation: str) -> str:
    """``DescribeConfigs`` as ``DESCRIBE_CONFIGS``."""
    return "".join(f"_{letter}" if letter.isupper() and index else letter for index, letter in enumerate(operation)).upper()


def figures(quota: Quota | QuotaSpec) -> dict[str, float]:
    """A quota in Kafka's own words (KIP-546); what is not limited is left out."""
    found = {name: getattr(quota, attribute) for attribute, name in _FIGURES.items()}
    return {name: float(value) for name, value in found.items() if value is not None}


def _pipelines(spec: EnvironmentSpec) -> list[PipelineFacts]:
    from components.connect.routes import topic_prefix

    return [
        PipelineFacts(
            pipeline.name,
            sink_group(pipeline, spec.naming),
            f"{topic_prefix(pipeline, spec.naming)}_schema_history",
            frozenset(offsets_topic(pipeline, spec.naming, colour) for colour in COLOURS),
        )
        for pipeline in spec.pipelines
    ]
