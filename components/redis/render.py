"""Redis, rendered for the environment's target. Pure."""

from components.core import versions
from components.core.rendered import HealthCheck, Mount, Rendered, Workload
from components.core.secrets import mounted
from components.environment import EnvironmentSpec
from components.redis.configuration import DATA, PROBE_SCRIPT, RUN, SECRETS, START, files, sentinel_files
from components.redis.derive import node_hosts, sentinel_hosts
from components.redis.render_kubernetes import GROUP, SENTINEL_RESOURCES, USER, manifests
from components.redis.spec import RedisSpec
from components.redis.uses import secret_files

COMPONENT = "redis"


def render(spec: EnvironmentSpec) -> Rendered:
    """Nothing where it is not declared."""
    redis = spec.redis
    if redis is None:
        return Rendered()
    if spec.target == "kubernetes":
        return Rendered(manifests=manifests(spec, redis, secret_files(spec, redis)))
    hosts = node_hosts(spec, redis)
    workloads = tuple(_node(spec, redis, host) for host in hosts)
    workloads += tuple(_sentinel(spec, redis, host, hosts) for host in sentinel_hosts(spec, redis))
    written = {workload.tree_path(path): text for workload in workloads for path, text in workload.files.items()}
    return Rendered(workloads=workloads, volumes=hosts, files=written)


def _node(spec: EnvironmentSpec, redis: RedisSpec, host: str) -> Workload:
    return Workload(
        component=COMPONENT,
        name=host,
        image=redis.image or versions.REDIS_IMAGE,
        command=("sh", START),
        files=files(spec, redis, host),
        mounts=(Mount(DATA, volume=host), mounted(host, SECRETS)),
        tmpfs=(f"{RUN}:mode=1777,size=1m",),
        user=f"{USER}:{GROUP}",
        memory_bytes=redis.resources.memory,
        cpu_millicores=redis.resources.cpu_limit_millicores,
        health=HealthCheck(("sh", PROBE_SCRIPT)),
        stateful=True,
    )


def _sentinel(spec: EnvironmentSpec, redis: RedisSpec, host: str, nodes: tuple[str, ...]) -> Workload:
    return Workload(
        component=COMPONENT,
        name=host,
        image=redis.image or versions.REDIS_IMAGE,
        command=("sh", START),
        files=sentinel_files(spec, redis, host),
        mounts=(mounted(host, SECRETS),),
        tmpfs=(f"{RUN}:mode=1777,size=1m",),
        user=f"{USER}:{GROUP}",
        memory_bytes=SENTINEL_RESOURCES.memory,
        cpu_millicores=SENTINEL_RESOURCES.cpu_limit_millicores,
        health=HealthCheck(("sh", PROBE_SCRIPT)),
        depends_on=nodes,
    )
