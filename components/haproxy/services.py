"""What HAProxy stands in front of. Pure."""

from typing import TYPE_CHECKING

from components.connect import derive as connect
from components.haproxy.backend import Backend
from components.schema_registry import derive as schema_registry

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec

PROVIDERS = (schema_registry.backends, connect.backends)
"""One of each component that wants to be stood in front of."""


def backends(environment: "EnvironmentSpec") -> tuple[Backend, ...]:
    """Every component's, sorted by port."""
    found = [backend for provide in PROVIDERS for backend in provide(environment)]
    return tuple(sorted(found, key=lambda backend: backend.port))
