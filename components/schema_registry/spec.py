"""What the user writes about the schema registry (requirements A3 and A7)."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from components.component_spec import ComponentSpec
from components.core import tls
from components.core.errors import Problem
from components.core.model import SecretReference, SpecModel, duplicates, setting
from components.core.resources import ResourcesSpec
from components.core.secrets import Use
from components.kafka.clients import listener_problems
from components.kafka.state import KafkaState
from components.schema_registry import files
from components.schema_registry.derive import registry_state

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec

_MIB = 1 << 20

Compatibility = Literal["BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE", "NONE"]


class SubjectSpec(SpecModel):
    """A subject: its schema, how that may change, or both."""

    subject: str = setting(
        help="Name of the subject, such as shop_orders_orders-value.",
        becomes="subject in the registry",
        pattern=r"^[^\s\x00-\x1f/]+$",
        max_length=249,
    )
    schema_type: Literal["AVRO", "JSON"] = setting(
        "AVRO", help="Language of the schema in file.", becomes="schemaType of the registered version"
    )
    file: str | None = setting(
        None,
        help="File with the schema, relative to Pulumi.yaml.",
        becomes="a version of the subject, once it is found compatible",
        min_length=1,
    )
    compatibility: Compatibility | None = setting(
        None, help="How this subject's schemas may change, when not as all others'.", becomes="/config/<subject>"
    )

    def problems(self) -> list[Problem]:
        if self.file is None and self.compatibility is None:
            return [Problem("file", "nothing is said of this subject", "name its schema's file, or its compatibility")]
        return []


class RegistryTlsSpec(SpecModel):
    """Encryption of what the registries are asked, by HAProxy and by each other. The certificate names ``schema-registry``, and
    on Kubernetes that Service in full; on docker the containers, ``schema-registry-0`` and so on."""

    enabled: bool | None = setting(
        None,
        help="Whether the registries speak TLS; when left out, they do where the tier is production.",
        becomes="listeners, or quarkus.http.ssl-port; ssl verify required in HAProxy",
    )
    certificate: SecretReference = tls.certificate(
        "schema-registry-tls",
        help="Reference to their certificate chain, PEM.",
        becomes="file server.pem in the registries' folders of secrets",
    )
    key: SecretReference = tls.private_key(
        "schema-registry-tls",
        help="Reference to the certificate's private key, PEM in PKCS #8 (BEGIN PRIVATE KEY).",
        becomes="file server.pem.key in the registries' folders of secrets",
    )
    ca: SecretReference = tls.authority(
        "schema-registry-tls", becomes="file schema-registry-ca.pem of HAProxy and of the registries"
    )


class SchemaRegistrySpec(ComponentSpec):
    """Schema registries that share what they know through Kafka; any of them answers any request."""

    distribution: Literal["confluent", "apicurio"] = setting(
        "confluent",
        help="Whose registry. Clients use Confluent's API at the same address and paths either way.",
        becomes="image, configuration and topics",
    )
    replicas: int = setting(
        3, help="How many run; HAProxy must stand in front of more than one.", becomes="Deployment.spec.replicas", ge=1, le=20
    )
    image: str | None = setting(
        None, help="Image, when not the distribution's own; pinned by tag or digest.", becomes="container image", min_length=1
    )
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(cpu="500m", memory="1Gi"),
        help="CPU and memory of each; half of the memory is heap.",
        becomes="container resources; -Xmx",
    )
    tls: RegistryTlsSpec = setting(
        RegistryTlsSpec, help="Encryption between HAProxy and the registries.", becomes="the registries' listener"
    )
    compatibility: Compatibility = setting(
        "BACKWARD",
        help="How a subject's schemas may change, where the subject does not say.",
        becomes="/config; schema.compatibility.level",
    )
    subjects: tuple[SubjectSpec, ...] = setting(
        (),
        help="Subjects that cdc schemas registers, after it has checked that every one of them is compatible.",
        becomes="versions and compatibility in the registry",
    )

    @property
    def heap_bytes(self) -> int:
        return self.resources.memory // 2

    def problems(self) -> list[Problem]:
        found = [
            Problem(f"subjects[{places[1]}].subject", f"{name} is already subjects[{places[0]}]", "keep one")
            for name, places in duplicates([entry.subject for entry in self.subjects]).items()
        ]
        if self.resources.memory < 256 * _MIB:
            found.append(Problem("resources.memory", "is too little for a registry", "write at least 256Mi"))
        return found

    def kafka_state(self, environment: "EnvironmentSpec") -> KafkaState:
        """Where it keeps what it knows, and its user."""
        return registry_state(self, environment.kafka)

    def secret_uses(self, environment: "EnvironmentSpec") -> Iterator[Use]:
        from components.schema_registry.uses import secret_uses

        return secret_uses(environment, self)

    def misfits(self, environment: "EnvironmentSpec") -> Iterator[Problem]:
        """More than one needs something that clients can call one address."""
        yield from listener_problems(environment.kafka)
        if self.replicas > 1 and environment.haproxy is None:
            yield Problem(
                "schemaRegistry.replicas",
                f"{self.replicas} registries have {self.replicas} addresses, and nothing stands in front of them",
                "declare haproxy, or write replicas: 1",
            )

    def file_problems(self, root: Path) -> Iterator[Problem]:
        """Declared schemas that are none."""
        for index, entry in enumerate(self.subjects):
            if entry.file is None:
                continue
            refused = files.problem_with(root, entry.file, entry.schema_type)
            if refused is not None:
                yield refused.under(f"subjects[{index}].file")
