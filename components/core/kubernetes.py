"""Kubernetes objects that every component writes alike: unprivileged pods that are bounded, spread and probed. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.core.context import Context
from components.core.quantities import format_cpu, kubernetes_bytes
from components.core.rendered import Manifest
from components.core.resources import AutoscalingSpec, ResourcesSpec

Body = dict[str, Any]

SCALE_DOWN_SECONDS = 600
"""How long the load must be low before a pod is taken away."""

GRACE_SECONDS = 60
"""How long a pod may take to end: the longest that a service of the platform drains for."""


def container_security() -> Body:
    """The restricted Pod Security Standard, with a read-only root."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def pod_security(group: int = 0, user: int | None = None) -> Body:
    """``group`` owns the pod's volumes, secrets included. ``user`` runs it: a kubelet does not start an image that says its
    user by name, because it cannot tell that it is not root."""
    own: Body = {} if user is None else {"runAsUser": user}
    return {"fsGroup": group, "runAsNonRoot": True, **own, "seccompProfile": {"type": "RuntimeDefault"}}


def resources(spec: ResourcesSpec) -> Body:
    """Requests and limits of one container."""
    memory = kubernetes_bytes(spec.memory)
    return {
        "requests": {"cpu": format_cpu(spec.cpu), "memory": memory},
        "limits": {"cpu": format_cpu(spec.cpu_limit_millicores), "memory": memory},
    }


def manifest(
    component: str,
    context: Context,
    api_version: str,
    kind: str,
    name: str,
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    stateful: bool = False,
    **content: Any,
) -> Manifest:
    """An object in the platform's namespace. ``content`` is what it has besides its metadata, such as ``spec`` or ``data``."""
    metadata: Body = {"name": name, "namespace": context.namespace, "labels": context.labels(component, labels)}
    if annotations:
        metadata["annotations"] = dict(sorted(annotations.items()))
    return Manifest(component, {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}, stateful)


@dataclass(frozen=True)
class Service:
    """A stateless program on Kubernetes: ``container`` is its main one, in Kubernetes' own form, without name, resources and
    security, which are added. ``labels`` are added to the pods' own, which are ``selector``."""

    component: str
    name: str
    replicas: int
    container: Body
    resources: ResourcesSpec
    group: int
    user: int | None = None
    volumes: Sequence[Body] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    priority: str = "service"

    @property
    def selector(self) -> dict[str, str]:
        """What its pods, and no others, are known by."""
        return {"app.kubernetes.io/name": self.name}

    def deployment(self, context: Context) -> Manifest:
        """Never below its replicas while it is rolled out, no two on one node where there is another, no API token.

        ``annotations`` are the pods': a checksum of a configuration there rolls them out when it changes.
        """
        metadata: Body = {"labels": context.labels(self.component, {**self.selector, **self.labels})}
        if self.annotations:
            metadata["annotations"] = dict(sorted(self.annotations.items()))
        spec = {
            "replicas": self.replicas,
            "selector": {"matchLabels": self.selector},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": metadata, "spec": self._pod(context)},
        }
        return manifest(self.component, context, "apps/v1", "Deployment", self.name, labels=self.selector, spec=spec)

    def _pod(self, context: Context) -> Body:
        main = {
            "name": self.name,
            **self.container,
            "resources": resources(self.resources),
            "securityContext": container_security(),
        }
        pod: Body = {
            "automountServiceAccountToken": False,
            "containers": [main],
            "enableServiceLinks": False,
            "priorityClassName": context.priority_class(self.priority),
            "securityContext": pod_security(self.group, self.user),
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "topologySpreadConstraints": spread(self.selector),
        }
        return {**pod, "volumes": list(self.volumes)} if self.volumes else pod

    def service(self, context: Context, ports: Mapping[str, int]) -> Manifest:
        """Its address inside the cluster; ``ports`` are the container's, by name."""
        entries = [{"name": name, "port": port, "targetPort": port} for name, port in ports.items()]
        spec = {"selector": self.selector, "ports": entries}
        return manifest(self.component, context, "v1", "Service", self.name, labels=self.selector, spec=spec)

    def disruption_budget(self, context: Context) -> Manifest:
        """At most one of them is taken away at a time."""
        spec = {"maxUnavailable": 1, "selector": {"matchLabels": self.selector}}
        return manifest(self.component, context, "policy/v1", "PodDisruptionBudget", self.name, labels=self.selector, spec=spec)

    def network_policy(self, context: Context, ingress: Sequence[Body] = (), egress: Sequence[Body] = ()) -> Manifest:
        """What is opened for it beyond the namespace's default-deny; rules in Kubernetes' own form."""
        return network_policy(self.component, self.name, self.selector, context, ingress, egress)


def spread(selector: Mapping[str, str], topology_key: str = "kubernetes.io/hostname") -> list[Body]:
    """Pods over nodes (or what else ``topology_key`` names), as a wish: fewer nodes than pods must not keep any waiting."""
    return [
        {
            "topologyKey": topology_key,
            "maxSkew": 1,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": dict(selector)},
        }
    ]


def network_policy(
    component: str,
    name: str,
    selector: Mapping[str, str],
    context: Context,
    ingress: Sequence[Body] = (),
    egress: Sequence[Body] = (),
) -> Manifest:
    """Openings for the pods of ``selector`` in the platform's namespace; a direction without rules stays as it was."""
    spec: Body = {"podSelector": {"matchLabels": dict(selector)}, "policyTypes": []}
    for kind, key, rules in (("Ingress", "ingress", ingress), ("Egress", "egress", egress)):
        if rules:
            spec["policyTypes"].append(kind)
            spec[key] = list(rules)
    return manifest(component, context, "networking.k8s.io/v1", "NetworkPolicy", name, spec=spec)


def opening(side: str, selectors: Sequence[Mapping[str, str]], *ports: int) -> Body:
    """One rule: ``side`` is ``from`` or ``to``; pods of the namespace with any of ``selectors``; none means anyone."""
    rule: Body = {"ports": [{"port": port, "protocol": "TCP"} for port in ports]} if ports else {}
    if selectors:
        rule[side] = [{"podSelector": {"matchLabels": dict(selector)}} for selector in selectors]
    return rule


def config_map(component: str, name: str, context: Context, data: Mapping[str, str]) -> Manifest:
    """Files by name."""
    return manifest(component, context, "v1", "ConfigMap", name, data=dict(sorted(data.items())))


def http_probe(path: str, port: int, scheme: str = "HTTP") -> Body:
    """A probe that is content with any answer of 2xx or 3xx."""
    return {"httpGet": {"path": path, "port": port, "scheme": scheme}, "periodSeconds": 10, "timeoutSeconds": 5}


def autoscaler(component: str, context: Context, api_version: str, kind: str, name: str, scaling: AutoscalingSpec) -> Manifest:
    """Changes the replicas of one object by its pods' CPU. It takes pods away slowly: each that goes moves work to others."""
    metric = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": scaling.cpu}}
    spec = {
        "scaleTargetRef": {"apiVersion": api_version, "kind": kind, "name": name},
        "minReplicas": scaling.least,
        "maxReplicas": scaling.most,
        "metrics": [{"type": "Resource", "resource": metric}],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": SCALE_DOWN_SECONDS}},
    }
    return manifest(component, context, "autoscaling/v2", "HorizontalPodAutoscaler", name, spec=spec)
