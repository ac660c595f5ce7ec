"""What has metrics to be read, on either target. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from components.connect.derive import worker_names
from components.connect.names import COLOURS
from components.connect.names import COMPONENT as CONNECT
from components.core import jmx
from components.environment import EnvironmentSpec
from components.haproxy.configuration import METRICS
from components.haproxy.derive import NAME as HAPROXY
from components.haproxy.services import backends
from components.kafka.clients import bootstrap
from components.kafka.nodes import nodes
from components.kafka.render_docker import COMPONENT as KAFKA
from components.mirror_maker.names import node_name
from components.observability.derive import agent
from components.observability.names import (
    BACKUP_EXPORTER,
    BACKUP_EXPORTER_PORT,
    EXPORTER,
    POSTGRES_EXPORTER,
    POSTGRES_EXPORTER_PORT,
    REDIS_EXPORTER,
    REDIS_EXPORTER_PORT,
)
from components.postgres import derive as postgres
from components.redis import derive as redis
from components.redis.spec import RedisSpec
from components.schema_registry import derive as registry
from components.sink.companions import processor_name
from components.sink.derive import pipelines, worker_name
from components.sink.settings import PORT as SINK_PORT
from components.tracing import names as tracing
from components.vault.names import NAME as VAULT
from components.vault.spec import PORT as VAULT_PORT

EXPORTER_PORT = 9308
MIRROR_MAKER = "mirror-maker"
PROMETHEUS_PORT = 9090
WITHOUT_SCHEME = "(?:[a-z]+://)?(.*)"
"""What stays of an address that a program is asked about, as Prometheus' regular expression."""
_POD_LABEL = "cdc.platform/"
_CLUSTER = "strimzi.io/cluster"


@dataclass(frozen=True, slots=True)
class Job:
    """Programs of one kind. On docker they are ``hosts`` with the labels that their metrics get; on Kubernetes the pods with
    the labels ``pods``, whose metrics get the labels ``from_pods``: the name of one and the pod's label that it comes from.
    ``declared`` is a port that the pods' containers name, where that of the metrics is not one. ``asked`` are addresses that
    the one program tells of, in place of itself: Prometheus names each, and the metrics are about that one."""

    name: str
    port: int
    pods: Mapping[str, str]
    hosts: tuple[tuple[str, Mapping[str, str]], ...] = ()
    from_pods: Mapping[str, str] = field(default_factory=dict)
    path: str = "/metrics"
    declared: int | None = None
    asked: tuple[str, ...] = ()


def jobs(spec: EnvironmentSpec) -> tuple[Job, ...]:
    """In order of their names."""
    found = [*_kafka(spec), *_connect(spec), *_mirror_maker(spec), *_front(spec), *_sink(spec), *_tracing(spec), *_stores(spec)]
    return tuple(sorted(found, key=lambda job: job.name))


def _observed(spec: EnvironmentSpec, component: str) -> bool:
    """Whether the JVMs of ``component`` have an agent."""
    return spec.target == "kubernetes" or agent(spec, component) is not None


def _plain(*hosts: str) -> tuple[tuple[str, Mapping[str, str]], ...]:
    return tuple((host, {}) for host in hosts)


def _kafka(spec: EnvironmentSpec) -> Iterator[Job]:
    cluster, kind = {_CLUSTER: spec.kafka.name}, "strimzi.io/component-type"
    port = jmx.PORT if spec.target == "kubernetes" else EXPORTER_PORT
    yield Job(EXPORTER, port, {**cluster, kind: "kafka-exporter"}, _plain(EXPORTER))
    if _observed(spec, KAFKA):
        hosts = _plain(*(node.name for node in nodes(spec.kafka)))
        yield Job(KAFKA, jmx.PORT, {**cluster, kind: "kafka"}, hosts, {"node": "strimzi.io/pod-name"})


def _connect(spec: EnvironmentSpec) -> Iterator[Job]:
    connect = spec.connect
    if connect is None or not _observed(spec, CONNECT):
        return
    hosts = [(name, {"colour": colour}) for colour in COLOURS for name in worker_names(connect, spec.kafka, colour)]
    yield Job(CONNECT, jmx.PORT, {"strimzi.io/kind": "KafkaConnect"}, tuple(hosts), {"cluster": _CLUSTER})


def _mirror_maker(spec: EnvironmentSpec) -> Iterator[Job]:
    mirror = spec.mirror_maker
    if mirror is None or mirror.failed_over or not _observed(spec, MIRROR_MAKER):
        return
    hosts = _plain(*(node_name(spec.kafka.name, node) for node in range(mirror.replicas)))
    pods = {_CLUSTER: spec.kafka.name, "strimzi.io/kind": "KafkaMirrorMaker2"}
    yield Job(MIRROR_MAKER, jmx.PORT, pods, hosts)


def _front(spec: EnvironmentSpec) -> Iterator[Job]:
    """Confluent's registry has no metrics but Java's, and HAProxy sees whether it answers."""
    if spec.haproxy is not None:
        yield Job(HAPROXY, spec.haproxy.stats_port, {"app.kubernetes.io/name": HAPROXY}, _plain(HAPROXY), path=METRICS)
    if spec.schema_registry is not None and spec.schema_registry.distribution == "apicurio":
        hosts = _plain(*registry.instances(spec.schema_registry))
        pods = {"app.kubernetes.io/name": registry.NAME}
        yield Job(registry.NAME, registry.APICURIO_READY.port, pods, hosts, declared=registry.PORT)


