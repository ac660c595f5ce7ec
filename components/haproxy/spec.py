"""What the user writes about HAProxy, which stands in front of the schema registry and Kafka Connect (requirements A7, A9)."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from components.component_spec import ComponentSpec
from components.core import tls
from components.core.errors import Problem
from components.core.kubernetes import GRACE_SECONDS
from components.core.model import DnsLabel, SecretReference, SpecModel, duplicates, setting
from components.core.paths import format_step
from components.core.quantities import Duration
from components.core.resources import ResourcesSpec
from components.core.secrets import Use
from components.haproxy.services import backends

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec

ENDPOINT_SECONDS = 5
"""How long Kubernetes may take to send no more new connections to a pod that is about to end."""

_MIB = 1 << 20
_SECOND = 1000
_LONGEST_DRAIN = (GRACE_SECONDS - ENDPOINT_SECONDS - 5) * _SECOND
"""What is left of a pod's time to end, less some for HAProxy itself."""

Authentication = Literal["basic", "tls", "none"]


class HaproxyTlsSpec(SpecModel):
    """Encryption between clients and HAProxy. The default references fit a Secret that cert-manager writes."""

    enabled: bool = setting(True, help="Whether clients' connections are encrypted.", becomes="bind … ssl")
    certificate: SecretReference = tls.certificate("haproxy-tls", becomes="file server.pem in its folder of secrets")
    key: SecretReference = tls.private_key("haproxy-tls", becomes="file server.pem.key in its folder of secrets")
    ca: SecretReference = tls.authority(
        "haproxy-tls",
        help="Reference to what signed the certificate, PEM; the platform's own clients trust it.",
        becomes="file haproxy-ca.pem in the clients' folders of secrets",
    )
    client_ca: SecretReference | None = setting(
        None,
        help="Reference to what signs clients' certificates, PEM; needed where authentication is tls.",
        becomes="file client-ca.pem; bind … ca-file … verify required",
    )
    minimum: Literal["TLSv1.2", "TLSv1.3"] = setting(
        "TLSv1.2", help="Oldest accepted protocol version.", becomes="ssl-default-bind-options ssl-min-ver"
    )


class HaproxyUserSpec(SpecModel):
    """A client that is known by its password."""

    name: str = setting(
        help="What it calls itself.", becomes="user … of a userlist", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64
    )
    password_hash: SecretReference | None = setting(
        None,
        help="Reference to its password's hash, as crypt(3) writes it (openssl passwd -6), which somebody keeps equal to the "
        "password; where it is left out, HAProxy reads the password.",
        becomes="file <name>.hash in HAProxy's folder of secrets",
    )
    password: SecretReference | None = setting(
        None,
        help="Reference to the password itself, where the client is one of the platform's own programs. One that is in Vault, "
        "and has no passwordHash, is rotated.",
        becomes="file <name>.haproxy-password in that program's folder of secrets; <name>.password in HAProxy's",
    )
    frontends: tuple[DnsLabel, ...] = setting(
        (), help="Where it may enter; everywhere when left out.", becomes="the userlists it is in"
    )

    @property
    def is_rotated(self) -> bool:
        """Whether HAProxy takes the password after and the one before as well."""
        return self.password_hash is None and self.password is not None and self.password.startswith("vault:")

    def problems(self) -> list[Problem]:
        if self.password_hash is None and self.password is None:
            return [Problem("", "has neither a password nor its hash", "write passwordHash: vault:haproxy#<name>")]
        return []


class FrontendSpec(SpecModel):
    """What one frontend has of its own."""

    authentication: Authentication | None = setting(
        None, help="How clients prove who they are here.", becomes="http-request auth, or verify required"
    )


