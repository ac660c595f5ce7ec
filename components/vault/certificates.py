"""Certificates on Kubernetes: cert-manager's objects (API ``cert-manager.io/v1``). Pure.

Vault signs all but its own, which must be there before it is: a CA of cert-manager's own, used for nothing else, signs that.
"""

from collections.abc import Sequence

from components.core.kubernetes import Body, manifest
from components.core.quantities import format_duration
from components.core.rendered import Manifest
from components.environment import EnvironmentSpec
from components.vault.configuration import NODES, address
from components.vault.external_secrets import trust
from components.vault.identities import Access, Certificate, mount_of
from components.vault.names import AUDIENCE, COMPONENT, NAME, account, auth_mount
from components.vault.render_kubernetes import RBAC
from components.vault.spec import VaultSpec
from components.vault.state import hostnames

API_VERSION = "cert-manager.io/v1"
_KEY: Body = {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"}
_USAGES = ["digital signature", "key encipherment", "server auth", "client auth"]
_HOUR = 3_600_000


def manifests(spec: EnvironmentSpec, vault: VaultSpec, found: Access) -> tuple[Manifest, ...]:
    """An issuer and a certificate for each program that needs one, and cert-manager's right to prove itself as its identity."""
    made = [item for each in found.certificates for item in (_issuer(spec, vault, each), _certificate(spec, vault, each))]
    rights = _rights(spec, vault, found.certificates) if found.certificates else []
    return (*_own(spec, vault), *made, *rights)


def _issuer(spec: EnvironmentSpec, vault: VaultSpec, made: Certificate) -> Manifest:
    """The audience is Vault's role's; cert-manager adds one of its own."""
    login: Body = {
        "mountPath": f"/v1/auth/{auth_mount(spec.context)}",
        "role": made.workload,
        "serviceAccountRef": {"name": account(made.workload), "audiences": [AUDIENCE]},
    }
    server: Body = {"server": address(spec, vault), "path": f"{mount_of(spec, made.authority)}/sign/{made.workload}"}
    ca = trust(vault)
    if ca is not None:
        server["caBundleSecretRef"] = {"name": ca[0], "key": ca[1]}
    body = {"vault": {**server, "auth": {"kubernetes": login}}}
    return manifest(COMPONENT, spec.context, API_VERSION, "Issuer", account(made.workload), spec=body)


def _certificate(spec: EnvironmentSpec, vault: VaultSpec, made: Certificate) -> Manifest:
    names = hostnames(spec, made)
    if made.pooled:
        names += [f"*.{name}" for name in names if name.count(".") > 1]
    body = {
        "secretName": made.secret,
        "commonName": made.workload,
        "dnsNames": names,
        "duration": _hours(vault.pki.lifetime),
        "renewBefore": _hours(vault.pki.renew_before),
        "privateKey": _KEY,
        "usages": _USAGES,
        "issuerRef": {"name": account(made.workload), "kind": "Issuer", "group": "cert-manager.io"},
    }
    return manifest(COMPONENT, spec.context, API_VERSION, "Certificate", made.secret, spec=body)


def _rights(spec: EnvironmentSpec, vault: VaultSpec, certificates: Sequence[Certificate]) -> list[Manifest]:
    context, name = spec.context, f"{NAME}-issuers"
    accounts = sorted(account(made.workload) for made in certificates)
    rules = [{"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"], "resourceNames": accounts}]
    operator = {"kind": "ServiceAccount", "name": vault.operators.cert_manager, "namespace": vault.operators.cert_manager}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    return [
        manifest(COMPONENT, context, RBAC, "Role", name, rules=rules),
        manifest(COMPONENT, context, RBAC, "RoleBinding", name, roleRef=reference, subjects=[operator]),
    ]


def _own(spec: EnvironmentSpec, vault: VaultSpec) -> list[Manifest]:
    """Vault's own certificate, and the CA behind it; none where the spec names another Secret than the default one."""
    if vault.external is not None or not vault.tls.enabled or "certificate" in vault.tls.model_fields_set:
        return []
    context, ca, secret = spec.context, f"{NAME}-ca", vault.tls.certificate.partition(":")[2].partition("#")[0]
    namespace = spec.kubernetes.namespace
    hosts = [name for host in (NAME, NODES) for name in (host, f"{host}.{namespace}", f"{host}.{namespace}.svc")]
    names = [*hosts, *(f"*.{name}" for name in hosts if name.startswith(NODES)), "localhost"]

    def issued_by(issuer: str) -> Body:
        return {"name": issuer, "kind": "Issuer", "group": "cert-manager.io"}

    authority: Body = {
        "isCA": True,
        "commonName": f"cdc {spec.name} {NAME}",
        "secretName": ca,
        "duration": _hours(vault.pki.ca_lifetime),
        "renewBefore": _hours(vault.pki.lifetime),
        "privateKey": {**_KEY, "rotationPolicy": "Never"},
        "issuerRef": issued_by(f"{NAME}-self-signed"),
    }
    server: Body = {
        "secretName": secret,
        "commonName": NAME,
        "dnsNames": names,
        "ipAddresses": ["127.0.0.1"],
        "duration": _hours(vault.pki.lifetime),
        "renewBefore": _hours(vault.pki.renew_before),
        "privateKey": _KEY,
        "usages": _USAGES,
        "issuerRef": issued_by(ca),
    }
    return [
        manifest(COMPONENT, context, API_VERSION, "Issuer", f"{NAME}-self-signed", spec={"selfSigned": {}}),
        manifest(COMPONENT, context, API_VERSION, "Certificate", ca, spec=authority),
        manifest(COMPONENT, context, API_VERSION, "Issuer", ca, spec={"ca": {"secretName": ca}}),
        manifest(COMPONENT, context, API_VERSION, "Certificate", secret, spec=server),
    ]


def _hours(milliseconds: int) -> str:
    """cert-manager reads Go's durations, which know no days."""
    whole, rest = divmod(milliseconds, _HOUR)
    return f"{whole}h" if not rest else format_duration(milliseconds)
