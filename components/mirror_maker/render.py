"""MirrorMaker 2, rendered for the environment's target. Pure."""

from components.core.rendered import Rendered
from components.environment import EnvironmentSpec
from components.mirror_maker import render_docker, render_kubernetes


def render(spec: EnvironmentSpec) -> Rendered:
    """A Strimzi object on Kubernetes, containers on docker; nothing where the environment mirrors no other."""
    if spec.mirror_maker is None:
        return Rendered()
    if spec.target == "docker":
        return render_docker.render(spec.mirror_maker, spec)
    return render_kubernetes.render(spec.mirror_maker, spec)
