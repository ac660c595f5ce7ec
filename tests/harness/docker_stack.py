"""A stack of the docker target, as its user would run it: rendered to files, given its secrets, started by ``compose.yaml``."""

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from components.core.compose import compose
from components.core.rendered import Rendered
from components.environment import EnvironmentSpec
from components.kafka.clients import password_file
from components.kafka.topics import PLATFORM_OWNER
from components.loading import load_environment
from components.platform import render
from components.vault.uses import uses
from tests.harness.certificates import CertificateAuthority, Identity, write
from tests.harness.compose_project import ComposeProject
from tests.harness.images import image


@dataclass(frozen=True)
class DockerStack:
    """A stack laid out under ``work``: its rendered tree, the secrets of its containers, the credentials of its users.

    ``passwords`` are those of SCRAM users, ``identities`` those of users that come with a certificate, both by name.
    """

    spec: EnvironmentSpec
    rendered: Rendered
    work: Path
    cluster_ca: CertificateAuthority
    clients_ca: CertificateAuthority
    passwords: dict[str, str]
    identities: dict[str, Identity]

    @classmethod
    def lay_out(cls, root: Path, stack: str, work: Path) -> "DockerStack":
        """The stack of ``root/Pulumi.<stack>.yaml``, with credentials made for this run only."""
        spec = load_environment(root, stack)
        rendered = render(spec)
        clients_ca = CertificateAuthority("clients")
        users = spec.kafka_state.users
        laid = cls(
            spec=spec,
            rendered=rendered,
            work=work,
            cluster_ca=CertificateAuthority("cluster"),
            clients_ca=clients_ca,
            passwords={user.name: secrets.token_urlsafe(16) for user in users if user.authentication == "scram-sha-512"},
            identities={user.name: clients_ca.issue(user.name) for user in users if user.authentication == "tls"},
        )
        laid._write_tree()
        laid._write_secrets()
        return laid

    @property
    def tree(self) -> Path:
        """The rendered tree, with ``compose.yaml`` at its top."""
        return self.work / "tree"

    def project(self, beside: ComposeProject | None = None) -> ComposeProject:
        """What runs its ``compose.yaml``."""
        environment = {"CDC_SECRETS_DIR": str(self.work / "secrets"), "CDC_PROJECT_DIR": str(Path(__file__).parents[2])}
        return ComposeProject(self.tree / "compose.yaml", self.work, image, environment, beside)

    def _write_tree(self) -> None:
        for path, text in {**self.rendered.files, "compose.yaml": compose(self.rendered, self.spec.context)}.items():
            file = self.tree / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def _write_secrets(self) -> None:
        platform = [user.name for user in self.spec.kafka_state.users if user.owner == PLATFORM_OWNER]
        passwords = {password_file(name): self.passwords[name] for name in platform if name in self.passwords}
        for workload in self.rendered.workloads:
            own = self.cluster_ca.issue(workload.name, workload.name, "127.0.0.1")
            authorities = {"cluster-ca.pem": self.cluster_ca.certificate, "clients-ca.pem": self.clients_ca.certificate}
            write(
                self.work / "secrets" / workload.name,
                {**_made_up(self.spec, workload.name), "keystore.pem": own.keystore, **authorities, **passwords},
            )


def _made_up(spec: EnvironmentSpec, container: str) -> dict[str, str]:
    """What a container reads besides certificates and Kafka's passwords: the same wherever the same secret is read."""
    read = [file for use in uses(spec) if container in use.containers for file in use.files]
    return {
        file.name: hashlib.sha256(f"{file.secret}#{file.key}".encode()).hexdigest()
        for file in read
        if file.name.endswith("password") and "/" not in file.name
    }
