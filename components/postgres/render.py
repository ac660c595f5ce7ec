"""PostgreSQL, rendered for the environment's target. Pure."""

from components.core import versions
from components.core.rendered import HealthCheck, Mount, Rendered, Workload
from components.core.secrets import mounted
from components.environment import EnvironmentSpec
from components.postgres import access
from components.postgres.derive import ACCESS, NAME, PORT, postgres_state
from components.postgres.render_kubernetes import manifests
from components.postgres.server import RUN, SECRETS, access_rules, configuration, start_script
from components.postgres.spec import PostgresSpec
from components.postgres.steps import script, steps

COMPONENT = "postgres"
FOLDER = "/etc/cdc"
CONFIGURATION, ACCESS_RULES, START = f"{FOLDER}/postgresql.conf", f"{FOLDER}/pg_hba.conf", f"{FOLDER}/start.sh"
VOLUME = "/var/lib/postgresql/data"
USER = 999
"""``postgres`` of its own image."""

_ACCESS_MEMORY = 64 << 20
_TEMPORARY = "/tmp:mode=1777,size=64m"  # noqa: S108 - the container's own


def render(spec: EnvironmentSpec) -> Rendered:
    """Nothing where none is declared. Of an existing server, only what ``cdc postgres apply`` would make it, to be read."""
    postgres = spec.postgres
    if postgres is None:
        return Rendered()
    if postgres.external is not None:
        return Rendered(files={f"{COMPONENT}/access.sql": script(steps(postgres_state(spec)))})
    if spec.target == "kubernetes":
        return Rendered(manifests=manifests(spec, postgres))
    workloads = (_server(spec, postgres), _access(spec, postgres))
    files = {workload.tree_path(path): text for workload in workloads for path, text in workload.files.items()}
    return Rendered(workloads=workloads, volumes=(NAME,), files=files)


def _server(spec: EnvironmentSpec, postgres: PostgresSpec) -> Workload:
    rules = access_rules(spec, postgres, postgres_state(spec))
    return Workload(
        component=COMPONENT,
        name=NAME,
        image=postgres.image or versions.POSTGRES_IMAGE,
        command=("sh", START),
        files={
            CONFIGURATION: configuration(postgres, NAME, PORT, ACCESS_RULES),
            ACCESS_RULES: "\n".join(rules) + "\n",
            START: start_script(postgres, f"{VOLUME}/pgdata", CONFIGURATION),
        },
        mounts=(Mount(VOLUME, volume=NAME), mounted(NAME, SECRETS)),
        tmpfs=(f"{RUN}:mode=1777,size=1m", _TEMPORARY),
        user=f"{USER}:{USER}",
        memory_bytes=postgres.resources.memory,
        cpu_millicores=postgres.resources.cpu_limit_millicores,
        health=HealthCheck(("pg_isready", "-q", "-h", NAME, "-p", str(PORT), "-t", "4")),
        stateful=True,
    )


def _access(spec: EnvironmentSpec, postgres: PostgresSpec) -> Workload:
    return Workload(
        component=COMPONENT,
        name=ACCESS,
        image=postgres.image or versions.POSTGRES_IMAGE,
        command=("sh", access.START),
        files=access.files(spec, postgres),
        mounts=(mounted(ACCESS, access.SECRETS),),
        tmpfs=(f"{access.RUN}:mode=1777,size=1m",),
        user=f"{USER}:{USER}",
        memory_bytes=_ACCESS_MEMORY,
        cpu_millicores=250,
        health=HealthCheck(("test", "-f", access.APPLIED)),
        depends_on=(NAME,),
    )
