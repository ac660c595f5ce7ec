"""What the user writes about PostgreSQL (requirements A1, A17, A18, B9 and B12)."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from components.component_spec import ComponentSpec
from components.core import tls
from components.core.errors import Problem
from components.core.model import DnsLabel, SecretReference, SpecModel, duplicates, setting
from components.core.paths import format_step
from components.core.quantities import ByteSize
from components.core.resources import ResourcesSpec
from components.core.secrets import Use
from components.postgres import derive
from components.postgres.derive import ADMINISTRATOR, MONITOR, PORT
from components.postgres.sql import IDENTIFIER_BYTES

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec

_ROLE = r"^[a-zA-Z0-9_][a-zA-Z0-9_.-]*$"
SchemaName = Annotated[str, Field(pattern=r"^[^.]+\..+$")]
_OURS = {ADMINISTRATOR, MONITOR, "postgres", "streaming_replica"}
OWNED_PARAMETERS = frozenset(
    {
        "hba_file",
        "listen_addresses",
        "max_connections",
        "password_encryption",
        "port",
        "shared_buffers",
        "ssl",
        "ssl_ca_file",
        "ssl_cert_file",
        "ssl_key_file",
        "ssl_min_protocol_version",
        "unix_socket_directories",
    }
)
"""What other fields say."""


class VolumeSpec(SpecModel):
    """A disk; ``storage: 100Gi`` is short for ``storage: {size: 100Gi}``."""

    shorthand: ClassVar[str | None] = "size"
    size: ByteSize = setting(help="Its size.", becomes="storage.size of the claim")
    storage_class: str | None = setting(
        None, help="Storage class of the claim.", becomes="storage.storageClass", alias="class", min_length=1
    )


class PostgresTlsSpec(SpecModel):
    """How clients' connections are encrypted."""

    enabled: bool = setting(
        True, help="Whether connections are encrypted; on Kubernetes they always are.", becomes="ssl; hostssl in pg_hba.conf"
    )
    certificate: SecretReference = tls.certificate(
        "postgres-tls",
        help="Reference to the certificate for the name postgres, PEM (docker); on Kubernetes the operator signs one.",
        becomes="ssl_cert_file",
    )
    key: SecretReference = tls.private_key("postgres-tls", help="Reference to its key, PEM.", becomes="ssl_key_file")
    ca: SecretReference = tls.authority(
        "postgres-ca",
        help="Reference to what signs the server's certificate, PEM. On Kubernetes that is the operator's own.",
        becomes="file postgres-ca.pem in clients' folders of secrets",
    )
    client_ca: SecretReference = tls.authority(
        "postgres-client-ca",
        help="Reference to what signs clients' certificates, PEM; used where sinkAuthentication is certificate.",
        becomes="ssl_ca_file; clientCASecret of the Cluster",
    )


class ReaderSpec(SpecModel):
    """Somebody who reads what the pipelines write."""

    name: str = setting(
        help="The role that logs in.",
        becomes="a role, member of its schemas' readers",
        pattern=_ROLE,
        max_length=IDENTIFIER_BYTES,
    )
    password: SecretReference = setting(
        help="Reference to its password.", becomes="the role's password, hashed by the client that sets it"
    )
    schemas: tuple[SchemaName, ...] = setting(
        help="What it may read, as <database>.<schema>.", becomes="membership in <database>.<schema>.reader", min_length=1
    )
    connections: int = setting(10, help="Most connections at a time.", becomes="CONNECTION LIMIT of the role", ge=1, le=1000)
    namespaces: tuple[DnsLabel, ...] = setting(
        (), help="Namespaces that it connects from (Kubernetes only).", becomes="openings of the network policy"
    )


class ExternalPostgresSpec(SpecModel):
    """A server that is there already. ``cdc postgres plan`` says what it lacks, ``cdc postgres apply`` makes it."""

    shorthand: ClassVar[str | None] = "host"
    host: str = setting(
        help="Its host name, as in its certificate.",
        becomes="where sinks connect to",
        pattern=r"^[A-Za-z0-9._:-]+$",
        max_length=253,
    )
    port: int = setting(PORT, help="Its port.", becomes="where sinks connect to", ge=1, le=65535)
    ca: SecretReference = tls.authority(
        "postgres-ca", help="Reference to what signs its certificate, PEM.", becomes="file postgres-ca.pem"
    )
    shared: bool = setting(
        False,
        help="Whether others use the databases too. Then PUBLIC keeps the rights that it has in them.",
        becomes="no REVOKE … FROM PUBLIC",
    )


