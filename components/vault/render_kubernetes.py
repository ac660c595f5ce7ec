"""Vault as Kubernetes objects: Raft nodes with a volume each. Pure."""

import hashlib
from collections.abc import Mapping

from components.core import versions
from components.core.kubernetes import (
    GRACE_SECONDS,
    Body,
    config_map,
    container_security,
    http_probe,
    manifest,
    network_policy,
    opening,
    pod_security,
    resources,
    spread,
)
from components.core.quantities import kubernetes_bytes
from components.core.rendered import Manifest
from components.core.secrets import projected
from components.environment import EnvironmentSpec
from components.vault.configuration import (
    AUDIT,
    CLUSTER_PORT,
    DATA,
    FOLDER,
    NODES,
    SECRETS,
    START,
    configuration,
    scheme,
    secret_files,
    start_script,
)
from components.vault.names import COMPONENT, NAME
from components.vault.spec import PORT, VaultSpec

USER, GROUP = 100, 1000
"""``vault`` of its makers' image."""

SELECTOR = {"app.kubernetes.io/name": NAME}
CHECKSUM = "cdc.platform/configuration"
_HEALTH = "/v1/sys/health"
_READY = f"{_HEALTH}?standbyok=true&perfstandbyok=true"
_ALIVE = f"{_READY}&sealedcode=204&uninitcode=204"
"""A sealed node lives: starting it again would not open it."""

_API_SERVER = (443, 6443)
RBAC = "rbac.authorization.k8s.io/v1"


def manifests(spec: EnvironmentSpec, vault: VaultSpec) -> tuple[Manifest, ...]:
    """A StatefulSet with what it needs."""
    context = spec.context
    files = {"vault.json": configuration(spec, vault), "start.sh": start_script(vault)}
    budget = {"maxUnavailable": 1, "selector": {"matchLabels": SELECTOR}}
    account = manifest(COMPONENT, context, "v1", "ServiceAccount", NAME, annotations=vault.service_account_annotations)
    return (
        config_map(COMPONENT, NAME, context, files),
        account,
        _token_reviewer(spec, NAME),
        _stateful_set(spec, vault, files),
        _service(spec, NAME, {}),
        _service(spec, NODES, {"clusterIP": "None", "publishNotReadyAddresses": True}),
        manifest(COMPONENT, context, "policy/v1", "PodDisruptionBudget", NAME, labels=SELECTOR, spec=budget),
        _network_policy(spec, vault),
    )


def _service(spec: EnvironmentSpec, name: str, more: Body) -> Manifest:
    """Nodes that stand by hand requests on to the active one, so that any that is open will do; to join, a node must find those
    that are not open yet."""
    ports = [{"name": "api", "port": PORT, "targetPort": PORT}]
    ports += [{"name": "cluster", "port": CLUSTER_PORT, "targetPort": CLUSTER_PORT}] if more else []
    return manifest(
        COMPONENT, spec.context, "v1", "Service", name, labels=SELECTOR, spec={"selector": SELECTOR, "ports": ports, **more}
    )


def reviewer(spec: EnvironmentSpec) -> tuple[Manifest, ...]:
    """A service account whose token an external Vault is given (``cdc vault apply --reviewer-token-file``)."""
    name = f"{NAME}-token-reviewer"
    account = manifest(COMPONENT, spec.context, "v1", "ServiceAccount", name, automountServiceAccountToken=False)
    return (account, _token_reviewer(spec, name))


def _token_reviewer(spec: EnvironmentSpec, account: str) -> Manifest:
    """Vault asks the API server whose token it was given."""
    name = f"{spec.kubernetes.namespace}-{spec.name}-vault-token-reviewer"
    body = {
        "apiVersion": RBAC,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name, "labels": spec.context.labels(COMPONENT)},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator"},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": spec.kubernetes.namespace}],
    }
    return Manifest(COMPONENT, body)


