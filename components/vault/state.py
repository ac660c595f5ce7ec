"""What a live Vault must hold for an environment, in Vault's own names and units. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from components.environment import EnvironmentSpec
from components.vault.identities import Access, Certificate, Identity, access, mount_of
from components.vault.names import AUDIENCE, KV, account, auth_mount, own
from components.vault.spec import VaultSpec

Kind = Literal["mount", "auth", "audit", "authority", "document", "policy"]
Body = Mapping[str, Any]

TOKEN_SECONDS = 1200
SECRET_ID_SECONDS = 600
"""How long whoever pulls secrets has to log in as a workload."""

REVIEWER_SET = "token_reviewer_jwt_set"
"""All that Vault tells of the reviewer's token."""

PULL = "pull"
"""The policy of whoever runs ``cdc secrets pull``: to log in as each of the workloads, and nothing more."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in Vault. ``name`` is the mount, the policy's name, or the API's path of a document; ``body`` the settings that
    are ours to decide, the rest stays as it is. What is ``shared`` is made where it is missing, and never changed."""

    kind: Kind
    name: str
    body: Body
    shared: bool = False

    @property
    def id(self) -> str:
        return f"{self.kind} {self.name}"


def mark(spec: EnvironmentSpec) -> str:
    """The first line of each policy of this environment: how they are told from others', whose names may begin alike."""
    return f"# cdc-platform environment={spec.name}"


def desired(spec: EnvironmentSpec) -> tuple[Entry, ...]:
    """Everything, in the order in which it is to be made; empty where no Vault is declared."""
    vault = spec.vault
    if vault is None:
        return ()
    found = access(spec)
    return (
        Entry("mount", KV, {"type": "kv", "options": {"version": "2"}}, shared=True),
        *_audit(spec, vault),
        *_authorities(spec, vault, found),
        *_auth(spec, vault),
        *(_policy(spec, identity) for identity in found.identities),
        *_pull_policy(spec, found),
        *(_role(spec, identity) for identity in found.identities),
        *(_issuing_role(spec, vault, made) for made in found.certificates),
    )


def state_text(spec: EnvironmentSpec) -> str:
    """The same for those who read the rendered tree, with the keys that must be there; names only."""
    entries = [{"kind": entry.kind, "name": entry.name, **entry.body} for entry in desired(spec)]
    value = {"entries": entries, "keys": {path: list(keys) for path, keys in access(spec).keys.items()}}
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _audit(spec: EnvironmentSpec, vault: VaultSpec) -> Iterator[Entry]:
    if vault.external is None and vault.audit != "none":
        file = "stdout" if vault.audit == "stdout" else "/vault/audit/audit.log"
        yield Entry("audit", own(spec.context, "audit"), {"type": "file", "options": {"file_path": file}})


