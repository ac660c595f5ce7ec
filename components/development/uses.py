"""Which secrets a development environment's databases read. Pure."""

from collections.abc import Iterator

from components.core.secrets import Use
from components.development.derive import cassandra_files, secret_files, token_file
from components.development.names import CASSANDRA, MARIADB, VAULT
from components.development.spec import DevelopmentSpec
from components.environment import EnvironmentSpec


def secret_uses(environment: EnvironmentSpec, development: DevelopmentSpec) -> Iterator[Use]:
    """Those that are declared."""
    if development.mariadb is not None:
        yield Use(MARIADB, secret_files(environment, development.mariadb), (MARIADB,))
    if development.cassandra is not None:
        yield Use(CASSANDRA, cassandra_files(environment, development.cassandra), (CASSANDRA,))
    if development.vault is not None:
        yield Use(VAULT, (token_file(development.vault),), (VAULT,))
