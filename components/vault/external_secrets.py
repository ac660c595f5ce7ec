"""How secrets get from Vault into the cluster: objects of the external-secrets operator (``external-secrets.io/v1``). Pure."""

from components.core.kubernetes import Body, manifest
from components.core.quantities import format_duration
from components.core.rendered import Manifest
from components.core.secrets import JAVA_STORES
from components.environment import EnvironmentSpec
from components.vault.configuration import address
from components.vault.identities import Access, SharedSecret
from components.vault.names import AUDIENCE, COMPONENT, KV, account, auth_mount
from components.vault.spec import VaultSpec

API_VERSION = "external-secrets.io/v1"


def manifests(spec: EnvironmentSpec, vault: VaultSpec, found: Access) -> tuple[Manifest, ...]:
    """A service account for each identity; a store for each that fetches something; each Secret as its own object."""
    context = spec.context
    readers = sorted({secret.identity for secret in found.secrets})
    accounts = tuple(
        manifest(COMPONENT, context, "v1", "ServiceAccount", account(identity.name), automountServiceAccountToken=False)
        for identity in found.identities
    )
    stores = tuple(
        manifest(COMPONENT, context, API_VERSION, "SecretStore", account(reader), spec=_store(spec, vault, reader))
        for reader in readers
    )
    refresh = format_duration(vault.operators.refresh)
    return (*accounts, *stores, *(_secret(spec, secret, refresh) for secret in found.secrets))


def trust(vault: VaultSpec) -> tuple[str, str] | None:
    """The Secret and key of the CA that vouches for Vault; ``None`` where nothing is encrypted, or an external Vault is vouched
    for by those that everybody trusts."""
    if vault.external is not None:
        if "ca" not in vault.tls.model_fields_set:
            return None
    elif not vault.tls.enabled:
        return None
    name, _, key = vault.tls.ca.partition(":")[2].partition("#")
    return name, key


def _store(spec: EnvironmentSpec, vault: VaultSpec, identity: str) -> Body:
    server: Body = {"server": address(spec, vault), "path": KV, "version": "v2"}
    ca = trust(vault)
    if ca is not None:
        server["caProvider"] = {"type": "Secret", "name": ca[0], "key": ca[1]}
    login = {
        "mountPath": auth_mount(spec.context),
        "role": identity,
        "serviceAccountRef": {"name": account(identity), "audiences": [AUDIENCE]},
    }
    return {"provider": {"vault": {**server, "auth": {"kubernetes": login}}}}


def _secret(spec: EnvironmentSpec, secret: SharedSecret, refresh: str) -> Manifest:
    """The Secret that programs mount. It stays when this object goes: a program that restarts must not lose its password."""
    data = [{"secretKey": key, "remoteRef": _remote(path, key)} for key, path in secret.keys.items()]
    body = {
        "refreshInterval": refresh,
        "secretStoreRef": {"name": account(secret.identity), "kind": "SecretStore"},
        "target": {"name": secret.name, "creationPolicy": "Orphan", "deletionPolicy": "Retain"},
        "data": data,
    }
    return manifest(COMPONENT, spec.context, API_VERSION, "ExternalSecret", secret.name, spec=body)


def _remote(path: str, key: str) -> Body:
    decoded = {"decodingStrategy": "Base64"} if key.endswith(JAVA_STORES) else {}
    return {"key": path, "property": key, **decoded}
