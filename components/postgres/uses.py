"""Which secrets PostgreSQL reads, and what keeps its roles. Pure."""

from collections.abc import Iterator

from components.core.secrets import Use
from components.environment import EnvironmentSpec
from components.postgres import access, server
from components.postgres.derive import ACCESS, NAME
from components.postgres.spec import PostgresSpec


def secret_uses(environment: EnvironmentSpec, postgres: PostgresSpec) -> Iterator[Use]:
    """Nothing where the server is not ours."""
    if postgres.external is None:
        yield Use(NAME, server.secrets(environment, postgres), (NAME,))
        yield Use(ACCESS, access.secrets(environment, postgres), (ACCESS,))
