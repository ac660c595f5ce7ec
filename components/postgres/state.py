"""What PostgreSQL must have for the pipelines, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.core.secrets import SecretFile

UNLIMITED = -1


@dataclass(frozen=True, slots=True)
class Role:
    """A role. Without ``login`` it holds rights for others. ``password`` is the file with its password; ``certificate``: it
    enters with one that bears its name. ``administered``: whoever applies the state acts for it, and so is its member.
    ``origin`` is the spec path that it comes from."""

    name: str
    origin: str
    login: bool = False
    connections: int = UNLIMITED
    settings: Mapping[str, str] = field(default_factory=dict)
    member_of: tuple[str, ...] = ()
    password: SecretFile | None = None
    certificate: bool = False
    administered: bool = False


@dataclass(frozen=True, slots=True)
class Database:
    """A database. ``writers`` may connect and make temporary tables, ``connectors`` may connect; nobody else."""

    name: str
    writers: tuple[str, ...] = ()
    connectors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema that ``owner`` owns. ``writers`` make tables in it, which are theirs; ``reader`` reads all of them."""

    database: str
    name: str
    owner: str
    writers: tuple[str, ...]
    reader: str | None = None


@dataclass(frozen=True, slots=True)
class PostgresState:
    """Everything, sorted by name. ``closed``: nobody else uses these databases, so PUBLIC loses its rights in them."""

    roles: tuple[Role, ...] = ()
    databases: tuple[Database, ...] = ()
    schemas: tuple[Schema, ...] = ()
    closed: bool = True
