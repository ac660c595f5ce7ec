"""What a live system holds, as it was seen at one moment: plain, frozen values in Kafka's own words, and nothing of a spec."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from operations.connect.cluster import State

Entity = tuple[tuple[str, str | None], ...]
"""Whom a quota binds, as sorted ``(type, name)``: ``(("user", "shop"),)``; ``None`` is everybody who has none of their own."""

Assignment = tuple[tuple[int, ...], ...]
"""Broker ids of each partition's replicas, by partition; the first of each is the preferred leader."""


@dataclass(frozen=True, slots=True)
class Broker:
    """One broker that answers."""

    id: int
    host: str
    port: int
    rack: str | None = None


@dataclass(frozen=True, slots=True)
class ObservedTopic:
    """One topic. ``config`` is what it says for itself; for the rest see :attr:`ObservedKafka.defaults`. ``internal`` are
    topics that Kafka itself keeps its state in."""

    name: str
    assignment: Assignment
    config: Mapping[str, str]
    internal: bool = False

    @property
    def partitions(self) -> int:
        return len(self.assignment)

    @property
    def replicas(self) -> int:
        """Of the partition that has the fewest."""
        return min((len(replicas) for replicas in self.assignment), default=0)


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One binding, in the words of Kafka's protocol: ``TOPIC``, ``LITERAL``, ``READ``, ``ALLOW``. The cluster is the
    ``BROKER`` ``kafka-cluster``, as librdkafka calls it."""

    principal: str
    resource: str
    name: str
    pattern: str
    operation: str
    permission: str = "ALLOW"
    host: str = "*"


@dataclass(frozen=True, slots=True, order=True)
class Credential:
    """A SCRAM password. Kafka tells nobody more of it."""

    mechanism: str
    iterations: int


@dataclass(frozen=True, slots=True)
class ObservedKafka:
    """A cluster. ``defaults`` is what a topic has that says nothing; keys that every topic sets are missing in it where they
    could not be told. ``acls`` is ``None`` where the brokers judge nobody, ``quotas`` where they could not be read."""

    cluster_id: str
    controller: int
    brokers: tuple[Broker, ...]
    topics: Mapping[str, ObservedTopic]
    defaults: Mapping[str, str | None]
    acls: frozenset[Acl] | None
    credentials: Mapping[str, tuple[Credential, ...]] | None
    quotas: Mapping[Entity, Mapping[str, float]] | None


@dataclass(frozen=True, slots=True)
class ObservedSubject:
    """The newest version of a subject. ``level`` is its own compatibility, if it has one."""

    subject: str
    version: int
    id: int
    schema_type: str
    schema: str = field(repr=False)
    level: str | None = None
    references: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class ObservedRegistry:
    """``level`` is the compatibility of all subjects that have none of their own."""

    url: str
    level: str
    subjects: Mapping[str, ObservedSubject]


@dataclass(frozen=True, slots=True)
class ObservedConnector:
    """One connector, without its name in the configuration."""

    name: str
    state: State
    config: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Gap:
    """What could not be looked at, why, and what would let it be looked at."""

    what: str
    why: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything. ``registry`` and ``connect`` (connectors by colour, then by name) are ``None`` where they are not declared,
    or were not to be looked at; a registry that did not answer is ``None`` too, and such a colour is missing. Whoever plans
    with ``gaps`` must say so."""

    kafka: ObservedKafka
    registry: ObservedRegistry | None = None
    connect: Mapping[str, Mapping[str, ObservedConnector]] | None = None
    gaps: tuple[Gap, ...] = ()
