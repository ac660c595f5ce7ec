"""Manifests as pulumi-kubernetes resources: a typed class where the SDK has one, so that URNs are the provider's own."""

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pydantic.alias_generators import to_snake

from components.core.context import Context
from components.core.errors import RenderError
from components.core.rendered import Manifest
from components.targets.declare import holds_data

_TYPED: Mapping[tuple[str, str], str] = {
    ("apps/v1", "Deployment"): "apps.v1",
    ("apps/v1", "StatefulSet"): "apps.v1",
    ("autoscaling/v2", "HorizontalPodAutoscaler"): "autoscaling.v2",
    ("batch/v1", "CronJob"): "batch.v1",
    ("batch/v1", "Job"): "batch.v1",
    ("networking.k8s.io/v1", "NetworkPolicy"): "networking.v1",
    ("policy/v1", "PodDisruptionBudget"): "policy.v1",
    ("rbac.authorization.k8s.io/v1", "ClusterRole"): "rbac.v1",
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): "rbac.v1",
    ("rbac.authorization.k8s.io/v1", "Role"): "rbac.v1",
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): "rbac.v1",
    ("scheduling.k8s.io/v1", "PriorityClass"): "scheduling.v1",
    ("v1", "ConfigMap"): "core.v1",
    ("v1", "Namespace"): "core.v1",
    ("v1", "PersistentVolumeClaim"): "core.v1",
    ("v1", "Service"): "core.v1",
    ("v1", "ServiceAccount"): "core.v1",
}
"""Kinds of Kubernetes itself that components render, and the SDK module of their class."""

_OPERATORS = (
    "cert-manager.io",
    "chaos-mesh.org",
    "external-secrets.io",
    "keda.sh",
    "monitoring.coreos.com",
    "postgresql.cnpg.io",
    "strimzi.io",
)
"""API groups of operators, whose kinds the SDK has no classes for."""


def provider(name: str, context: str | None) -> pulumi.ProviderResource:
    """A provider bound to one kubeconfig context, so that a stack never reaches the cluster that happens to be current.

    Without its two options a changed ConfigMap or Secret is deleted and made again, while pods still mount it.
    """
    return kubernetes.Provider(
        f"{name}-kubernetes", context=context, enable_config_map_mutable=True, enable_secret_mutable=True
    )


def declare(
    manifests: Iterable[Manifest], parent: pulumi.Resource, context: Context, after: tuple[pulumi.Resource, ...]
) -> tuple[pulumi.Resource, ...]:
    """One resource per manifest, named by its id. Returns the namespaces; what lives in one waits for those in ``after``."""
    namespaces: list[pulumi.Resource] = []
    manifests = list(manifests)
    scaled = _scaled(manifests)
    for manifest in manifests:
        waits = list(after) + namespaces if manifest.namespace else None
        ignored = ["spec.replicas"] if (manifest.kind, manifest.name) in scaled else None
        opts = pulumi.ResourceOptions.merge(
            pulumi.ResourceOptions(parent=parent, depends_on=waits, ignore_changes=ignored),
            holds_data(manifest.stateful, context),
        )
        resource = _resource(manifest, opts)
        if manifest.kind == "Namespace":
            namespaces.append(resource)
    return tuple(namespaces)


def _scaled(manifests: Iterable[Manifest]) -> set[tuple[str, str]]:
    """Kinds and names of what an autoscaler gives its replicas: the stack sets them once and does not take them back."""
    scalers = {"HorizontalPodAutoscaler", "ScaledObject"}
    targets = [m.body["spec"]["scaleTargetRef"] for m in manifests if m.kind in scalers]
    return {(target["kind"], target["name"]) for target in targets}


def _typed_class(module: str, kind: str) -> Callable[..., pulumi.Resource]:
    return attrgetter(f"{module}.{kind}")(kubernetes)


def _resource(manifest: Manifest, opts: pulumi.ResourceOptions) -> pulumi.Resource:
    fields: dict[str, Any] = {key: value for key, value in manifest.body.items() if key not in {"apiVersion", "kind"}}
    module = _TYPED.get((manifest.api_version, manifest.kind))
    if module is not None:
        return _typed_class(module, manifest.kind)(
            manifest.id, opts=opts, **{to_snake(key): value for key, value in fields.items()}
        )
    if any(manifest.api_version.partition("/")[0].endswith(group) for group in _OPERATORS):
        return kubernetes.apiextensions.CustomResource(
            manifest.id,
            api_version=manifest.api_version,
            kind=manifest.kind,
            opts=opts,
            metadata=fields.pop("metadata"),
            **fields,
        )
    raise RenderError(f"{manifest.id}: no Pulumi class is known for {manifest.api_version} {manifest.kind}")
