"""What the user writes about a development environment's own databases (requirements B10 and B11)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.cassandra_agent.spec import SOURCES
from components.component_spec import ComponentSpec
from components.core.errors import Problem
from components.core.model import SecretReference, SpecModel, setting
from components.core.resources import ResourcesSpec
from components.core.secrets import Use
from components.development.cassandra_spec import DevelopmentCassandraSpec
from components.development.derive import open_listener, readers
from components.development.names import APPLICATION, CASSANDRA, MARIADB

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec

_MIB = 1 << 20
_OWN = {MARIADB: {APPLICATION, "root"}, CASSANDRA: {APPLICATION, "cassandra"}}
"""Users that every pipeline's must differ from."""


class DevelopmentMariadbSpec(SpecModel):
    """A MariaDB that logs its changes by row; pipelines read it as the host ``mariadb``."""

    image: str | None = setting(
        None, help="Image, when not the platform's own; pinned by tag or digest.", becomes="container image", min_length=1
    )
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(cpu="500m", memory="512Mi"), help="CPU and memory.", becomes="bounds of the container"
    )
    host_port: int = setting(
        13306, help="Where on 127.0.0.1 the machine itself reaches it.", becomes="published port", ge=1024, le=65_535
    )
    password: SecretReference = setting(
        "secret:mariadb-app#password",
        help="Reference to the password of the user app, which writes into every database that is read.",
        becomes="file app.password in its folder of secrets",
    )
    demo: bool = setting(
        True,
        help="Whether the tables of a small shop (shop.orders, shop.order_lines) are made, with a few rows.",
        becomes="seed.sql of the container",
    )

    def problems(self) -> list[Problem]:
        if self.resources.memory < 256 * _MIB:
            return [Problem("resources.memory", "is too little for MariaDB", "write at least 256Mi")]
        return []


class DevelopmentVaultSpec(SpecModel):
    """Vault in its own development mode: in memory, never sealed, without encryption."""

    image: str | None = setting(
        None, help="Image, when not the platform's own; pinned by tag or digest.", becomes="container image", min_length=1
    )
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(cpu="250m", memory="256Mi"), help="CPU and memory.", becomes="bounds of the container"
    )
    token: SecretReference = setting(
        "secret:vault-development#token",
        help="Reference to the token that it is entered with.",
        becomes="file root.token in its folder of secrets",
    )


class DevelopmentSpec(ComponentSpec):
    """What only an environment on one's own machine has. ``development: {mariadb: {}}`` is enough."""

    mariadb: DevelopmentMariadbSpec | None = setting(
        None, help="A MariaDB to read from; none when left out.", becomes="container mariadb"
    )
    cassandra: DevelopmentCassandraSpec | None = setting(
        None, help="A Cassandra node to read from; none when left out.", becomes="container cassandra"
    )
    vault: DevelopmentVaultSpec | None = setting(
        None, help="A Vault to try things with, on 127.0.0.1:8200; none when left out.", becomes="container vault"
    )
    apply: bool = setting(
        True,
        help="Whether topics, schemas and connectors are made, and kept so, unasked: by cdc apply, built from the project.",
        becomes="container cdc-apply",
    )

    def secret_uses(self, environment: "EnvironmentSpec") -> Iterator[Use]:
        from components.development.uses import secret_uses

        return secret_uses(environment, self)

    def misfits(self, environment: "EnvironmentSpec") -> Iterator[Problem]:
        """It is for docker, is read by somebody, and each of its users has one password."""
        if environment.target != "docker":
            yield Problem("development", "its databases are containers on one machine", "leave it out, or set target: docker")
        if self.apply and environment.target == "docker" and open_listener(environment.kafka) is None:
            yield Problem(
                "development.apply",
                "the brokers want to know who asks, and cdc-apply has no password",
                "write apply: false and run cdc apply yourself, or kafka.authorization: {type: none} with an open listener",
            )
        if self.vault is not None and environment.vault is not None and environment.vault.external is None:
            yield Problem("development.vault", "the environment runs a Vault of its own", "leave one of the two out")
        for name, declared in ((MARIADB, self.mariadb), (CASSANDRA, self.cassandra)):
            if declared is not None:
                yield from _unread(environment, name)
        if self.cassandra is not None and environment.cassandra_agent is None:
            yield Problem(
                "development.cassandra", "nothing brings its changes to Kafka", f"write cassandraAgent: {{build: {SOURCES}}}"
            )


def _unread(environment: "EnvironmentSpec", name: str) -> Iterator[Problem]:
    """A database that nobody reads, or with two passwords for one user."""
    found = readers(environment, name)
    if not found:
        yield Problem(f"development.{name}", "no pipeline reads it", f"write source: {{{name}: {{host: {name}, …}}}} in one")
    for index, reader in enumerate(found):
        if reader.user in _OWN[name]:
            yield Problem(reader.path, f"user {reader.user} is the server's own", "write another one, such as debezium")
        other = next((one for one in found[:index] if one.user == reader.user and one.password != reader.password), None)
        if other is not None:
            yield Problem(
                f"{reader.path}.password",
                f"user {reader.user} has another password in {other.path}",
                "write the same reference, or another user",
            )
