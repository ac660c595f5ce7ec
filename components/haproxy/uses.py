"""Which secrets HAProxy reads. Pure."""

from collections.abc import Iterator

from components.core.secrets import SecretFile, Use, overlapping, referenced
from components.environment import EnvironmentSpec
from components.haproxy import configuration as written
from components.haproxy.backend import Backend
from components.haproxy.derive import NAME
from components.haproxy.services import backends
from components.haproxy.spec import HaproxySpec, HaproxyUserSpec


def secret_uses(environment: EnvironmentSpec, haproxy: HaproxySpec) -> Iterator[Use]:
    """One container, or the pods behind one Service."""
    yield Use(NAME, secret_files(haproxy, backends(environment)), (NAME,), (NAME,))


def secret_files(haproxy: HaproxySpec, fronted: tuple[Backend, ...]) -> tuple[SecretFile, ...]:
    """What must lie in its folder of secrets."""
    found = [backend.server_ca for backend in fronted if backend.server_ca is not None]
    if haproxy.tls.enabled:
        found.append(referenced(haproxy.tls.certificate, written.CERTIFICATE, "haproxy-tls"))
        found.append(referenced(haproxy.tls.key, written.CERTIFICATE_KEY, "haproxy-tls"))
    chosen = {haproxy.authentication_of(backend.name) for backend in fronted}
    if "tls" in chosen and haproxy.tls.client_ca is not None:
        found.append(referenced(haproxy.tls.client_ca, written.CLIENT_CA, "haproxy-client-ca"))
    if "basic" in chosen:
        found += [file for user in haproxy.users for file in _of_user(user)]
    return tuple(sorted(set(found)))


def _of_user(user: HaproxyUserSpec) -> Iterator[SecretFile]:
    if user.password_hash is not None:
        yield referenced(user.password_hash, f"{user.name}.hash", "haproxy-users")
    elif user.password is not None:
        password = referenced(user.password, f"{user.name}.password", "haproxy-users")
        yield password
        yield from overlapping(password) if user.is_rotated else ()