class HaproxySpec(ComponentSpec):
    """One address for each service that runs several times, with encryption and authentication to clients."""

    image: str | None = setting(
        None, help="Image, when not the default one; pinned by tag or digest.", becomes="container image", min_length=1
    )
    replicas: int | None = setting(
        None, help="How many run; 2 on Kubernetes, 1 on docker.", becomes="Deployment.spec.replicas", ge=1, le=20
    )
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(cpu="500m", memory="256Mi"),
        help="CPU and memory of each; they bound threads and connections.",
        becomes="container resources; nbthread, maxconn",
    )
    tls: HaproxyTlsSpec = setting(HaproxyTlsSpec, help="Encryption to clients.", becomes="bind … ssl")
    authentication: Authentication = setting(
        "basic",
        help="How clients prove who they are: basic by a password, tls by a certificate, none not at all.",
        becomes="http-request auth, or verify required",
    )
    users: tuple[HaproxyUserSpec, ...] = setting((), help="Clients that come with a password.", becomes="userlists")
    frontends: Mapping[str, FrontendSpec] = setting(
        dict, help="What single frontends have of their own, by name (schema-registry, connect).", becomes="frontends"
    )
    stats_port: int = setting(
        8404, help="Port of the statistics page /stats and of /metrics.", becomes="frontend stats", ge=1024, le=65535
    )
    drain: Duration = setting(
        30 * _SECOND,
        help="How long requests and connections may go on after a reload or at the end.",
        becomes="hard-stop-after",
    )
    cluster_domain: str = setting(
        "cluster.local",
        help="The Kubernetes cluster's DNS domain.",
        becomes="full names of headless Services",
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
    )
    publish: bool = setting(
        False, help="On docker: whether its ports are published on 127.0.0.1.", becomes="ports of the container"
    )

    def authentication_of(self, frontend: str) -> Authentication:
        """How clients prove who they are at ``frontend``."""
        own = self.frontends.get(frontend)
        return self.authentication if own is None or own.authentication is None else own.authentication

    def users_of(self, frontend: str) -> tuple[HaproxyUserSpec, ...]:
        """Who may enter at ``frontend`` with a password, sorted by name."""
        allowed = [user for user in self.users if not user.frontends or frontend in user.frontends]
        return tuple(sorted(allowed, key=lambda user: user.name))

    def problems(self) -> list[Problem]:
        found = [
            Problem(f"users[{places[1]}].name", f"{name} is already users[{places[0]}]", "each needs its own name")
            for name, places in duplicates([user.name for user in self.users]).items()
        ]
        if self.drain > _LONGEST_DRAIN:
            longest = _LONGEST_DRAIN // _SECOND
            found.append(Problem("drain", f"is longer than the {longest}s that a pod is given", f"write at most {longest}s"))
        if self.drain < _SECOND:
            found.append(Problem("drain", "is less than a second", "write at least 1s"))
        if self.resources.memory < 64 * _MIB:
            found.append(Problem("resources.memory", "is too little for HAProxy's buffers", "write at least 64Mi"))
        return found

    def secret_uses(self, environment: "EnvironmentSpec") -> Iterator[Use]:
        from components.haproxy.uses import secret_uses

        return secret_uses(environment, self)

    def misfits(self, environment: "EnvironmentSpec") -> Iterator[Problem]:
        """Frontends are those of the services that are declared."""
        names = [backend.name for backend in backends(environment)]
        if not names:
            yield Problem("haproxy", "there is nothing for it to stand in front of", "declare schemaRegistry, or leave it out")
            return
        if environment.target == "docker" and (self.replicas or 1) > 1:
            yield Problem("haproxy.replicas", "one machine needs one HAProxy", "leave it out for the docker target")
        yield from self._unknown_frontends(names)
        for name in names:
            yield from self._locked_out(name)
        yield from _port_clashes(self, environment)

    def _unknown_frontends(self, names: list[str]) -> Iterator[Problem]:
        written = [(f"frontends{format_step(name)}", name) for name in self.frontends]
        for index, user in enumerate(self.users):
            written += [(f"users[{index}].frontends[{place}]", name) for place, name in enumerate(user.frontends)]
        for path, name in written:
            if name not in names:
                yield Problem(f"haproxy.{path}", f"there is no frontend {name}", f"use one of: {', '.join(names)}")

    def _locked_out(self, frontend: str) -> Iterator[Problem]:
        """Authentication that nobody can pass."""
        chosen = self.authentication_of(frontend)
        own = self.frontends.get(frontend)
        where = "haproxy.authentication"
        if own is not None and own.authentication is not None:
            where = f"haproxy.frontends{format_step(frontend)}.authentication"
        if chosen == "basic" and not self.users_of(frontend):
            yield Problem(
                where,
                f"nobody could enter {frontend}: no user may",
                "add users such as {name: app, passwordHash: vault:haproxy#app}, or choose tls or none",
            )
        if chosen == "tls" and not self.tls.enabled:
            yield Problem(where, "certificates need an encrypted connection", "leave tls.enabled on")
        elif chosen == "tls" and self.tls.client_ca is None:
            yield Problem(where, "says tls, and nothing says whose certificates count", "set haproxy.tls.clientCa")


def _port_clashes(spec: HaproxySpec, environment: "EnvironmentSpec") -> Iterator[Problem]:
    taken = {backend.port: backend.name for backend in backends(environment)}
    if spec.stats_port in taken:
        other = taken[spec.stats_port]
        yield Problem("haproxy.statsPort", f"{spec.stats_port} is the port of {other}", "choose another, such as 8404")
