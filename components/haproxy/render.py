"""HAProxy, rendered for the environment's target. Pure."""

from collections.abc import Iterator

from components.core.rendered import HealthCheck, Rendered, Workload
from components.core.secrets import SecretFile, mounted, overlapping, referenced
from components.environment import EnvironmentSpec
from components.haproxy import configuration as written
from components.haproxy.backend import Backend
from components.haproxy.configuration import SECRETS, configuration
from components.haproxy.derive import NAME
from components.haproxy.render_kubernetes import manifests
from components.haproxy.services import backends
from components.haproxy.spec import HaproxySpec, HaproxyUserSpec
from components.haproxy.start import RUN, USER, image, start_script

COMPONENT = "haproxy"
FOLDER = "/etc/cdc"
CONFIGURATION, START = f"{FOLDER}/haproxy.cfg", f"{FOLDER}/start.sh"


def render(spec: EnvironmentSpec) -> Rendered:
    """Nothing where it is not declared."""
    haproxy = spec.haproxy
    if haproxy is None:
        return Rendered()
    fronted = backends(spec)
    host = NAME if spec.target == "docker" else "*"
    files = {CONFIGURATION: configuration(haproxy, fronted, host), START: start_script(haproxy, fronted, CONFIGURATION)}
    secrets = secret_files(haproxy, fronted)
    if spec.target == "docker":
        workload = _workload(haproxy, fronted, files, secrets)
        return Rendered(workloads=(workload,), files={workload.tree_path(path): text for path, text in files.items()})
    return Rendered(manifests=manifests(spec, haproxy, fronted, files, secrets))


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


def _workload(
    haproxy: HaproxySpec, fronted: tuple[Backend, ...], files: dict[str, str], secrets: tuple[SecretFile, ...]
) -> Workload:
    ports = [haproxy.stats_port, *(backend.port for backend in fronted)]
    return Workload(
        component=COMPONENT,
        name=NAME,
        image=image(haproxy),
        command=("sh", START),
        files=files,
        mounts=(mounted(NAME, SECRETS),) if secrets else (),
        ports=tuple((port, port) for port in sorted(ports)) if haproxy.publish else (),
        tmpfs=(f"{RUN}:mode=1777,size=1m",),
        user=f"{USER}:{USER}",
        memory_bytes=haproxy.resources.memory,
        cpu_millicores=haproxy.resources.cpu_limit_millicores,
        health=HealthCheck(
            ("wget", "-q", "-O", "/dev/null", f"http://{NAME}:{haproxy.stats_port}{written.LIVE}"), start_period_seconds=10
        ),
    )
