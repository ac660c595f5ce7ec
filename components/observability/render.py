"""Observability, rendered for the environment's target. Pure."""

from components.core.rendered import Rendered
from components.environment import EnvironmentSpec
from components.observability import render_docker, render_kubernetes
from components.observability.dashboards import DASHBOARDS
from components.observability.names import COMPONENT

__all__ = ["COMPONENT", "render"]


def render(spec: EnvironmentSpec) -> Rendered:
    """Nothing where it is not declared."""
    if spec.observability is None:
        return Rendered()
    if spec.target == "docker":
        return render_docker.render(spec, spec.observability)
    dashboards = {f"{COMPONENT}/dashboards/{dashboard.uid}.json": dashboard.json() for dashboard in DASHBOARDS}
    return Rendered(manifests=tuple(render_kubernetes.manifests(spec, spec.observability)), files=dashboards)
