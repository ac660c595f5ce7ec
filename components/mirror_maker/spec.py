"""What the user writes about disaster recovery (requirement A5): who follows whom, and how far behind it may be."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field

from components.component_spec import ComponentSpec
from components.core.errors import Problem, WrongValue, shown
from components.core.model import DnsLabel, SecretReference, SpecModel, Text, TopicPattern, setting
from components.core.quantities import ByteSize, Duration
from components.core.resources import ResourcesSpec
from components.core.secrets import Use
from components.kafka.clients import listener_problems
from components.kafka.node_spec import JvmSpec
from components.kafka.state import KafkaState
from components.mirror_maker import derive
from components.tenancy.spec import QuotaSpec

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec

_SECOND = 1_000
_MINUTE = 60_000
_BOOTSTRAP = (
    r"^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?:[1-9][0-9]{0,4}(,[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?:[1-9][0-9]{0,4})*$"
)


def _expression(value: object) -> object:
    """MirrorMaker takes a list of them divided by commas, in Java's dialect; what both dialects know is enough for names."""
    if not isinstance(value, str) or not value or "," in value or any(character.isspace() for character in value):
        raise WrongValue(f"{shown(value)} is not one expression", "write one without commas and spaces, such as shop_.+")
    try:
        re.compile(value)
    except re.error as error:
        raise WrongValue(f"{shown(value)} is not a regular expression: {error}", "write one such as shop_.+") from None
    return value


NameExpression = Annotated[str, BeforeValidator(_expression), Field(json_schema_extra={"pattern": r"^[^,\s]+$"})]


class MirrorSourceSpec(SpecModel):
    """The cluster that is mirrored, as it is reached from here."""

    environment: DnsLabel = setting(
        help="The environment that is mirrored; its disasterRecovery.standby names this one.",
        becomes="a check of both stacks",
    )
    alias: DnsLabel | None = setting(
        None, help="MirrorMaker's name for it; the environment's name when left out.", becomes="mirrors[].source.alias"
    )
    bootstrap: str = setting(
        help="Where its brokers are reached from here, as host:port,host:port.",
        becomes="mirrors[].source.bootstrapServers",
        pattern=_BOOTSTRAP,
    )
    tls: bool = setting(True, help="Whether that listener is encrypted.", becomes="security.protocol")
    ca: SecretReference | None = setting(
        None,
        help="Reference to the CA that signs its brokers' certificates; the machine's own authorities when left out.",
        becomes="mirrors[].source.tls.trustedCertificates; ssl.truststore.location",
    )
    user: DnsLabel = setting(
        derive.USER, help="The user there that MirrorMaker reads as.", becomes="mirrors[].source.authentication.username"
    )
    password: SecretReference | None = setting(
        None,
        help="Reference to that user's password; without one it connects as nobody.",
        becomes="mirrors[].source.authentication.passwordSecret; a file of the container",
    )

    @property
    def cluster_alias(self) -> str:
        return self.alias or self.environment

    def problems(self) -> list[Problem]:
        if self.ca is not None and not self.tls:
            return [Problem("ca", "is of no use without encryption", "leave it out, or set tls: true")]
        return []


class MirrorClientSpec(SpecModel):
    """How much MirrorMaker moves at a time. The defaults fill a link of a gigabit and 50 ms."""

    batch: ByteSize = setting(512 << 10, help="Most bytes of one batch.", becomes="producer.batch.size")
    linger: Duration = setting(20, help="How long a batch may wait for more records.", becomes="producer.linger.ms")
    buffer: ByteSize = setting(64 << 20, help="Most bytes waiting to be sent, by task.", becomes="producer.buffer.memory")
    max_request: ByteSize = setting(
        64 << 20,
        help="Largest record before compression; a broker's own limit is on what is compressed.",
        becomes="producer.max.request.size",
    )
    records: int = setting(
        5_000,
        help="Most records of one poll, which become one transaction.",
        becomes="consumer.max.poll.records",
        ge=1,
        le=1_000_000,
    )
    fetch: ByteSize = setting(
        8 << 20, help="Most bytes of one partition's fetch.", becomes="consumer.max.partition.fetch.bytes"
    )


