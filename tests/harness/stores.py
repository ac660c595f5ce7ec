"""The rendered PostgreSQL and Redis of a docker stack, with the secrets that they need."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from components.observability.companions import companions
from components.postgres import access
from components.postgres.derive import ACCESS, ADMINISTRATOR, MONITOR, NAME, postgres_state
from components.postgres.server import login_roles
from components.redis import derive as redis
from components.redis.derive import CA_FILE as REDIS_CA
from tests.harness.certificates import CertificateAuthority, write
from tests.harness.compose_project import ComposeProject
from tests.harness.docker_stack import DockerStack

POSTGRES = (NAME, ACCESS)


@dataclass(frozen=True)
class Stores:
    """Passwords that were made for this run, by role and by Redis' user; ``ca`` signed the servers' certificates."""

    stack: DockerStack
    ca: CertificateAuthority = field(default_factory=lambda: CertificateAuthority("stores"))
    roles: dict[str, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)

    def lay_out(self) -> "Stores":
        """Put what each container needs, and nothing else, into its folder of secrets."""
        spec = self.stack.spec
        assert spec.postgres is not None
        assert spec.redis is not None
        self.roles.update({role.name: secrets.token_urlsafe(16) for role in login_roles(postgres_state(spec))})
        self.roles[ADMINISTRATOR] = r'an odd: \one "quoted"'
        self.users.update({user.name: secrets.token_urlsafe(16) for user in redis.users(spec) if user.password is not None})
        self.users[redis.WATCHER] = r'odd \"too"'
        self.users[redis.EXPORTER] = r'odd: \"three" %s'
        self.roles[MONITOR] = "odd @/:%? four"
        server = self.ca.issue(NAME, NAME)
        own = {"server.crt": server.certificate, "server.key": server.key, "admin.password": self.roles[ADMINISTRATOR]}
        write(self.folder(NAME), own)
        known = {"admin.password": self.roles[ADMINISTRATOR], "postgres-ca.pem": self.ca.certificate}
        known |= {f"{name}.password": password for name, password in self.roles.items()}
        write(self.folder(ACCESS), {file.name: known[file.name] for file in access.secrets(spec, spec.postgres)})
        passwords = {redis.password_file(name): password for name, password in self.users.items()}
        for host in self.redis_containers:
            identity = self.ca.issue(host, host)
            tls = {"redis.crt": identity.certificate, "redis.key": identity.key, REDIS_CA: self.ca.certificate}
            write(self.folder(host), {**passwords, **tls})
        known |= {**passwords, REDIS_CA: self.ca.certificate}
        for companion in companions(spec):
            write(self.folder(companion.name), {file.name: known[file.name] for file in companion.secrets})
        return self

    @property
    def redis_containers(self) -> tuple[str, ...]:
        """Nodes, then Sentinels."""
        spec = self.stack.spec
        assert spec.redis is not None
        return (*redis.node_hosts(spec, spec.redis), *redis.sentinel_hosts(spec, spec.redis))

    def folder(self, container: str) -> Path:
        """A container's folder of secrets."""
        return self.stack.work / "secrets" / container

    def start(self, project: ComposeProject) -> None:
        """Both, until both are healthy."""
        project.up(*POSTGRES, *self.redis_containers)
