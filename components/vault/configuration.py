"""Vault's own configuration file and how its container starts. Pure.

Addresses and the node's name come from the environment (``VAULT_API_ADDR``, ``VAULT_CLUSTER_ADDR``, ``VAULT_RAFT_NODE_ID``),
so that all nodes share one file. Memory is not locked: with Raft Vault's makers advise against it, and no capability is needed
then; what the kernel would swap out is the nodes' matter, and Kubernetes' nodes do not swap.
"""

import json
from typing import Any

from pydantic.alias_generators import to_snake

from components.core.secrets import SecretFile, referenced
from components.environment import EnvironmentSpec
from components.vault.names import NAME, own
from components.vault.spec import PORT, VaultSpec

CLUSTER_PORT = 8201
FOLDER, SECRETS, DATA, AUDIT = "/etc/cdc", "/run/secrets/vault", "/vault/data", "/vault/audit"
CONFIGURATION, START = f"{FOLDER}/vault.json", f"{FOLDER}/start.sh"
CERTIFICATE, KEY, CA, SEAL_TOKEN = "tls.crt", "tls.key", "ca.crt", "seal-token"
NODES = f"{NAME}-nodes"
"""The headless Service that gives each node a name of its own."""

PERFORMANCE = 1
"""A leader that is lost is replaced in seconds; Vault's makers recommend it for production, and begin with 5."""

_EVERYWHERE = "[::]"
_FIELDS = {
    "awskms": {"key": "kms_key_id"},
    "gcpckms": {"key": "crypto_key"},
    "azurekeyvault": {"tenant": "tenant_id", "vault": "vault_name", "key": "key_name"},
    "transit": {"mount": "mount_path", "key": "key_name"},
}
"""Where Vault calls a seal's setting otherwise than the spec does."""


def scheme(vault: VaultSpec) -> str:
    """How clients and nodes speak to it."""
    return "https" if vault.tls.enabled else "http"


def address(spec: EnvironmentSpec, vault: VaultSpec) -> str:
    """Where clients inside the environment find it."""
    if vault.external is not None:
        return vault.external.address
    host = NAME if spec.target == "docker" else f"{NAME}.{spec.kubernetes.namespace}.svc"
    return f"{scheme(vault)}://{host}:{PORT}"


def configuration(spec: EnvironmentSpec, vault: VaultSpec) -> str:
    """The file's text, as JSON, which Vault reads like its own language."""
    host = NAME if spec.target == "docker" else _EVERYWHERE
    listener: dict[str, Any] = {
        "address": f"{host}:{PORT}",
        "cluster_address": f"{host}:{CLUSTER_PORT}",
        "telemetry": {"unauthenticated_metrics_access": True},
        **_tls(vault),
    }
    document: dict[str, Any] = {
        "cluster_name": own(spec.context, NAME),
        "disable_mlock": True,
        "listener": [{"tcp": listener}],
        "log_format": "json",
        "storage": {"raft": {"path": DATA, "performance_multiplier": PERFORMANCE, **_peers(spec, vault)}},
        "telemetry": {"disable_hostname": True, "prometheus_retention_time": "30s"},
        "ui": False,
    }
    if vault.seal is not None:
        kind, settings = vault.seal.chosen
        values = settings.model_dump(exclude={"token"})
        document["seal"] = {kind: {_FIELDS[kind].get(key, to_snake(key)): value for key, value in values.items()}}
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def secret_files(vault: VaultSpec) -> tuple[SecretFile, ...]:
    """What must lie in its folder of secrets."""
    files = []
    if vault.tls.enabled:
        tls = {CERTIFICATE: vault.tls.certificate, KEY: vault.tls.key, CA: vault.tls.ca}
        files += [referenced(reference, name, NAME) for name, reference in tls.items()]
    if vault.seal is not None and vault.seal.transit is not None:
        files.append(referenced(vault.seal.transit.token, SEAL_TOKEN, NAME))
    return tuple(sorted(files))


def start_script(vault: VaultSpec) -> str:
    """Vault reads a renewed certificate only when it is told to; a token that opens the seal it takes from its environment."""
    lines = ["#!/bin/sh", "set -eu"]
    if vault.seal is not None and vault.seal.transit is not None:
        lines += [f"VAULT_TOKEN=$(cat {SECRETS}/{SEAL_TOKEN})", "export VAULT_TOKEN"]
    if not vault.tls.enabled:
        return "\n".join([*lines, f"exec vault server -config={CONFIGURATION}"]) + "\n"
    return "\n".join([*lines, _WATCHED.format(configuration=CONFIGURATION, certificate=f"{SECRETS}/{CERTIFICATE}")])


_WATCHED = """vault server -config={configuration} &
server=$!
trap 'kill -TERM "$server" 2>/dev/null || true' TERM INT
seen=$(cksum < {certificate})
while kill -0 "$server" 2>/dev/null; do
  sleep 10 & wait $! || true
  now=$(cksum < {certificate}) || continue
  if [ "$now" != "$seen" ]; then
    kill -HUP "$server" || true
    seen=$now
  fi
done
wait "$server"
"""


def _tls(vault: VaultSpec) -> dict[str, Any]:
    if not vault.tls.enabled:
        return {"tls_disable": True}
    return {
        "tls_cert_file": f"{SECRETS}/{CERTIFICATE}",
        "tls_key_file": f"{SECRETS}/{KEY}",
        "tls_min_version": "tls12",
    }


def _peers(spec: EnvironmentSpec, vault: VaultSpec) -> dict[str, Any]:
    """Every node asks the others until it finds the cluster; the first to be initialised is the cluster."""
    if spec.target == "docker":
        return {"node_id": NAME}
    trust = {"leader_ca_cert_file": f"{SECRETS}/{CA}"} if vault.tls.enabled else {}
    names = [f"{NAME}-{number}.{NODES}" for number in range(vault.replicas(spec.target))]
    return {"retry_join": [{"leader_api_addr": f"{scheme(vault)}://{name}:{PORT}", **trust} for name in names]}