class MirrorMakerSpec(ComponentSpec):
    """This environment is a standby: MirrorMaker 2 runs here and pulls another environment's topics under their own names."""

    source: MirrorSourceSpec = setting(help="What is mirrored.", becomes="KafkaMirrorMaker2.spec.mirrors[].source")
    failed_over: bool = setting(
        False,
        help="Whether this environment has taken over: mirroring ends, and mirrored topics become its own.",
        becomes="KafkaMirrorMaker2.spec.replicas 0, no container; strimzi.io/managed of mirrored topics",
    )
    topics: tuple[NameExpression, ...] = setting(
        (),
        help="Expressions of the topics to mirror; what pipelines of this environment's tenants derive when left out.",
        becomes="topicsPattern; topics",
    )
    excluded_topics: tuple[NameExpression, ...] = setting(
        derive.EXCLUDED_TOPICS,
        help="Expressions of topics never mirrored; they go over topics.",
        becomes="topicsExcludePattern; topics.exclude",
    )
    groups: tuple[NameExpression, ...] = setting(
        (),
        help="Expressions of the consumer groups to follow; those of this environment's tenants when left out.",
        becomes="groupsPattern; groups",
    )
    excluded_groups: tuple[NameExpression, ...] = setting(
        derive.EXCLUDED_GROUPS, help="Expressions of groups never followed.", becomes="groupsExcludePattern; groups.exclude"
    )
    registry: bool = setting(
        True,
        help="Mirror the schema registry's own topic, so that every schema has the same id here.",
        becomes="topics: _schemas, or kafkasql-journal for Apicurio",
    )
    connect_offsets: bool = setting(
        True,
        help="Mirror source connectors' positions (never configurations), so that one goes on here without a snapshot.",
        becomes="topics: <tenant>_<pipeline>_offsets_<colour>",
    )
    replicas: int = setting(2, help="Number of MirrorMaker nodes.", becomes="replicas; one container each", ge=1, le=100)
    tasks_max: int = setting(4, help="Most tasks that share the partitions.", becomes="tasksMax", ge=1, le=1_000)
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(memory="2Gi"), help="CPU and memory of each node.", becomes="resources; container limits"
    )
    jvm: JvmSpec = setting(JvmSpec, help="JVM of each node.", becomes="jvmOptions; KAFKA_HEAP_OPTS")
    image: str | None = setting(
        None, help="Image, when not the default one; pinned.", becomes="image; container image", min_length=1
    )
    exactly_once: bool = setting(
        False,
        help="Each record once, even where MirrorMaker is killed; without it the records of its last moment are there twice. "
        "Not together with connectOffsets: Debezium cannot read a schema history that ends with a transaction's mark.",
        becomes="exactly.once.source.support",
    )
    replication_factor: int | None = setting(
        None,
        help="Replicas of mirrored topics and of MirrorMaker's own; the cluster's default when left out.",
        becomes="replication.factor and those of checkpoints, offset syncs, configs, offsets, status",
        ge=1,
        le=32_767,
    )
    checkpoints: Duration = setting(
        5 * _SECOND, help="How often groups' positions are translated.", becomes="emit.checkpoints.interval.seconds"
    )
    group_offsets: Duration = setting(
        5 * _SECOND,
        help="How often translated positions are committed here; a group that is active here is left alone.",
        becomes="sync.group.offsets.interval.seconds",
    )
    offset_lag: int = setting(
        0,
        help="Most records by which a remembered pair of positions may be old: as many may be read twice after a failover.",
        becomes="offset.lag.max",
        ge=0,
        le=1_000_000,
    )
    refresh: Duration = setting(
        30 * _SECOND,
        help="How often new topics, partitions, groups and topic settings are looked for.",
        becomes="refresh.topics.interval.seconds, refresh.groups.interval.seconds, sync.topic.configs.interval.seconds",
    )
    heartbeats: Duration = setting(
        1 * _SECOND,
        help="How often MirrorMaker says that it lives (docker only: Strimzi has no such connector).",
        becomes="emit.heartbeats.interval.seconds",
    )
    flush: Duration = setting(
        1 * _SECOND,
        help="How often positions on the source are written without exactlyOnce: as much may be mirrored twice after a crash.",
        becomes="offset.flush.interval.ms",
    )
    client: MirrorClientSpec = setting(MirrorClientSpec, help="Throughput.", becomes="producer.* and consumer.* settings")
    rpo: Duration = setting(_MINUTE, help="Most that may be lost, in time.", becomes="the verdict of cdc dr; an alert")
    rto: Duration = setting(5 * _MINUTE, help="Longest a failover may take.", becomes="the verdict of a drill")

    @property
    def heap_bytes(self) -> int:
        return self.jvm.heap if self.jvm.heap is not None else self.resources.memory // 2

    def kafka_state(self, environment: "EnvironmentSpec") -> KafkaState:
        """Its own topics, and the user that writes here."""
        return derive.standby_state(self, environment)

    def problems(self) -> list[Problem]:
        intervals = {
            "checkpoints": self.checkpoints,
            "groupOffsets": self.group_offsets,
            "refresh": self.refresh,
            "heartbeats": self.heartbeats,
        }
        remedy = "write one such as 5s"
        found = [
            Problem(field, "MirrorMaker counts whole seconds", remedy) for field, value in intervals.items() if value % _SECOND
        ]
        if self.heap_bytes >= self.resources.memory:
            found.append(Problem("jvm.heap", "is not less than resources.memory", "write about half of the memory"))
        return found

    def secret_uses(self, environment: "EnvironmentSpec") -> Iterator[Use]:
        from components.mirror_maker.uses import secret_uses

        return secret_uses(environment, self)

    def misfits(self, environment: "EnvironmentSpec") -> Iterator[Problem]:
        """What one file alone shows; :mod:`components.mirror_maker.pairs` has what both show."""
        if self.source.environment == environment.name:
            yield Problem(
                "mirrorMaker.source.environment",
                "is this environment itself",
                "name the environment that this one stands in for",
            )
        elif self.source.cluster_alias == environment.name:
            yield Problem("mirrorMaker.source.alias", "is this environment's own", "leave it out, or choose another")
        if not derive.mirrored_topics(self, environment):
            yield Problem(
                "mirrorMaker.topics",
                "nothing is mirrored: there are no tenants",
                "declare the source's tenants, or write topics",
            )
        if self.exactly_once and self.connect_offsets:
            yield Problem(
                "mirrorMaker.exactlyOnce",
                "leaves marks of transactions at the end of schema histories, behind which Debezium waits for a record in vain",
                "leave it out, or set connectOffsets: false where no connector is to go on here",
            )
        brokers = environment.kafka.brokers.replicas
        if self.replication_factor is not None and self.replication_factor > brokers:
            yield Problem(
                "mirrorMaker.replicationFactor",
                f"{self.replication_factor} replicas need as many brokers, and there are {brokers}",
                f"write at most {brokers}, or add brokers",
            )
        yield from listener_problems(environment.kafka)


