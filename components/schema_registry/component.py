"""The schema registry as a Pulumi component."""

from components.schema_registry import render
from components.targets.component import PlatformComponent


class SchemaRegistry(PlatformComponent):
    """The registries, and what the network lets them do."""

    token = "cdc:schemaRegistry:SchemaRegistry"  # noqa: S105 - a Pulumi type token
    part = render.COMPONENT
    render = staticmethod(render.render)
