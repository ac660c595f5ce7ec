"""What the user writes about Vault (requirements A19, B9 and B12)."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from components.component_spec import ComponentSpec
from components.core import tls
from components.core.errors import Problem
from components.core.model import DnsLabel, SecretReference, SpecModel, Text, setting
from components.core.quantities import ByteSize, Duration
from components.core.resources import ResourcesSpec

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec

PORT = 8200
_SECOND = 1000
_HOUR = 3600 * _SECOND
_DAY = 24 * _HOUR
_GIB = 1 << 30
_KUBELET = 120 * _SECOND
_PEM = r"^-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n-]+( CERTIFICATE-----\n[A-Za-z0-9+/=\n-]+)* CERTIFICATE-----\n?$"
_ADDRESS = r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$"


class AwsKmsSealSpec(SpecModel):
    """Amazon's key service."""

    region: Text = setting(help="Region of the key.", becomes="seal.awskms.region")
    key: Text = setting(help="Id, ARN or alias of the key.", becomes="seal.awskms.kms_key_id")


class GcpKmsSealSpec(SpecModel):
    """Google's key service."""

    project: Text = setting(help="Project of the key ring.", becomes="seal.gcpckms.project")
    region: Text = setting(help="Region of the key ring.", becomes="seal.gcpckms.region")
    key_ring: Text = setting(help="Name of the key ring.", becomes="seal.gcpckms.key_ring")
    key: Text = setting(help="Name of the key.", becomes="seal.gcpckms.crypto_key")


class AzureSealSpec(SpecModel):
    """Azure's key vault."""

    tenant: Text = setting(help="Id of the tenant.", becomes="seal.azurekeyvault.tenant_id")
    vault: Text = setting(help="Name of the key vault.", becomes="seal.azurekeyvault.vault_name")
    key: Text = setting(help="Name of the key.", becomes="seal.azurekeyvault.key_name")


class TransitSealSpec(SpecModel):
    """Another Vault's transit engine."""

    address: str = setting(help="That Vault's address.", becomes="seal.transit.address", pattern=_ADDRESS)
    mount: Text = setting("transit", help="Where its transit engine is mounted.", becomes="seal.transit.mount_path")
    key: Text = setting(help="Name of the key.", becomes="seal.transit.key_name")
    token: SecretReference = setting(
        help="Reference to a token that may encrypt and decrypt with the key and renew itself; secret: only.",
        becomes="file seal-token in Vault's folder of secrets",
    )


class SealSpec(SpecModel):
    """What opens Vault after a restart without a person; one of the four."""

    awskms: AwsKmsSealSpec | None = setting(None, help="Amazon's key service.", becomes="seal awskms")
    gcpckms: GcpKmsSealSpec | None = setting(None, help="Google's key service.", becomes="seal gcpckms")
    azurekeyvault: AzureSealSpec | None = setting(None, help="Azure's key vault.", becomes="seal azurekeyvault")
    transit: TransitSealSpec | None = setting(None, help="Another Vault.", becomes="seal transit")

    @property
    def chosen(self) -> tuple[str, SpecModel]:
        """Vault's word for it, and its settings."""
        return next((name, value) for name in type(self).model_fields if (value := getattr(self, name)) is not None)

    def problems(self) -> list[Problem]:
        chosen = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(chosen) != 1:
            return [Problem("", f"{len(chosen)} seals are chosen", f"choose one of: {', '.join(type(self).model_fields)}")]
        if self.transit is not None and self.transit.token.startswith("vault:"):
            remedy = "write secret:<name>#<key>"
            return [Problem("transit.token", "lies in the Vault that it is to open", remedy)]
        return []


class VaultStorageSpec(SpecModel):
    """What one node keeps; ``storage: 10Gi`` is short for ``{size: 10Gi}``."""

    shorthand: ClassVar[str | None] = "size"
    size: ByteSize = setting(10 * _GIB, help="Room for what Vault stores.", becomes="volumeClaimTemplates")
    storage_class: str | None = setting(
        None,
        alias="class",
        help="Storage class; the cluster's default when left out.",
        becomes="storageClassName",
        min_length=1,
    )