class DisasterRecoverySpec(ComponentSpec):
    """This environment is mirrored: another one stands by to take over. ``disasterRecovery: prod-dr`` names it."""

    shorthand = "standby"
    standby: DnsLabel = setting(
        help="The environment that stands by; its mirrorMaker.source.environment names this one.",
        becomes="a check of both stacks",
    )
    rpo: Duration = setting(_MINUTE, help="Most that may be lost, in time.", becomes="the verdict of cdc dr; an alert")
    rto: Duration = setting(5 * _MINUTE, help="Longest a failover may take.", becomes="the verdict of a drill")
    reads: tuple[TopicPattern, ...] = setting(
        (), help="Topics it reads beyond those of pipelines; a trailing * means a prefix.", becomes="ACLs of user mirror-maker"
    )
    groups: tuple[Text, ...] = setting(
        (),
        help="Groups it follows beyond those of pipelines; a trailing * means a prefix.",
        becomes="ACLs of user mirror-maker",
    )
    password: SecretReference | None = setting(
        None,
        help="Reference to the mirror's password; Strimzi makes one when left out.",
        becomes="authentication.password.valueFrom.secretKeyRef",
    )
    quota: QuotaSpec = setting(
        lambda: QuotaSpec(produce="1MB/s", consume="100MB/s", request="200%", controller_mutations="1/s"),
        help="What the mirror may use here; it must be above what all producers write.",
        becomes="quotas of user mirror-maker",
    )

    def kafka_state(self, environment: "EnvironmentSpec") -> KafkaState:
        """The user that the standby reads as."""
        return derive.source_state(self, environment)

    def misfits(self, environment: "EnvironmentSpec") -> Iterator[Problem]:
        """What one file alone shows; :mod:`components.mirror_maker.pairs` has what both show."""
        if self.standby == environment.name:
            yield Problem("disasterRecovery.standby", "is this environment itself", "name another environment, such as prod-dr")
