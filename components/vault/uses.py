"""Which program reads which secret, over the whole environment. Pure.

A component whose programs read secrets is one line of :data:`SOURCES`; a test finds those that a pod or a container mounts and
that nobody tells of here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from components.backup import render as backup
from components.backup.names import COMPONENT as BACKUP
from components.cassandra_agent import properties as agent
from components.cassandra_agent.render import agent_name
from components.connect import access as connect
from components.connect.derive import worker_names
from components.connect.names import COLOURS, cluster_name
from components.core.once import once_for_each
from components.core.secrets import SecretFile, referenced
from components.development import derive as development
from components.development.names import MARIADB, VAULT
from components.development.vault import secret_files as development_vault
from components.environment import EnvironmentSpec
from components.haproxy.derive import NAME as HAPROXY
from components.haproxy.render import secret_files
from components.haproxy.services import backends
from components.kafka import nodes
from components.kafka.clients import kafka_client
from components.kafka.listeners import needs_certificate
from components.mirror_maker import derive as mirror_maker
from components.mirror_maker.names import node_name, source_client
from components.observability.derive import USER as EXPORTER_USER
from components.observability.names import GRAFANA
from components.observability.scraping import EXPORTER
from components.postgres import access as postgres_access
from components.postgres.derive import ACCESS as POSTGRES_ACCESS
from components.postgres.derive import NAME as POSTGRES
from components.postgres.server import secrets as postgres_secrets
from components.redis import derive as redis
from components.redis.render import secret_files as redis_secrets
from components.schema_registry.derive import NAME as REGISTRY
from components.schema_registry.derive import instances
from components.schema_registry.program import program
from components.sink.companions import companions
from components.sink.derive import pipelines, worker_name
from components.sink.settings import secrets as sink_secrets
from components.tracing.names import COLLECTOR, JAEGER

KAFKA_USERS = "kafka-users"
"""What gives Kafka's users their passwords: Strimzi's User Operator, or whoever brings the cluster to its state."""

KEYSTORE, NODES_CA, CLIENTS_CA = "keystore.pem", "cluster-ca.pem", "clients-ca.pem"
"""A node's files on docker: its key with its certificate, and the CAs of nodes and of clients."""


@dataclass(frozen=True, slots=True)
class Use:
    """One program and the files that it reads. ``containers`` are its instances on docker, and the names that it is called
    by there; ``hosts`` the Services that it answers as on Kubernetes. ``pooled``: a client may reach one of its pods by a name
    of that pod's own."""

    workload: str
    files: tuple[SecretFile, ...]
    containers: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    pooled: bool = False


@once_for_each
def uses(spec: EnvironmentSpec) -> tuple[Use, ...]:
    """Every program that reads a secret, by name."""
    found = (use for source in SOURCES for use in source(spec) if use.files)
    return tuple(sorted(found, key=lambda use: use.workload))


def _backup(spec: EnvironmentSpec) -> Iterator[Use]:
    """Its CronJobs; on docker nothing runs."""
    if spec.backup is not None and spec.target == "kubernetes":
        yield Use(BACKUP, backup.secrets(spec, spec.backup))


def _haproxy(spec: EnvironmentSpec) -> Iterator[Use]:
    if spec.haproxy is not None:
        files = secret_files(spec.haproxy, backends(spec))
        yield Use(HAPROXY, files, (HAPROXY,), (HAPROXY,))


def _registry(spec: EnvironmentSpec) -> Iterator[Use]:
    registry = spec.schema_registry
    if registry is not None:
        runs = program(spec, registry, instances(registry)[0])
        containers = instances(registry)
        yield Use(REGISTRY, tuple(runs.secrets), containers, (REGISTRY,), pooled=True)


def _connect(spec: EnvironmentSpec) -> Iterator[Use]:
    for colour in COLOURS if spec.connect is not None else ():
        name = cluster_name(spec.kafka, colour)
        workers = tuple(worker_names(spec.connect, spec.kafka, colour)) if spec.connect is not None else ()
        yield Use(name, connect.secrets(spec, colour), workers, (f"{name}-connect-api",), pooled=True)


def _sink(spec: EnvironmentSpec) -> Iterator[Use]:
    if spec.sink is None:
        return
    for _, pipeline in pipelines(spec):
        name = worker_name(pipeline)
        containers = tuple(f"{name}-{number}" for number in range(spec.sink.replicas))
        yield Use(name, sink_secrets(spec, spec.sink, pipeline), containers)
        for beside in companions(spec, spec.sink, pipeline):
            yield Use(beside.name, beside.secrets, (beside.name,), (beside.name,))


def _agents(spec: EnvironmentSpec) -> Iterator[Use]:
    for pipeline in spec.pipelines if spec.cassandra_agent is not None else ():
        if pipeline.source.cassandra is not None:
            name = agent_name(spec, pipeline)
            yield Use(name, agent.secrets(spec, pipeline, pipeline.source.cassandra), (name,))


