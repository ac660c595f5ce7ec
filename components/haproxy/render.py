"""HAProxy, rendered for the environment's target. Pure."""

from components.core.rendered import HealthCheck, Rendered, Workload
from components.core.secrets import SecretFile, mounted
from components.environment import EnvironmentSpec
from components.haproxy import configuration as written
from components.haproxy.backend import Backend
from components.haproxy.configuration import SECRETS, configuration
from components.haproxy.derive import NAME
from components.haproxy.render_kubernetes import manifests
from components.haproxy.services import backends
from components.haproxy.spec import HaproxySpec
from components.haproxy.start import RUN, USER, image, start_script
from components.haproxy.uses import secret_files

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
