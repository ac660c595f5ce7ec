"""PostgreSQL as a Pulumi component."""

import components.postgres.render as rendering
from components.targets.component import PlatformComponent


class Postgres(PlatformComponent):
    """The server, and what keeps its roles, databases, schemas and grants as the pipelines need them."""

    token = "cdc:postgres:Postgres"  # noqa: S105 - a Pulumi type token
    part = rendering.COMPONENT
    render = staticmethod(rendering.render)
