"""Redis as Kubernetes objects: a StatefulSet of nodes and one of Sentinels. Pure."""

import hashlib
from collections.abc import Mapping
from typing import Any

from components.core import versions
from components.core.kubernetes import Body, Service, config_map, manifest, opening
from components.core.quantities import kubernetes_bytes
from components.core.rendered import Manifest
from components.core.resources import ResourcesSpec
from components.core.secrets import SecretFile, projected
from components.environment import EnvironmentSpec
from components.redis.configuration import DATA, FOLDER, PROBE_SCRIPT, RUN, SECRETS, START, files, sentinel_files
from components.redis.derive import NAME, PORT, SENTINEL, SENTINEL_PORT, pods
from components.redis.spec import RedisSpec

COMPONENT = "redis"
USER, GROUP = 999, 1000
"""``redis`` of its own image."""

SENTINEL_RESOURCES = ResourcesSpec(cpu="100m", memory="64Mi")
CHECKSUM = "cdc.platform/configuration"
_START_PERIODS = 60
"""Of five seconds each: how long a node may read its files."""


def manifests(spec: EnvironmentSpec, redis: RedisSpec, secrets: tuple[SecretFile, ...]) -> tuple[Manifest, ...]:
    """Of both kinds: files, StatefulSet, the Service that gives its pods their names, disruption budget and network policy."""
    clients: list[Mapping[str, str]] = [pods(NAME), pods(SENTINEL), {"app.kubernetes.io/component": "sink"}]
    to_nodes, to_sentinels = opening("to", [pods(NAME)], PORT), opening("to", [pods(SENTINEL)], SENTINEL_PORT)
    egress = [to_nodes, to_sentinels] if redis.sentinels else [to_nodes]
    nodes = _service(redis, NAME, redis.nodes, redis.resources, files(spec, redis, None), secrets)
    made = _objects(spec, nodes, PORT, files(spec, redis, None), redis, clients, egress)
    if redis.sentinels:
        text = sentinel_files(spec, redis, None)
        watching = _service(redis, SENTINEL, redis.sentinels, SENTINEL_RESOURCES, text, secrets)
        made += _objects(spec, watching, SENTINEL_PORT, text, None, clients, egress)
    return tuple(made)


def _objects(
    spec: EnvironmentSpec,
    service: Service,
    port: int,
    texts: Mapping[str, str],
    stored: RedisSpec | None,
    clients: list[Mapping[str, str]],
    egress: list[Body],
) -> list[Manifest]:
    context = spec.context
    address = service.service(context, {"redis": port}).body
    headless = {**address["spec"], "clusterIP": "None", "publishNotReadyAddresses": True}
    return [
        config_map(COMPONENT, service.name, context, {path.rpartition("/")[2]: text for path, text in texts.items()}),
        _stateful_set(spec, service, stored),
        Manifest(COMPONENT, {**address, "spec": headless}),
        service.disruption_budget(context),
        service.network_policy(context, [opening("from", clients, port)], egress),
    ]


def _stateful_set(spec: EnvironmentSpec, service: Service, stored: RedisSpec | None) -> Manifest:
    """All start at once: who is the master does not depend on their order."""
    pod = service.deployment(spec.context).body["spec"]["template"]
    body: Body = {
        "replicas": service.replicas,
        "serviceName": service.name,
        "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": service.selector},
        "updateStrategy": {"type": "RollingUpdate"},
        "template": pod,
    }
    if stored is not None:
        body["volumeClaimTemplates"] = [_claim(stored)]
        body["persistentVolumeClaimRetentionPolicy"] = {"whenDeleted": "Retain", "whenScaled": "Retain"}
    return manifest(
        COMPONENT, spec.context, "apps/v1", "StatefulSet", service.name, labels=service.selector, stateful=True, spec=body
    )


def _claim(redis: RedisSpec) -> Body:
    claim: Body = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": kubernetes_bytes(redis.storage.size)}},
    }
    if redis.storage.storage_class is not None:
        claim["storageClassName"] = redis.storage.storage_class
    return {"metadata": {"name": "data"}, "spec": claim}


def _service(
    redis: RedisSpec,
    name: str,
    replicas: int,
    resources: ResourcesSpec,
    texts: Mapping[str, str],
    secrets: tuple[SecretFile, ...],
) -> Service:
    mounts: list[dict[str, Any]] = [
        {"name": "files", "mountPath": FOLDER, "readOnly": True},
        {"name": "secrets", "mountPath": SECRETS, "readOnly": True},
        {"name": "run", "mountPath": RUN},
    ]
    if name == NAME:
        mounts.append({"name": "data", "mountPath": DATA})
    probe = {"exec": {"command": ["sh", PROBE_SCRIPT]}, "periodSeconds": 5, "timeoutSeconds": 5}
    return Service(
        component=COMPONENT,
        name=name,
        replicas=replicas,
        container={
            "image": redis.image or versions.REDIS_IMAGE,
            "command": ["sh", START],
            "ports": [{"containerPort": PORT if name == NAME else SENTINEL_PORT, "name": "redis"}],
            "volumeMounts": mounts,
            "startupProbe": probe | {"failureThreshold": _START_PERIODS},
            "livenessProbe": probe | {"failureThreshold": 6},
            "readinessProbe": probe,
        },
        resources=resources,
        group=GROUP,
        user=USER,
        volumes=[
            {"name": "files", "configMap": {"name": name}},
            {"name": "secrets", **projected(secrets)},
            {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        ],
        annotations={CHECKSUM: hashlib.sha256("\0".join(text for _, text in sorted(texts.items())).encode()).hexdigest()},
        priority="data",
    )
