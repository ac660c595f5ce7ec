"""How the platform's own programs reach the schema registry, and the secret files that this takes. Pure."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.core.secrets import SecretFile, referenced
from components.haproxy.derive import address
from components.schema_registry.derive import (
    APICURIO_CLIENTS,
    CA,
    NAME,
    SECRET,
    backends,
    direct_url,
    is_encrypted,
    registry_url,
)

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec
    from components.haproxy.spec import HaproxySpec, HaproxyUserSpec

HAPROXY_CA = "haproxy-ca.pem"
CAS = frozenset({HAPROXY_CA, CA})
"""What signs the certificate of whoever answers, in a client's folder of secrets: HAProxy, or a registry that stands alone."""


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """``url`` of the API that the client speaks; ``ca`` is the file of what signs the certificate there, ``user`` comes with
    the password in the file ``password``."""

    url: str
    ca: SecretFile | None = None
    user: str | None = None
    password: SecretFile | None = None

    @property
    def secrets(self) -> tuple[SecretFile, ...]:
        """The files that it needs in the client's folder."""
        return tuple(file for file in (self.ca, self.password) if file is not None)


def registry_access(environment: "EnvironmentSpec", client: str, *, native: bool = False) -> RegistryAccess | None:
    """How ``client`` (``connect``, ``sink``) reaches Confluent's API, or with ``native`` Apicurio's own; ``None`` where no
    registry is declared. HAProxy stands in front of both, where it is declared."""
    spec, haproxy = environment.schema_registry, environment.haproxy
    if spec is None:
        return None
    if haproxy is None:
        url = direct_url(environment, spec, APICURIO_CLIENTS) if native else registry_url(environment)
        ca = referenced(spec.tls.ca, CA, SECRET) if is_encrypted(environment) else None
        return RegistryAccess(url, ca)
    [backend] = backends(environment)
    url = address(environment, backend) + (APICURIO_CLIENTS if native else "")
    ca = referenced(haproxy.tls.ca, HAPROXY_CA, "haproxy-tls") if haproxy.tls.enabled else None
    user = _user(haproxy, client)
    if user is None or user.password is None:
        return RegistryAccess(url, ca)
    return RegistryAccess(url, ca, user.name, referenced(user.password, f"{user.name}.haproxy-password", "haproxy-users"))


def _user(haproxy: "HaproxySpec", client: str) -> "HaproxyUserSpec | None":
    """Whoever is called like the client among those whose password the platform knows, or else the first of them."""
    if haproxy.authentication_of(NAME) != "basic":
        return None
    known = [user for user in haproxy.users_of(NAME) if user.password is not None]
    return next((user for user in known if user.name == client), known[0] if known else None)