def _stateful_set(spec: EnvironmentSpec, vault: VaultSpec, files: Mapping[str, str]) -> Manifest:
    """Nodes are replaced one by one; where only a person can open them, when that person deletes them."""
    context = spec.context
    digest = hashlib.sha256("\0".join(files.values()).encode()).hexdigest()
    template = {
        "metadata": {"labels": context.labels(COMPONENT, SELECTOR), "annotations": {CHECKSUM: digest}},
        "spec": _pod(spec, vault),
    }
    claims = [_claim("data", vault)] + [_claim("audit", vault)] * (vault.audit == "file")
    body = {
        "replicas": vault.replicas(spec.target),
        "serviceName": NODES,
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "OnDelete" if vault.seal is None else "RollingUpdate"},
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "selector": {"matchLabels": SELECTOR},
        "template": template,
        "volumeClaimTemplates": claims,
    }
    return manifest(COMPONENT, context, "apps/v1", "StatefulSet", NAME, labels=SELECTOR, stateful=True, spec=body)


def _claim(name: str, vault: VaultSpec) -> Body:
    spec: Body = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": kubernetes_bytes(vault.storage.size)}},
    }
    if vault.storage.storage_class is not None:
        spec["storageClassName"] = vault.storage.storage_class
    return {"metadata": {"name": name}, "spec": spec}


def _pod(spec: EnvironmentSpec, vault: VaultSpec) -> Body:
    constraints = spread(SELECTOR)
    if spec.kafka.racks is not None:
        constraints = [*spread(SELECTOR, spec.kafka.racks.topology_key), *constraints]
    volumes: list[Body] = [{"name": "configuration", "configMap": {"name": NAME}}]
    secrets = secret_files(vault)
    if secrets:
        volumes.append({"name": "secrets", **projected(secrets)})
    return {
        "containers": [_container(vault, bool(secrets))],
        "enableServiceLinks": False,
        "priorityClassName": spec.context.priority_class("data"),
        "securityContext": pod_security(GROUP, USER),
        "serviceAccountName": NAME,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "topologySpreadConstraints": constraints,
        "volumes": volumes,
    }


def _container(vault: VaultSpec, secrets: bool) -> Body:
    way = scheme(vault)
    mounts: list[Body] = [
        {"name": "configuration", "mountPath": FOLDER, "readOnly": True},
        {"name": "data", "mountPath": DATA},
    ]
    mounts += [{"name": "audit", "mountPath": AUDIT}] * (vault.audit == "file")
    mounts += [{"name": "secrets", "mountPath": SECRETS, "readOnly": True}] * secrets
    return {
        "name": NAME,
        "image": vault.image or versions.VAULT_IMAGE,
        "command": ["sh", START],
        "env": [
            {"name": "VAULT_RAFT_NODE_ID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "VAULT_API_ADDR", "value": f"{way}://$(VAULT_RAFT_NODE_ID).{NODES}:{PORT}"},
            {"name": "VAULT_CLUSTER_ADDR", "value": f"https://$(VAULT_RAFT_NODE_ID).{NODES}:{CLUSTER_PORT}"},
        ],
        "ports": [{"containerPort": PORT, "name": "api"}, {"containerPort": CLUSTER_PORT, "name": "cluster"}],
        "volumeMounts": mounts,
        "startupProbe": http_probe(_ALIVE, PORT, way.upper()) | {"failureThreshold": 30},
        "livenessProbe": http_probe(_ALIVE, PORT, way.upper()),
        "readinessProbe": http_probe(_READY, PORT, way.upper()) | {"periodSeconds": 5},
        "resources": resources(vault.resources),
        "securityContext": container_security(),
    }


def _network_policy(spec: EnvironmentSpec, vault: VaultSpec) -> Manifest:
    """In: its own nodes and the operators that fetch secrets and certificates. Out: its nodes, the API server, and what opens
    its seal, which is reached at 443 or at the other Vault's port."""
    operators = {vault.operators.external_secrets, vault.operators.cert_manager}
    ingress = [opening("from", [SELECTOR], PORT, CLUSTER_PORT), opening("from", [], PORT)]
    ingress[1]["from"] = [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}} for name in sorted(operators)
    ]
    ports = set(_API_SERVER)
    if vault.seal is not None and vault.seal.transit is not None:
        _, _, port = vault.seal.transit.address.rpartition("://")[2].partition(":")
        ports.add(int(port) if port else 443)
    egress = [opening("to", [SELECTOR], PORT, CLUSTER_PORT), opening("to", [], *sorted(ports))]
    return network_policy(COMPONENT, NAME, SELECTOR, spec.context, ingress, egress)
