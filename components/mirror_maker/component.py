"""MirrorMaker 2 as a Pulumi component."""

from components.mirror_maker import render
from components.mirror_maker.names import COMPONENT
from components.targets.component import PlatformComponent


class MirrorMaker(PlatformComponent):
    """What pulls another environment's topics, groups, schemas and connector positions into this one."""

    token = "cdc:mirrorMaker:MirrorMaker"  # noqa: S105 - a Pulumi type token
    part = COMPONENT
    render = staticmethod(render.render)