def _mirror_maker(spec: EnvironmentSpec) -> Iterator[Use]:
    mirror = spec.mirror_maker
    if mirror is not None:
        here = kafka_client(spec.kafka, spec.context, mirror_maker.WRITER)
        count = 0 if mirror.failed_over else mirror.replicas
        containers = tuple(node_name(spec.kafka.name, node) for node in range(count))
        files = tuple(sorted([*here.secrets, *source_client(mirror.source).secrets]))
        yield Use(f"{spec.kafka.name}-mirror-maker", files, containers)


def _brokers(spec: EnvironmentSpec) -> Iterator[Use]:
    """On Kubernetes the operator sees to certificates; on docker every node has one of its own."""
    kafka = spec.kafka
    tiered = kafka.tiered.credentials if kafka.tiered is not None else None
    store = f"{kafka.name}-tiered-storage"
    credentials = [] if tiered is None else [referenced(tiered, "tiered-storage-credentials", store)]
    if spec.target == "kubernetes":
        yield Use(kafka.name, tuple(credentials))
        return
    for node in nodes.nodes(kafka):
        certificates = [SecretFile(name, f"{kafka.name}-node", name) for name in (KEYSTORE, NODES_CA, CLIENTS_CA)]
        files = certificates * needs_certificate(kafka, node) + credentials * node.is_broker
        yield Use(node.name, tuple(sorted(files)), (node.name,))


def _kafka_users(spec: EnvironmentSpec) -> Iterator[Use]:
    """Passwords that the spec names; the file is called like the user's Secret."""
    files = [
        referenced(user.password, f"{user.name}.password", f"{user.name}-password")
        for user in spec.kafka_state.users
        if user.password is not None
    ]
    yield Use(KAFKA_USERS, tuple(sorted(files)))


def _postgres(spec: EnvironmentSpec) -> Iterator[Use]:
    if spec.postgres is not None and spec.postgres.external is None:
        yield Use(POSTGRES, postgres_secrets(spec, spec.postgres), (POSTGRES,))
        yield Use(POSTGRES_ACCESS, postgres_access.secrets(spec, spec.postgres), (POSTGRES_ACCESS,))


def _redis(spec: EnvironmentSpec) -> Iterator[Use]:
    if spec.redis is not None:
        containers = (*redis.node_hosts(spec, spec.redis), *redis.sentinel_hosts(spec, spec.redis))
        hosts = (redis.NAME, redis.SENTINEL) if spec.redis.sentinels else (redis.NAME,)
        yield Use(redis.NAME, redis_secrets(spec, spec.redis), containers, hosts, pooled=True)


def _tracing(spec: EnvironmentSpec) -> Iterator[Use]:
    tracing = spec.tracing
    if tracing is None:
        return
    backend = tracing.backend
    servers = [(COLLECTOR, tracing.tls), *([(JAEGER, tracing.jaeger.tls)] if backend is None else [])]
    for name, tls in servers:
        pairs = [(tls.certificate, "server.pem"), (tls.key, "server.pem.key")] if tls.enabled else []
        if name == COLLECTOR and backend is not None and backend.ca is not None:
            pairs.append((backend.ca, "backend-ca.pem"))
        if name == COLLECTOR and backend is None and tracing.jaeger.tls.enabled:
            pairs.append((tracing.jaeger.tls.ca, "backend-ca.pem"))
        files = tuple(sorted(referenced(reference, file, f"{name}-tls") for reference, file in pairs))
        yield Use(name, files, (name,), (name,))


def _observability(spec: EnvironmentSpec) -> Iterator[Use]:
    """On Kubernetes the exporter is Strimzi's, and Grafana is not ours."""
    if spec.observability is None or spec.target != "docker":
        return
    yield Use(EXPORTER, kafka_client(spec.kafka, spec.context, EXPORTER_USER).secrets, (EXPORTER,))
    password = spec.observability.grafana.password
    if password is not None:
        yield Use(GRAFANA, (referenced(password, "admin.password", GRAFANA),), (GRAFANA,))


def _development(spec: EnvironmentSpec) -> Iterator[Use]:
    if spec.development is not None and spec.development.mariadb is not None:
        yield Use(MARIADB, development.secret_files(spec, spec.development.mariadb), (MARIADB,))
    if spec.development is not None and spec.development.vault is not None:
        yield Use(VAULT, development_vault(spec.development.vault), (VAULT,))


SOURCES: tuple[Callable[[EnvironmentSpec], Iterator[Use]], ...] = (
    _backup,
    _haproxy,
    _registry,
    _connect,
    _sink,
    _agents,
    _mirror_maker,
    _postgres,
    _redis,
    _tracing,
    _observability,
    _brokers,
    _kafka_users,
    _development,
)
