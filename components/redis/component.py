"""Redis as a Pulumi component."""

from components.redis import render
from components.targets.component import PlatformComponent


class Redis(PlatformComponent):
    """A master and its replicas, and the Sentinels that watch them."""

    token = "cdc:redis:Redis"  # noqa: S105 - a Pulumi type token
    part = render.COMPONENT
    render = staticmethod(render.render)
