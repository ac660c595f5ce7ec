"""The databases of a development environment as containers. Pure."""

from components.core import versions
from components.core.rendered import HealthCheck, Mount, Rendered, Workload
from components.core.secrets import mounted
from components.development import apply, cassandra, vault
from components.development.derive import applies, secret_files
from components.development.mariadb import DATA, RUN, SECRETS, SOCKET, START, USER, files
from components.development.names import COMPONENT, MARIADB, MARIADB_PORT
from components.development.spec import DevelopmentMariadbSpec
from components.environment import EnvironmentSpec

__all__ = ["COMPONENT", "render", "secret_files"]

_VOLUME = f"{MARIADB}-data"
_CASSANDRA_VOLUME = "cassandra-data"
"""Where an agent looks for it, unless it is told otherwise."""


def render(spec: EnvironmentSpec) -> Rendered:
    """Nothing where none are declared."""
    development = spec.development
    if development is None:
        return Rendered()
    workloads = [] if development.mariadb is None else [_mariadb(spec, development.mariadb)]
    if development.cassandra is not None:
        agent = spec.cassandra_agent
        workloads.append(cassandra.workload(spec, development.cassandra, _CASSANDRA_VOLUME if agent is None else agent.volume))
    if development.vault is not None:
        workloads.append(vault.workload(development.vault))
    if applies(spec):
        workloads += apply.workloads(spec)
    written = {workload.tree_path(path): text for workload in workloads for path, text in workload.files.items()}
    volumes = {mount.volume for workload in workloads for mount in workload.mounts if mount.volume is not None}
    return Rendered(workloads=tuple(workloads), volumes=tuple(sorted(volumes)), files=written)


def _mariadb(spec: EnvironmentSpec, mariadb: DevelopmentMariadbSpec) -> Workload:
    return Workload(
        component=COMPONENT,
        name=MARIADB,
        image=mariadb.image or versions.MARIADB_IMAGE,
        command=("sh", START),
        files=files(spec, mariadb),
        mounts=(Mount(DATA, volume=_VOLUME), mounted(MARIADB, SECRETS)),
        ports=((mariadb.host_port, MARIADB_PORT),),
        tmpfs=(f"{RUN}:mode=1777,size=1m", "/tmp:mode=1777,size=64m"),  # noqa: S108 - the container's own
        user=USER,
        memory_bytes=mariadb.resources.memory,
        cpu_millicores=mariadb.resources.cpu_limit_millicores,
        health=HealthCheck(("mariadb-admin", "--no-defaults", f"--socket={SOCKET}", "ping"), start_period_seconds=120),
        stateful=True,
    )
