"""The whole platform as one Pulumi component."""

from pkgutil import resolve_name

from components.core.rendered import Rendered
from components.environment import EnvironmentSpec
from components.kafka.render import registered
from components.platform import PARTS, render
from components.targets.component import PlatformComponent


class CdcPlatform(PlatformComponent):
    """Every component of the environment, in order, under one root that carries the spec."""

    token = "cdc:platform:CdcPlatform"  # noqa: S105 - a Pulumi type token
    part = ""
    children = tuple(resolve_name(part.component) for part in PARTS)

    @classmethod
    def render(cls, spec: EnvironmentSpec) -> Rendered:
        """The whole environment, less what a GitOps controller applies."""
        return registered(spec, render(spec))
