"""Kafka Connect, rendered for the environment's target. Pure."""

from components.connect import render_docker, render_kubernetes
from components.connect.names import COMPONENT, CONNECTORS
from components.core.rendered import Rendered
from components.environment import EnvironmentSpec

__all__ = ["COMPONENT", "CONNECTORS", "render"]


def render(spec: EnvironmentSpec) -> Rendered:
    """Both colours, and the connectors of the active one; nothing where there is no Connect."""
    if spec.connect is None:
        return Rendered()
    if spec.target == "docker":
        return render_docker.render(spec, spec.connect)
    return render_kubernetes.render(spec, spec.connect)
