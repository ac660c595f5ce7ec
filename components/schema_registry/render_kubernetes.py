"""The schema registry as Kubernetes objects. Pure."""

import hashlib
from typing import Any

from components.core.kubernetes import Body, Service, config_map, http_probe, opening
from components.core.rendered import Manifest
from components.core.secrets import projected
from components.environment import EnvironmentSpec
from components.haproxy import derive as haproxy
from components.haproxy.backend import Check
from components.kafka.network_policies import CLIENT_LABEL
from components.schema_registry import confluent
from components.schema_registry.derive import DISTRIBUTIONS, NAME, PORT
from components.schema_registry.program import FOLDER, SECRETS, Program, program
from components.schema_registry.spec import SchemaRegistrySpec

COMPONENT = "schema-registry"
CHECKSUM = "cdc.platform/configuration"
LEAVING_SECONDS = 10
"""A pod that is to end still answers until nobody's DNS names it any more."""

_START_PERIODS = 60
"""Of ten seconds each: how long a registry may take to read what it knows from Kafka."""


def manifests(spec: EnvironmentSpec, registry: SchemaRegistrySpec) -> tuple[Manifest, ...]:
    """Its configuration, a Deployment, and a Service: headless behind HAProxy, which finds the single pods by its name."""
    context = spec.context
    runs = program(spec, registry)
    service = _service(registry, runs)
    ready = DISTRIBUTIONS[registry.distribution].ready
    return (
        config_map(COMPONENT, NAME, context, _files(runs)),
        service.deployment(context),
        _address(spec, service),
        service.disruption_budget(context),
        service.network_policy(context, _ingress(spec, service, ready), [opening("to", [service.selector], PORT)]),
    )


def _files(runs: Program) -> dict[str, str]:
    """By name."""
    return {path.rpartition("/")[2]: text for path, text in runs.files.items()}


def _address(spec: EnvironmentSpec, service: Service) -> Manifest:
    made = service.service(spec.context, {"http": PORT})
    if spec.haproxy is None:
        return made
    body = {**made.body, "spec": {**made.body["spec"], "clusterIP": "None"}}
    return Manifest(made.component, body)


def _service(registry: SchemaRegistrySpec, runs: Program) -> Service:
    volumes: list[Body] = [
        {"name": "configuration", "configMap": {"name": NAME}},
        {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
    ]
    if runs.secrets:
        volumes.append({"name": "secrets", **projected(runs.secrets)})
    digest = hashlib.sha256("\0".join(text for _, text in sorted(runs.files.items())).encode()).hexdigest()
    return Service(
        component=COMPONENT,
        name=NAME,
        replicas=registry.replicas,
        container=_container(registry, runs),
        resources=registry.resources,
        group=runs.group or runs.user,
        user=runs.user,
        volumes=volumes,
        labels=CLIENT_LABEL,
        annotations={CHECKSUM: digest},
    )


def _container(registry: SchemaRegistrySpec, runs: Program) -> Body:
    mounts: list[Body] = [
        {"name": "configuration", "mountPath": FOLDER, "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's own
    ]
    if runs.secrets:
        mounts.append({"name": "secrets", "mountPath": SECRETS, "readOnly": True})
    address = {"name": confluent.ADDRESS_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    variables: list[dict[str, Any]] = [{"name": key, "value": value} for key, value in sorted(runs.environment.items())]
    ready = http_probe(runs.ready.path, runs.ready.port, runs.scheme(runs.ready))
    return {
        "image": runs.image,
        "command": list(runs.command),
        "env": [*variables, *([address] if registry.distribution == "confluent" else [])],
        "ports": [{"containerPort": PORT, "name": "http"}],
        "volumeMounts": mounts,
        "startupProbe": ready | {"failureThreshold": _START_PERIODS},
        "livenessProbe": http_probe(runs.live.path, runs.live.port, runs.scheme(runs.live)),
        "readinessProbe": ready | {"periodSeconds": 5},
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(LEAVING_SECONDS)]}}},
    }


def _ingress(spec: EnvironmentSpec, service: Service, ready: Check | None) -> list[Body]:
    """HAProxy, or the clients themselves where there is none; and the other registries, which hand writes to their leader."""
    if spec.haproxy is not None:
        checked = [] if ready is None else [ready.port]
        return [opening("from", [{"app.kubernetes.io/name": haproxy.NAME}, service.selector], PORT, *checked)]
    namespaces = sorted({namespace for tenant in spec.tenants for namespace in tenant.namespaces})
    rule = opening("from", [CLIENT_LABEL, service.selector], PORT)
    rule["from"] += [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}} for name in namespaces]
    return [rule]
