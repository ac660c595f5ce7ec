"""How a run reaches Connect, and the secret files that this takes. Pure."""

from typing import TYPE_CHECKING

from components.connect.derive import backends
from components.connect.names import cluster_name
from components.core.secrets import referenced
from components.haproxy.derive import address
from components.schema_registry.access import HAPROXY_CA, RegistryAccess

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec

REST_PORT = 8083


def connect_access(environment: "EnvironmentSpec") -> RegistryAccess | None:
    """Where the active colour answers, in the words of a registry's access: HAProxy in front of it, where it is declared."""
    connect, haproxy = environment.connect, environment.haproxy
    if connect is None:
        return None
    if haproxy is None:
        host = f"{cluster_name(environment.kafka, connect.active)}-connect-api.{environment.kubernetes.namespace}.svc"
        return RegistryAccess(f"http://{host}:{REST_PORT}")
    [backend] = backends(environment)
    ca = referenced(haproxy.tls.ca, HAPROXY_CA, "haproxy-tls") if haproxy.tls.enabled else None
    known = [user for user in haproxy.users_of(backend.name) if user.password is not None]
    if haproxy.authentication_of(backend.name) != "basic" or not known:
        return RegistryAccess(address(environment, backend), ca)
    user = next((user for user in known if user.name == "backup"), known[0])
    password = referenced(user.password or "", f"{user.name}.haproxy-password", "haproxy-users")
    return RegistryAccess(address(environment, backend), ca, user.name, password)