def _sink(spec: EnvironmentSpec) -> Iterator[Job]:
    """Its metrics do not say whose they are: the pipeline and the tenant are the target's labels."""
    if spec.sink is None:
        return
    hosts = [
        (f"{worker_name(pipeline)}-{number}", {"pipeline": pipeline.name, "tenant": pipeline.tenant})
        for _, pipeline in pipelines(spec)
        for number in range(spec.sink.replicas)
    ]
    if spec.sink.dead_letters is not None:
        hosts += [
            (processor_name(pipeline), {"pipeline": pipeline.name, "tenant": pipeline.tenant})
            for _, pipeline in pipelines(spec)
        ]
    labels = {name: f"{_POD_LABEL}{name}" for name in ("pipeline", "tenant")}
    yield Job("sink", SINK_PORT, {"app.kubernetes.io/component": "sink"}, tuple(hosts), labels)


def _tracing(spec: EnvironmentSpec) -> Iterator[Job]:
    if spec.tracing is not None:
        pods = {"app.kubernetes.io/name": tracing.COLLECTOR}
        yield Job(tracing.COLLECTOR, tracing.METRICS_PORT, pods, _plain(tracing.COLLECTOR))


def watched_redis(spec: EnvironmentSpec) -> bool:
    """Whether Redis has an exporter."""
    return spec.observability is not None and spec.redis is not None and spec.observability.redis_exporter.enabled


def watched_postgres(spec: EnvironmentSpec) -> Literal["operator", "exporter"] | None:
    """Who tells of PostgreSQL: the servers of CloudNativePG themselves, or an exporter."""
    if spec.observability is None or spec.postgres is None or not spec.observability.postgres_exporter.enabled:
        return None
    return "operator" if spec.target == "kubernetes" and spec.postgres.external is None else "exporter"


def watched_backups(spec: EnvironmentSpec) -> bool:
    """Whether somebody tells how old they are. On Kubernetes kube-state-metrics does."""
    observed = spec.observability
    return observed is not None and spec.backup is not None and spec.target == "docker" and observed.backup_exporter.enabled


def redis_addresses(spec: EnvironmentSpec, server: RedisSpec) -> tuple[str, ...]:
    """Of nodes, then of Sentinels, as the exporter is told them."""
    scheme = "rediss" if server.tls.enabled else "redis"
    nodes = [f"{scheme}://{host}:{redis.PORT}" for host in redis.node_hosts(spec, server)]
    return (*nodes, *(f"{scheme}://{host}:{redis.SENTINEL_PORT}" for host in redis.sentinel_hosts(spec, server)))


def _stores(spec: EnvironmentSpec) -> Iterator[Job]:
    if watched_redis(spec) and spec.redis is not None:
        pods, asked = {"app.kubernetes.io/name": REDIS_EXPORTER}, redis_addresses(spec, spec.redis)
        yield Job(redis.NAME, REDIS_EXPORTER_PORT, pods, _plain(REDIS_EXPORTER), path="/scrape", asked=asked)
    if watched_postgres(spec) == "operator":
        yield Job(postgres.NAME, POSTGRES_EXPORTER_PORT, postgres.PODS, from_pods={"node": "cnpg.io/instanceName"})
    elif watched_postgres(spec) == "exporter":
        pods = {"app.kubernetes.io/name": POSTGRES_EXPORTER}
        yield Job(postgres.NAME, POSTGRES_EXPORTER_PORT, pods, _plain(POSTGRES_EXPORTER))
    if watched_backups(spec):
        yield Job("backup", BACKUP_EXPORTER_PORT, {}, _plain(BACKUP_EXPORTER))


def tls_ports(spec: EnvironmentSpec) -> Mapping[str, str]:
    """Every ``host:port`` whose certificate ends some day, sorted, with the name of the component that answers: Kafka's
    listeners inside the environment, HAProxy and what stands behind it, Redis, Vault and the collector. PostgreSQL's is seen
    only after its own greeting."""
    found: dict[str, str] = {}
    for listener in spec.kafka.listeners:
        if listener.tls and listener.type == "internal":
            found |= dict.fromkeys(bootstrap(spec.kafka, spec.context, listener).split(","), KAFKA)
    for backend in backends(spec):
        if spec.haproxy is not None and spec.haproxy.tls.enabled:
            found[f"{HAPROXY}:{backend.port}"] = HAPROXY
        if backend.server_ca is not None:
            found |= {f"{server.host}:{server.port}": backend.name for server in backend.servers}
    if spec.redis is not None and spec.redis.tls.enabled:
        found |= {f"{host}:{redis.PORT}": redis.NAME for host in redis.node_hosts(spec, spec.redis)}
        found |= {f"{host}:{redis.SENTINEL_PORT}": redis.SENTINEL for host in redis.sentinel_hosts(spec, spec.redis)}
    if spec.vault is not None and spec.vault.tls.enabled and spec.vault.external is None:
        found[f"{VAULT}:{VAULT_PORT}"] = VAULT
    if spec.tracing is not None and spec.tracing.tls.enabled:
        found[f"{tracing.COLLECTOR}:{tracing.HTTP_PORT}"] = tracing.COLLECTOR
    return dict(sorted(found.items()))
