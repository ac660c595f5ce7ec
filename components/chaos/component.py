"""Experiments as a Pulumi component."""

from components.chaos import render
from components.chaos.render import COMPONENT
from components.targets.component import PlatformComponent


class Chaos(PlatformComponent):
    """What is broken on purpose."""

    token = "cdc:chaos:Chaos"  # noqa: S105 - a Pulumi type token
    part = COMPONENT
    render = staticmethod(render.render)
