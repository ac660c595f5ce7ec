"""Chooses the target. Provider SDKs are imported late: a Kubernetes stack never loads docker's, nor the other way round."""

import pulumi

from components.core.context import Context
from components.core.rendered import Rendered

Resources = tuple[pulumi.Resource, ...]


def declare(rendered: Rendered, parent: pulumi.Resource, context: Context, after: Resources) -> Resources:
    """Register one Pulumi resource for each rendered object, as a child of ``parent``, once ``after`` exists.

    Returns those that later components stand on: namespaces, networks and volumes.
    """
    if context.target == "docker":
        from components.targets import docker

        return docker.declare(rendered, parent, context, after)
    from components.targets import kubernetes

    return kubernetes.declare(rendered.manifests, parent, context, after)


def providers(name: str, context: Context, opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions | None:
    """Options that bind a component to its environment's own Kubernetes context, unless the caller brought a provider."""
    brought = opts is not None and (opts.provider is not None or opts.providers)
    if context.target == "docker" or brought:
        return None
    from components.targets import kubernetes

    return pulumi.ResourceOptions(providers=[kubernetes.provider(name, context.kubernetes_context)])


def holds_data(stateful: bool, context: Context) -> pulumi.ResourceOptions:
    """What holds data is protected, and kept when it leaves the stack; a development environment can be thrown away."""
    keep = stateful and context.tier != "development"
    return pulumi.ResourceOptions(protect=keep, retain_on_delete=keep)
