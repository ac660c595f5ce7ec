"""PostgreSQL as Kubernetes objects: CloudNativePG's Cluster, and what keeps its roles and grants. Pure.

The operator makes just what needs a super user: who administers, and who sees the figures. Everything else is the same list of
steps as elsewhere, because its resources know neither grants nor default privileges.
"""

import hashlib
from typing import Any

from components.core import versions
from components.core.kubernetes import Body, Service, config_map, manifest, network_policy, opening, resources, spread
from components.core.quantities import kubernetes_bytes
from components.core.rendered import Manifest
from components.core.resources import ResourcesSpec
from components.core.secrets import projected, referenced
from components.environment import EnvironmentSpec
from components.postgres import access, derive
from components.postgres.derive import ACCESS, ADMINISTRATOR, MONITOR, NAME, PODS, PORT
from components.postgres.server import access_rules, parameters
from components.postgres.spec import PostgresSpec, VolumeSpec

COMPONENT = "postgres"
API_VERSION = "postgresql.cnpg.io/v1"
STATUS_PORT = 8000
"""Where the operator asks each instance how it is."""

CHECKSUM = "cdc.platform/configuration"
USER = 26
"""``postgres`` of the operator's images."""

_API_SERVER: Body = {"ports": [{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]}
"""Each instance talks to the API server, which is no pod and cannot be selected."""


def manifests(spec: EnvironmentSpec, postgres: PostgresSpec) -> tuple[Manifest, ...]:
    """The Cluster, ``postgres-access`` beside it, and what the network lets through."""
    service = _access(spec, postgres)
    names = {path.rpartition("/")[2]: text for path, text in access.files(spec, postgres).items()}
    return (
        manifest(COMPONENT, spec.context, API_VERSION, "Cluster", NAME, stateful=True, spec=_cluster(spec, postgres)),
        config_map(COMPONENT, ACCESS, spec.context, names),
        service.deployment(spec.context),
        service.network_policy(spec.context, egress=[opening("to", [PODS], PORT)]),
        _network_policy(spec, postgres),
    )


def _cluster(spec: EnvironmentSpec, postgres: PostgresSpec) -> Body:
    context = spec.context
    rules = access_rules(spec, postgres, derive.postgres_state(spec))
    settings: Body = {"parameters": _operators(parameters(postgres)), "pg_hba": rules}
    if postgres.instances > 1:
        durable = "required" if postgres.instances > 2 else "preferred"
        settings["synchronous"] = {"method": "any", "number": 1, "dataDurability": durable}
    body: Body = {
        "description": "Where the pipelines' rows go",
        "instances": postgres.instances,
        "imageName": postgres.image or versions.POSTGRES_OPERATOR_IMAGE,
        "primaryUpdateStrategy": "unsupervised",
        "enablePDB": True,
        "enableSuperuserAccess": False,
        "priorityClassName": context.priority_class("data"),
        "inheritedMetadata": {"labels": context.labels(COMPONENT)},
        "affinity": {
            "enablePodAntiAffinity": True,
            "podAntiAffinityType": "required" if spec.tier == "production" else "preferred",
            "topologyKey": "kubernetes.io/hostname",
        },
        "topologySpreadConstraints": spread(PODS, "topology.kubernetes.io/zone"),
        "resources": resources(postgres.resources),
        "storage": _volume(postgres.storage),
        "walStorage": _volume(postgres.wal),
        "seccompProfile": {"type": "RuntimeDefault"},
        "postgresql": settings,
        "bootstrap": {"initdb": _first_start(postgres)},
        "managed": {"roles": _roles(postgres)},
    }
    if postgres.sink_authentication == "certificate":
        body["certificates"] = {"clientCASecret": _secret(postgres.tls.client_ca, "postgres-client-ca")}
    return body


def _operators(settings: dict[str, str]) -> dict[str, str]:
    """The operator says itself what there is in files, and keeps connections of its own apart."""
    return {key: value for key, value in settings.items() if not key.startswith("ssl_ca")}


def _first_start(postgres: PostgresSpec) -> Body:
    return {
        "database": "cdc",
        "owner": ADMINISTRATOR,
        "secret": {"name": _secret(postgres.admin_password, "postgres-admin")},
        "dataChecksums": True,
        "encoding": "UTF8",
        "localeCollate": "C.UTF-8",
        "localeCType": "C.UTF-8",
    }


def _roles(postgres: PostgresSpec) -> list[Body]:
    """The operator reads ``username`` and ``password`` of a Secret, and sets the password anew when that changes."""
    monitor = derive.monitor(postgres)
    return [
        {
            "name": ADMINISTRATOR,
            "ensure": "present",
            "comment": "makes roles, databases and grants",
            "login": True,
            "createdb": True,
            "createrole": True,
            "connectionLimit": 5,
            "passwordSecret": {"name": _secret(postgres.admin_password, "postgres-admin")},
        },
        {
            "name": MONITOR,
            "ensure": "present",
            "comment": "sees figures and no rows",
            "login": True,
            "connectionLimit": monitor.connections,
            "inRoles": list(monitor.member_of),
            "passwordSecret": {"name": _secret(postgres.monitor_password, "postgres-monitor")},
        },
    ]


def _secret(reference: str, fallback: str) -> str:
    return referenced(reference, "", fallback).secret


def _volume(volume: VolumeSpec) -> Body:
    own = {} if volume.storage_class is None else {"storageClass": volume.storage_class}
    return {"size": kubernetes_bytes(volume.size), **own}


def _access(spec: EnvironmentSpec, postgres: PostgresSpec) -> Service:
    text = "\0".join(text for _, text in sorted(access.files(spec, postgres).items()))
    applied = {"exec": {"command": ["test", "-f", access.APPLIED]}, "periodSeconds": 5}
    return Service(
        component=COMPONENT,
        name=ACCESS,
        replicas=1,
        container={
            "image": postgres.image or versions.POSTGRES_OPERATOR_IMAGE,
            "command": ["sh", access.START],
            "volumeMounts": [
                {"name": "files", "mountPath": access.FOLDER, "readOnly": True},
                {"name": "secrets", "mountPath": access.SECRETS, "readOnly": True},
                {"name": "run", "mountPath": access.RUN},
            ],
            "livenessProbe": {"exec": {"command": ["test", "-f", access.START]}, "periodSeconds": 30},
            "readinessProbe": applied,
        },
        resources=ResourcesSpec(cpu="50m", memory="64Mi"),
        group=USER,
        user=USER,
        volumes=[
            {"name": "files", "configMap": {"name": ACCESS}},
            {"name": "secrets", **projected(access.secrets(spec, postgres))},
            {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        ],
        annotations={CHECKSUM: hashlib.sha256(text.encode()).hexdigest()},
    )


def _network_policy(spec: EnvironmentSpec, postgres: PostgresSpec) -> Manifest:
    """In: those who write, whoever keeps the grants, readers from their namespaces, the operator; and the instances between
    themselves, who follow each other. Out: to each other and to the API server."""
    clients: list[dict[str, str]] = [{"app.kubernetes.io/name": ACCESS}, {"app.kubernetes.io/component": "sink"}, PODS]
    if any(pipeline.sink.via == "jdbc" for pipeline in spec.pipelines):
        clients.append({"strimzi.io/kind": "KafkaConnect"})
    rule: dict[str, Any] = opening("from", clients, PORT)
    namespaces = sorted({name for reader in postgres.readers for name in reader.namespaces})
    rule["from"] = [*rule["from"], *(_namespace(name) for name in namespaces)]
    asked = {**opening("from", [PODS], STATUS_PORT)}
    asked["from"] = [*asked["from"], _namespace(postgres.operator_namespace)]
    egress = [opening("to", [PODS], PORT, STATUS_PORT), _API_SERVER]
    return network_policy(COMPONENT, NAME, PODS, spec.context, [rule, asked], egress)


def _namespace(name: str) -> Body:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