class PostgresSpec(ComponentSpec):
    """Where the pipelines' rows go. Databases, schemas, roles and grants are derived from the pipelines."""

    external: ExternalPostgresSpec | None = setting(
        None, help="An existing server, instead of one of our own.", becomes="no server; cdc postgres plan and apply"
    )
    instances: int = setting(
        3, help="Servers on Kubernetes: one takes writes, the others follow.", becomes="Cluster.spec.instances", ge=1, le=9
    )
    image: str | None = setting(
        None,
        help="Image, when not the platform's own; pinned by tag or digest.",
        becomes="imageName; container image",
        min_length=1,
    )
    storage: VolumeSpec = setting(
        lambda: VolumeSpec(size="100Gi"),
        help="Disk of each for the tables.",
        becomes="Cluster.spec.storage; volume postgres",
    )
    wal: VolumeSpec = setting(
        lambda: VolumeSpec(size="20Gi"), help="Disk of each for the log of writes.", becomes="Cluster.spec.walStorage"
    )
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(cpu="2", memory="8Gi"),
        help="CPU and memory of each; a quarter of the memory is PostgreSQL's own cache.",
        becomes="container resources; shared_buffers",
    )
    max_connections: int = setting(
        200,
        help="Most connections. The limits of all roles together must stay below; of an existing server, what it is set to.",
        becomes="max_connections",
        ge=20,
        le=10_000,
    )
    parameters: Mapping[str, str | int | float | bool] = setting(
        dict, help="Further parameters in PostgreSQL's own names.", becomes="postgresql.conf; postgresql.parameters"
    )
    tls: PostgresTlsSpec = setting(PostgresTlsSpec, help="Encryption.", becomes="ssl and its files")
    sink_authentication: Literal["password", "certificate"] = setting(
        "password",
        help="How the sink workers show who they are: a password, or a certificate that bears their role's name (mutual TLS).",
        becomes="scram-sha-256 or cert in pg_hba.conf",
    )
    readers: tuple[ReaderSpec, ...] = setting((), help="Who reads the tables.", becomes="roles that log in and read")
    admin_password: SecretReference = setting(
        "secret:postgres-admin#password",
        help="Reference to the password of cdc_admin, who makes roles, databases and grants.",
        becomes="passwordSecret; a file of the server and of postgres-access",
    )
    monitor_password: SecretReference = setting(
        "secret:postgres-monitor#password",
        help="Reference to the password of cdc_monitor, who sees figures and no rows.",
        becomes="passwordSecret; a file of postgres-access",
    )
    operator_namespace: DnsLabel = setting(
        "cnpg-system", help="Namespace CloudNativePG runs in.", becomes="an opening of the network policy"
    )

    @property
    def encrypted(self) -> bool:
        return self.external is not None or self.tls.enabled

    def problems(self) -> list[Problem]:
        found = [
            Problem(f"readers[{places[1]}].name", f"{name} is already readers[{places[0]}]", "give each its own")
            for name, places in duplicates([reader.name for reader in self.readers]).items()
        ]
        for key in sorted(OWNED_PARAMETERS & set(self.parameters)):
            found.append(Problem(f"parameters{format_step(key)}", "is set by the platform", "use the field that says it"))
        if not self.encrypted and self.sink_authentication == "certificate":
            found.append(Problem("sinkAuthentication", "certificates need TLS", "leave tls.enabled on"))
        return found

    def secret_uses(self, environment: "EnvironmentSpec") -> Iterator[Use]:
        from components.postgres.uses import secret_uses

        return secret_uses(environment, self)

    def misfits(self, environment: "EnvironmentSpec") -> Iterator[Problem]:
        """Names that PostgreSQL would cut or that mean two things, and readers of nothing."""
        if environment.target == "kubernetes" and not self.encrypted:
            yield Problem("postgres.tls.enabled", "the operator always encrypts", "leave it on")
        for field, reference in (("adminPassword", self.admin_password), ("monitorPassword", self.monitor_password)):
            if environment.target == "kubernetes" and self.external is None and not reference.endswith("#password"):
                path = f"postgres.{field}"
                yield Problem(path, "the operator reads the keys username and password of a Secret", "end it with #password")
        found = list(derive.written(environment))
        for index, _, one in found:
            yield from _name_problems(f"pipelines[{index}].sink.postgres", one)
        yield from _collisions(self, environment)
        places = {f"{one.database}.{one.schema}" for _, _, one in found}
        for index, reader in enumerate(self.readers):
            for position, place in enumerate(reader.schemas):
                if place not in places:
                    known = ", ".join(sorted(places)) or "none"
                    path = f"postgres.readers[{index}].schemas[{position}]"
                    yield Problem(path, f"no pipeline writes {place}", f"use one of: {known}")


def _name_problems(path: str, found: derive.Destination) -> Iterator[Problem]:
    for field, name in (("database", found.database), ("schema", found.schema), ("user", found.user)):
        if len(name.encode()) > IDENTIFIER_BYTES:
            yield Problem(f"{path}.{field}", f"PostgreSQL cuts names at {IDENTIFIER_BYTES} bytes", "choose a shorter one")
        if not name.isprintable() or name.startswith("/"):
            yield Problem(f"{path}.{field}", "holds a control character or begins with a slash", "choose another name")
        if field != "user" and name.startswith("pg_"):
            yield Problem(f"{path}.{field}", "pg_ is PostgreSQL's own prefix", "choose another name")
    if not re.fullmatch(_ROLE, found.user):
        yield Problem(f"{path}.user", "is no name for a role", "write letters, digits, '_', '.' and '-'")


def _collisions(spec: PostgresSpec, environment: "EnvironmentSpec") -> Iterator[Problem]:
    """Two origins of one role: rights that were meant for one would be the other's too."""
    names = [role.name for role in derive.postgres_state(environment).roles]
    origins = {role.name: role.origin for role in reversed(derive.postgres_state(environment).roles)}
    for name in duplicates(names):
        yield Problem(origins[name], f"the role {name} would be two", "rename the reader, the database or the schema")
    for index, _, one in derive.written(environment):
        if one.user in _OURS:
            yield Problem(f"pipelines[{index}].sink.postgres.user", f"{one.user} is an administrator's", "leave it out")
        if one.database in {"postgres", "template0", "template1"}:
            yield Problem(f"pipelines[{index}].sink.postgres.database", "is the server's own", "name one for the rows")
    for index, reader in enumerate(spec.readers):
        if reader.name in _OURS:
            yield Problem(f"postgres.readers[{index}].name", f"{reader.name} is an administrator's", "choose another name")