class VaultTlsSpec(SpecModel):
    """Encryption to Vault's clients and between its nodes. Its certificate cannot come from Vault itself."""

    enabled: bool = setting(True, help="Whether connections are encrypted.", becomes="listener tcp")
    certificate: SecretReference = tls.certificate("vault-tls", becomes="file tls.crt in Vault's secrets")
    key: SecretReference = tls.private_key(
        "vault-tls", help="Reference to the private key, PEM.", becomes="file tls.key in Vault's secrets"
    )
    ca: SecretReference = tls.authority("vault-tls", becomes="file ca.crt in Vault's secrets; caProvider of SecretStores")

    def problems(self) -> list[Problem]:
        return [
            Problem(field, "lies in the Vault that it is to protect", "write secret:<name>#<key>")
            for field in ("certificate", "key", "ca")
            if getattr(self, field).startswith("vault:")
        ]


class ExternalVaultSpec(SpecModel):
    """A Vault that somebody else runs; ``external: https://vault.example:8200`` is short for ``{address: …}``."""

    shorthand: ClassVar[str | None] = "address"
    address: str = setting(help="Its address.", becomes="SecretStore.spec.provider.vault.server", pattern=_ADDRESS)
    kubernetes_host: str = setting(
        "https://kubernetes.default.svc",
        help="This environment's API server as that Vault reaches it.",
        becomes="kubernetes_host of the auth method",
        pattern=_ADDRESS,
    )
    kubernetes_ca: str | None = setting(
        None,
        help="What signed the API server's certificate, PEM; it is no secret.",
        becomes="kubernetes_ca_cert of the auth method",
        pattern=_PEM,
    )


class PkiSpec(SpecModel):
    """The CA for what Strimzi's CAs do not cover."""

    enabled: bool = setting(
        True, help="Whether Vault issues certificates.", becomes="mount cdc-<env>-pki; Issuers, Certificates"
    )
    ca_lifetime: Duration = setting(3650 * _DAY, help="How long the CA is valid.", becomes="ttl of the root")
    lifetime: Duration = setting(90 * _DAY, help="How long a certificate is valid.", becomes="max_ttl; Certificate.duration")
    renew_before: Duration = setting(
        30 * _DAY, help="How long before its end a certificate is replaced.", becomes="Certificate.renewBefore"
    )
    issued_elsewhere: tuple[DnsLabel, ...] = setting(
        (), help="Secrets with certificates that somebody else issues.", becomes="no Certificate for them"
    )

    def problems(self) -> list[Problem]:
        found = []
        if self.lifetime < _HOUR:  # cert-manager's least duration
            found.append(Problem("lifetime", "is less than an hour", "write at least 1h"))
        if not 5 * 60 * _SECOND <= self.renew_before < self.lifetime:  # cert-manager's bounds
            found.append(Problem("renewBefore", "is not between 5m and lifetime", "write about a third of lifetime"))
        if self.ca_lifetime < 2 * self.lifetime:
            found.append(Problem("caLifetime", "is less than two lifetimes of a certificate", "write years, such as 3650d"))
        return found


class RotationSpec(SpecModel):
    """How often credentials are changed; ``rotation: 30d`` is short for ``{every: 30d}``."""

    shorthand: ClassVar[str | None] = "every"
    every: Duration = setting(30 * _DAY, help="How old a credential may get.", becomes="what cdc vault rotate changes")
    overlap: Duration = setting(
        15 * 60 * _SECOND,
        help="How long the old credential goes on beside the new one: until every client has read the new one.",
        becomes="when cdc vault rotate locks the old one",
    )

    def problems(self) -> list[Problem]:
        if self.overlap * 2 > self.every:
            return [Problem("overlap", "is more than half of the time between two rotations", "write minutes or hours")]
        return []


