"""Who reads a development environment's databases, and which secrets that takes. Pure."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.core.secrets import SecretFile, referenced
from components.development.names import (
    ADMINISTRATOR_FILE,
    APPLICATION,
    CASSANDRA,
    CASSANDRA_PORT,
    MARIADB,
    MARIADB_PORT,
    TOKEN,
    TOPICS,
)
from components.kafka.nodes import nodes

if TYPE_CHECKING:
    from components.development.cassandra_spec import DevelopmentCassandraSpec
    from components.development.spec import DevelopmentMariadbSpec, DevelopmentVaultSpec
    from components.environment import EnvironmentSpec
    from components.kafka.spec import KafkaSpec, ListenerSpec


def open_listener(kafka: "KafkaSpec") -> "ListenerSpec | None":
    """One inside the network that asks for nothing, on brokers that let everybody do everything."""
    if kafka.authorization.type != "none":
        return None
    return next(
        (one for one in kafka.listeners if (one.type, one.authentication, one.tls) == ("internal", "none", False)), None
    )


def waits_for_kafka(environment: "EnvironmentSpec") -> tuple[str, ...]:
    """On docker, what every client of Kafka waits for: the brokers, and, where ``cdc apply`` runs by itself, the topics. A
    program that came before them would make its own, with other partitions than are asked for."""
    brokers = tuple(node.name for node in nodes(environment.kafka) if node.is_broker)
    return (*brokers, TOPICS) if applies(environment) else brokers


def applies(environment: "EnvironmentSpec") -> bool:
    """Whether ``cdc apply`` runs in containers of its own."""
    own = environment.development
    return own is not None and own.apply and open_listener(environment.kafka) is not None


@dataclass(frozen=True, slots=True)
class Reader:
    """One pipeline's source. ``password`` is a reference, ``file`` what the container has it in, ``path`` its place in the
    spec."""

    user: str
    password: str
    file: str
    path: str
    databases: tuple[str, ...]


_SERVERS = {MARIADB: ({"mariadb", "mysql"}, MARIADB_PORT), CASSANDRA: ({"cassandra"}, CASSANDRA_PORT)}
"""The containers by name: the kinds of sources that they are, and their port."""


def readers(environment: "EnvironmentSpec", server: str = MARIADB) -> tuple[Reader, ...]:
    """The pipelines whose source is the container ``server``."""
    kinds, port = _SERVERS[server]
    found = []
    for index, pipeline in enumerate(environment.pipelines):
        chosen = pipeline.source.chosen
        if chosen is None or chosen[0] not in kinds:
            continue
        kind, source = chosen
        if source.host == server and (source.port or port) == port:
            databases = tuple(sorted({table.partition(".")[0] for table in source.tables}))
            path = f"pipelines[{index}].source.{kind}"
            found.append(Reader(source.user, source.password, f"{pipeline.name}.password", path, databases))
    return tuple(found)


def databases(environment: "EnvironmentSpec", server: str = MARIADB) -> tuple[str, ...]:
    """Every database that is read there."""
    return tuple(sorted({database for reader in readers(environment, server) for database in reader.databases}))


def sources(environment: "EnvironmentSpec", host: str) -> tuple[str, ...]:
    """On docker, what a program waits for that reads the host: the environment's own database, where it is one."""
    own = environment.development
    return (CASSANDRA,) if own is not None and own.cassandra is not None and host == CASSANDRA else ()


def secret_files(environment: "EnvironmentSpec", mariadb: "DevelopmentMariadbSpec") -> tuple[SecretFile, ...]:
    """What lies in the folder of MariaDB's secrets: a password for each pipeline, and the application's."""
    own = referenced(mariadb.password, f"{APPLICATION}.password", "mariadb-app")
    return tuple(sorted({own, *_passwords(environment, MARIADB)}))


def cassandra_files(environment: "EnvironmentSpec", cassandra: "DevelopmentCassandraSpec") -> tuple[SecretFile, ...]:
    """The same for Cassandra, and the password of its superuser."""
    own = referenced(cassandra.password, f"{APPLICATION}.password", "cassandra-app")
    administrator = referenced(cassandra.admin_password, ADMINISTRATOR_FILE, "cassandra-admin")
    return tuple(sorted({own, administrator, *_passwords(environment, CASSANDRA)}))


def _passwords(environment: "EnvironmentSpec", server: str) -> list[SecretFile]:
    """Of the users that pipelines read it with."""
    found = readers(environment, server)
    return [referenced(one.password, one.file, f"{one.file.removesuffix('.password')}-source-database") for one in found]


def token_file(vault: "DevelopmentVaultSpec") -> SecretFile:
    """The token that Vault is entered with."""
    return referenced(vault.token, TOKEN, "vault-development")
