"""What can be done to a live system: typed changes, in the order in which they are made, and what is told of each. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from operations.live.observed import Acl, Assignment, Entity

Kind = Literal["topic", "user", "quota", "subject", "connector"]
Hold = Literal["", "refused", "manual"]
"""Why a planned change is not made: it must not be as things are, which stops the whole plan; or somebody else has to."""


@dataclass(frozen=True, slots=True, order=True)
class Object:
    """What can be owned. A user is its passwords, its ACLs and its quota."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @classmethod
    def of(cls, text: str) -> "Object | None":
        """From ``topic/orders``."""
        kinds: tuple[Kind, ...] = ("topic", "user", "quota", "subject", "connector")
        kind, _, name = text.partition("/")
        return next((cls(known, name) for known in kinds if known == kind and name), None)


@dataclass(frozen=True, slots=True)
class SetPassword:
    """Give a user a SCRAM password, from its file."""

    user: str
    mechanism: str


@dataclass(frozen=True, slots=True)
class CreateTopic:
    """Make a topic."""

    topic: str
    partitions: int
    replicas: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Configure:
    """Change a topic's settings: ``(as it is, as it is to be)``; ``None`` leaves one to the broker's default."""

    topic: str
    settings: Mapping[str, tuple[str | None, str | None]]


@dataclass(frozen=True, slots=True)
class AddPartitions:
    """More partitions. There is no way back."""

    topic: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class MoveReplicas:
    """Other brokers for a topic's replicas."""

    topic: str
    before: Assignment
    after: Assignment


@dataclass(frozen=True, slots=True)
class Grant:
    """Let a principal do more."""

    principal: str
    acls: tuple[Acl, ...]


@dataclass(frozen=True, slots=True)
class SetQuota:
    """Bind an entity, by Kafka's own names; ``before`` and ``after`` are all of it."""

    entity: Entity
    before: Mapping[str, float]
    after: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SetLevel:
    """The compatibility of one subject, or of all that have none of their own."""

    subject: str | None
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class RegisterSchema:
    """A first or a next version of a subject."""

    subject: str
    schema_type: str
    next: bool
    objections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangeConnector:
    """``action`` is that of ``cdc connect``; ``keys`` those of the configuration that differ."""

    connector: str
    colour: str
    action: str
    keys: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Revoke:
    """Take rights away."""

    principal: str
    acls: tuple[Acl, ...]


@dataclass(frozen=True, slots=True)
class DropPassword:
    """Take a SCRAM password away."""

    user: str
    mechanism: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a topic, a subject or a connector, which was named for it."""

    object: Object
    reason: str
    colour: str = ""


Change = (
    SetPassword
    | CreateTopic
    | Configure
    | AddPartitions
    | MoveReplicas
    | Grant
    | SetQuota
    | SetLevel
    | RegisterSchema
    | ChangeConnector
    | Revoke
    | DropPassword
    | Delete
)

ORDER: tuple[type, ...] = (
    SetPassword,
    CreateTopic,
    Configure,
    AddPartitions,
    MoveReplicas,
    Grant,
    SetQuota,
    SetLevel,
    RegisterSchema,
    ChangeConnector,
    Revoke,
    DropPassword,
    Delete,
)
"""What is leant on comes first; what is taken away comes last, when nobody needs it any more."""


@dataclass(frozen=True, slots=True)
class Consequence:
    """What follows from a change. ``figures`` are for a machine."""

    kind: Literal["restart", "bytes", "consumers", "clients", "keys", "snapshot", "loss", "unknown"]
    text: str
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Planned:
    """One change of one object. ``undo`` says how it is undone, ``None`` that it cannot be; ``remedy`` what to do about a
    ``hold``. ``origin`` is the spec path that it comes from."""

    object: Object
    change: Change
    origin: str = ""
    consequences: tuple[Consequence, ...] = ()
    undo: str | None = None
    hold: Hold = ""
    why: str = ""
    remedy: str = ""

    @property
    def order(self) -> tuple[int, Object]:
        return ORDER.index(type(self.change)), self.object
