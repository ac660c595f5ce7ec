"""Where clients find HAProxy. Pure."""

from typing import TYPE_CHECKING

from components.haproxy.backend import Backend

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec

NAME = "haproxy"


def address(environment: "EnvironmentSpec", backend: Backend) -> str:
    """The URL under which clients inside the environment reach ``backend`` through HAProxy: the name of its container, or
    of its Service, which those in the platform's own namespace may use alone.

    Raises :class:`ValueError` where HAProxy is not declared.
    """
    if environment.haproxy is None:
        raise ValueError("HAProxy is not declared")
    scheme = "https" if environment.haproxy.tls.enabled else "http"
    return f"{scheme}://{NAME}:{backend.port}"


def service_host(environment: "EnvironmentSpec", service: str) -> str:
    """The full name of a Service on Kubernetes, which HAProxy asks for the addresses behind it."""
    domain = "cluster.local" if environment.haproxy is None else environment.haproxy.cluster_domain
    return f"{service}.{environment.context.namespace}.svc.{domain}"