def _authorities(spec: EnvironmentSpec, vault: VaultSpec, found: Access) -> Iterator[Entry]:
    for authority in found.authorities:
        mount = mount_of(spec, authority)
        lease = vault.pki.ca_lifetime // 1000
        config = {"default_lease_ttl": vault.pki.lifetime // 1000, "max_lease_ttl": lease}
        yield Entry("mount", mount, {"type": "pki", "config": config})
        yield Entry("authority", mount, {"common_name": f"cdc {spec.name} {authority}", "ttl": lease})


def _auth(spec: EnvironmentSpec, vault: VaultSpec) -> Iterator[Entry]:
    mount = auth_mount(spec.context)
    kind = "kubernetes" if spec.target == "kubernetes" else "approle"
    yield Entry("auth", mount, {"type": kind})
    if spec.target == "kubernetes":
        yield Entry("document", f"auth/{mount}/config", _reviewer(vault))


def _reviewer(vault: VaultSpec) -> dict[str, Any]:
    """How Vault asks the API server about a token: as its own pod, or, from elsewhere, with a token that it is given."""
    if vault.external is None:
        return {"kubernetes_host": "https://kubernetes.default.svc", "disable_local_ca_jwt": False}
    trusted = {} if vault.external.kubernetes_ca is None else {"kubernetes_ca_cert": vault.external.kubernetes_ca}
    return {"kubernetes_host": vault.external.kubernetes_host, **trusted, "disable_local_ca_jwt": True, REVIEWER_SET: True}


def _policy(spec: EnvironmentSpec, identity: Identity) -> Entry:
    grants = [(f"{KV}/data/{path}", "read") for path in identity.paths]
    if identity.certificate is not None:
        verb = "sign" if spec.target == "kubernetes" else "issue"
        grants.append((f"{mount_of(spec, identity.certificate.authority)}/{verb}/{identity.name}", "update"))
    return _written(spec, identity.name, grants)


def _pull_policy(spec: EnvironmentSpec, found: Access) -> Iterator[Entry]:
    if spec.target == "docker":
        roles = [f"auth/{auth_mount(spec.context)}/role/{identity.name}" for identity in found.identities]
        grants = [grant for role in roles for grant in ((f"{role}/role-id", "read"), (f"{role}/secret-id", "update"))]
        yield _written(spec, PULL, grants)


def _written(spec: EnvironmentSpec, name: str, grants: list[tuple[str, str]]) -> Entry:
    """References hold no character that means anything in Vault's policy language."""
    rules = [f'path "{path}" {{\n  capabilities = ["{capability}"]\n}}' for path, capability in grants]
    return Entry("policy", own(spec.context, name), {"policy": "\n".join([mark(spec), *rules]) + "\n"})


def _role(spec: EnvironmentSpec, identity: Identity) -> Entry:
    mount = auth_mount(spec.context)
    token = {
        "token_policies": [own(spec.context, identity.name)],
        "token_ttl": TOKEN_SECONDS,
        "token_max_ttl": TOKEN_SECONDS,
    }
    if spec.target == "kubernetes":
        bound = {
            "bound_service_account_names": [account(identity.name)],
            "bound_service_account_namespaces": [spec.kubernetes.namespace],
            "audience": AUDIENCE,
        }
        return Entry("document", f"auth/{mount}/role/{identity.name}", {**bound, **token})
    once = {"bind_secret_id": True, "secret_id_num_uses": 1, "secret_id_ttl": SECRET_ID_SECONDS}
    return Entry("document", f"auth/{mount}/role/{identity.name}", {**once, **token})


def _issuing_role(spec: EnvironmentSpec, vault: VaultSpec, made: Certificate) -> Entry:
    """Certificates for the workload's own names only, for servers and clients alike: hops are mutual."""
    body = {
        "allowed_domains": sorted({made.workload, *hostnames(spec, made)}),
        "allow_bare_domains": True,
        "allow_subdomains": made.pooled and spec.target == "kubernetes",
        "allow_localhost": False,
        "allow_any_name": False,
        "allow_ip_sans": False,
        "enforce_hostnames": True,
        "server_flag": True,
        "client_flag": True,
        "key_type": "ec",
        "key_bits": 256,
        "ttl": vault.pki.lifetime // 1000,
        "max_ttl": vault.pki.lifetime // 1000,
    }
    return Entry("document", f"{mount_of(spec, made.authority)}/roles/{made.workload}", body)


def hostnames(spec: EnvironmentSpec, made: Certificate) -> list[str]:
    """Each name that clients may call the workload by; on Kubernetes with and without namespace and domain."""
    if spec.target == "docker":
        return list(made.hosts)
    domain = "cluster.local" if spec.haproxy is None else spec.haproxy.cluster_domain
    endings = ("", f".{spec.kubernetes.namespace}", f".{spec.kubernetes.namespace}.svc")
    return [f"{host}{ending}" for host in made.hosts for ending in (*endings, f"{endings[-1]}.{domain}")]
