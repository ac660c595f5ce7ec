"""The state a Kafka cluster must have: topics, users, ACLs and quotas, all defaults resolved. Plain values, no specs."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Scalar = str | int | float | bool
ResourceType = Literal["topic", "group", "cluster", "transactionalId"]


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it must be. ``config`` holds Kafka's own keys and values; ``origin`` is the spec path it comes from;
    ``pipeline`` is empty for a topic that the user declared. ``said_at`` has the spec paths of what overrides say about a
    derived topic, by field. ``mirrored``: MirrorMaker makes it as it is on the source, and nobody else may."""

    name: str
    resource_name: str
    partitions: int
    replicas: int
    config: Mapping[str, Scalar]
    owner: str
    origin: str
    tenant: str = ""
    pipeline: str = ""
    said_at: Mapping[str, str] = field(default_factory=dict)
    mirrored: bool = False


@dataclass(frozen=True, slots=True, order=True)
class AclBinding:
    """``operations`` allowed on one resource pattern from ``host``."""

    resource: ResourceType
    name: str
    pattern: Literal["literal", "prefix"]
    operations: tuple[str, ...]
    host: str = "*"


@dataclass(frozen=True, slots=True)
class Quota:
    """Bytes per second, percent of one thread, and partitions per second, each on every broker; ``None`` for no limit."""

    produce: int | None = None
    consume: int | None = None
    request: int | None = None
    controller_mutations: float | None = None


@dataclass(frozen=True, slots=True)
class User:
    """A principal ``User:<name>`` with what it may do. ``password`` is a reference, or ``None``."""

    name: str
    authentication: Literal["scram-sha-512", "tls"]
    quota: Quota
    acls: tuple[AclBinding, ...]
    owner: str
    origin: str
    password: str | None = None
    tenant: str = ""
    pipeline: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """Further rights of a user that another part makes."""

    user: str
    acls: tuple[AclBinding, ...]


@dataclass(frozen=True, slots=True)
class KafkaState:
    """Everything declared and derived, sorted by name. ``grants`` are what a part asks for users that are not its own; in the
    state of a whole environment they are among those users' ACLs."""

    topics: tuple[Topic, ...] = ()
    users: tuple[User, ...] = field(default=())
    grants: tuple[Grant, ...] = field(default=())


def combined(parts: Iterable[KafkaState]) -> KafkaState:
    """Several parts' topics and users as one state. A grant to a user that nobody makes is lost."""
    parts = list(parts)
    granted: defaultdict[str, list[AclBinding]] = defaultdict(list)
    for part in parts:
        for grant in part.grants:
            granted[grant.user] += grant.acls
    topics = sorted((topic for part in parts for topic in part.topics), key=lambda topic: topic.name)
    users = sorted((user for part in parts for user in part.users), key=lambda user: user.name)
    given = (
        replace(user, acls=merged_acls([*user.acls, *granted[user.name]])) if user.name in granted else user for user in users
    )
    return KafkaState(tuple(topics), tuple(given))


def merged_acls(acls: Iterable[AclBinding]) -> tuple[AclBinding, ...]:
    """One binding per resource pattern and host, with all its operations: what Kafka keeps, and shorter to read."""
    merged: dict[AclBinding, set[str]] = {}
    for acl in acls:
        merged.setdefault(replace(acl, operations=()), set()).update(acl.operations)
    return tuple(sorted(replace(acl, operations=tuple(sorted(operations))) for acl, operations in merged.items()))
