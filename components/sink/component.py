"""The sink workers as a Pulumi component."""

from components.sink import render
from components.targets.component import PlatformComponent


class SinkWorkers(PlatformComponent):
    """A deployment for each pipeline, and what the network lets it do."""

    token = "cdc:sink:SinkWorkers"  # noqa: S105 - a Pulumi type token
    part = render.COMPONENT
    render = staticmethod(render.render)