class OperatorsSpec(SpecModel):
    """Where the operators that fetch secrets and certificates run."""

    external_secrets: DnsLabel = setting(
        "external-secrets", help="Namespace of the external-secrets operator.", becomes="an opening to Vault"
    )
    cert_manager: DnsLabel = setting(
        "cert-manager",
        help="Namespace of cert-manager, and name of its service account.",
        becomes="an opening to Vault; RoleBinding vault-issuers",
    )
    refresh: Duration = setting(
        5 * 60 * _SECOND, help="How often secrets are fetched.", becomes="ExternalSecret.spec.refreshInterval"
    )


class VaultSpec(ComponentSpec):
    """Secrets and certificates. References ``vault:cdc-pipeline/<environment>/<service>#<key>`` lie in it."""

    nodes: int | None = setting(
        None,
        help="How many form the Raft cluster; 3 on Kubernetes, 1 on docker.",
        becomes="StatefulSet.spec.replicas",
        ge=1,
        le=7,
    )
    external: ExternalVaultSpec | None = setting(
        None, help="A Vault that somebody else runs; without it the platform runs one.", becomes="no StatefulSet"
    )
    image: str | None = setting(
        None, help="Image, when not the default one; pinned by tag or digest.", becomes="container image", min_length=1
    )
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(cpu="250m", memory="512Mi"), help="CPU and memory of each node.", becomes="container resources"
    )
    storage: VaultStorageSpec = setting(VaultStorageSpec, help="What a node keeps.", becomes="volumeClaimTemplates")
    tls: VaultTlsSpec = setting(VaultTlsSpec, help="Encryption to clients and between nodes.", becomes="listener tcp")
    seal: SealSpec | None = setting(
        None, help="What opens it after a restart; without it a person does, with the key's parts.", becomes="seal"
    )
    audit: Literal["stdout", "file", "none"] = setting(
        "stdout", help="Where each request is recorded, secrets hashed.", becomes="audit device cdc-<env>-audit"
    )
    service_account_annotations: Mapping[str, Annotated[str, Field(min_length=1)]] = setting(
        dict, help="What ties its service account to a cloud's identity.", becomes="ServiceAccount vault, annotations"
    )
    operators: OperatorsSpec = setting(OperatorsSpec, help="Who fetches secrets on Kubernetes.", becomes="openings, rights")
    pki: PkiSpec = setting(PkiSpec, help="The CA for what Strimzi's do not cover.", becomes="mount cdc-<env>-pki")
    generate: tuple[SecretReference, ...] = setting(
        (),
        help="References to passwords that nobody else decides on: cdc vault apply makes those that are missing.",
        becomes="random passwords in Vault",
    )
    rotation: RotationSpec = setting(RotationSpec, help="How often credentials are changed.", becomes="cdc vault rotate")

    def problems(self) -> list[Problem]:
        found = [
            Problem(f"generate[{index}]", "does not lie in Vault", "write vault:<path>#<key>")
            for index, reference in enumerate(self.generate)
            if not reference.startswith("vault:")
        ]
        if self.external is not None:
            found += [
                Problem(field, "is settled by whoever runs the external Vault", "leave it out, or leave out external")
                for field in ("nodes", "seal", "image")
                if getattr(self, field) is not None
            ]
        return found

    def replicas(self, target: str) -> int:
        """How many nodes it has."""
        return self.nodes or (3 if target == "kubernetes" else 1)

    def misfits(self, environment: "EnvironmentSpec") -> Iterator[Problem]:
        """What the target cannot give, or gives too late."""
        if environment.target == "kubernetes" and self.rotation.overlap < self.operators.refresh + _KUBELET:
            remedy = "write at least operators.refresh and two minutes, which a node takes to update files"
            yield Problem("vault.rotation.overlap", "ends before every program has been given the new password", remedy)
        if environment.target == "docker" and self.replicas("docker") > 1:
            yield Problem("vault.nodes", "one machine needs one Vault", "leave it out for the docker target")
        if self.external is None and self.replicas(environment.target) % 2 == 0:
            yield Problem("vault.nodes", "an even number of nodes survives no more than one less", "write an odd number")
        from components.vault.source_rotation import misfits

        yield from misfits(environment)
