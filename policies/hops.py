"""Every connection between two programs of an environment: who speaks to whom, by which protocol, encrypted or not. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from components.connect.derive import has_sink_connector
from components.connect.names import COMPONENT as CONNECT
from components.environment import EnvironmentSpec
from components.haproxy.services import backends
from components.kafka.clients import platform_listener
from components.mirror_maker.names import REST_PORT, ports
from components.observability.names import POSTGRES_EXPORTER, REDIS_EXPORTER
from components.observability.scraping import jobs, watched_postgres, watched_redis
from components.postgres.derive import destination, server
from components.redis.derive import PORT as REDIS_PORT
from components.redis.derive import SENTINEL_PORT
from components.schema_registry.derive import NAME as REGISTRY
from components.schema_registry.derive import PORT as REGISTRY_PORT
from components.schema_registry.derive import is_encrypted
from components.sink.derive import pipelines
from components.tracing.names import GRPC_PORT

METRICS = "figures and names, no rows and no secrets; the network lets Prometheus alone in"
CONNECT_REST = "Strimzi's operator speaks HTTP to it; the network lets it, the workers and HAProxy alone in"
DRIVER = "PostgreSQL's driver encrypts where the server offers it; a server that is declared under postgres is always asked"
NODES_PORT = 9091
VAULT_PORT, VAULT_CLUSTER_PORT = 8200, 8201


@dataclass(frozen=True, slots=True)
class Hop:
    """``source`` opens connections to ``target``. ``mutual``: it proves by a certificate who it is. ``path`` is the part of the
    spec that says whether it is encrypted; ``accepted`` why it may be in plain text all the same, empty for what may not."""

    source: str
    target: str
    protocol: str
    port: int
    encrypted: bool
    mutual: bool
    path: str
    accepted: str = ""


def hops(spec: EnvironmentSpec) -> tuple[Hop, ...]:
    """All of them, in the order in which a change passes them; then what looks after them."""
    found = [*_kafka(spec), *_front(spec), *_connect(spec), *_mirror(spec), *_stores(spec), *_around(spec)]
    return tuple(dict.fromkeys(found))


def _kafka(spec: EnvironmentSpec) -> Iterator[Hop]:
    inside = spec.target == "kubernetes" or spec.kafka.tls.internal
    yield Hop("Kafka's nodes", "Kafka's nodes", "Kafka", NODES_PORT, inside, inside, "kafka.tls.internal")
    own = platform_listener(spec.kafka)
    for index, listener in enumerate(spec.kafka.listeners):
        who = "clients, the platform's own programs" if listener == own else "clients"
        mutual = listener.tls and listener.authentication == "tls"
        target = f"Kafka, listener {listener.name}"
        yield Hop(who, target, "Kafka", listener.port, listener.tls, mutual, f"kafka.listeners[{index}].tls")
    tiered = spec.kafka.tiered
    if tiered is not None and tiered.store == "s3":
        plain = tiered.endpoint is not None and tiered.endpoint.startswith("http://")
        yield Hop("Kafka's nodes", "object store", "HTTP", 443, not plain, False, "kafka.tiered.endpoint")


def _front(spec: EnvironmentSpec) -> Iterator[Hop]:
    """HAProxy from both sides; what stands behind it has no other clients but its own kind."""
    for backend in backends(spec):
        behind = backend.server_ca is not None
        if spec.haproxy is not None:
            mutual = spec.haproxy.tls.enabled and spec.haproxy.authentication_of(backend.name) == "tls"
            front = f"HAProxy, {backend.name}"
            yield Hop("clients", front, "HTTP", backend.port, spec.haproxy.tls.enabled, mutual, "haproxy.tls.enabled")
            accepted = CONNECT_REST if backend.name == CONNECT else ""
            path = f"{'connect' if accepted else 'schemaRegistry'}.tls.enabled"
            ports_ = sorted({server.port for server in backend.servers})
            yield from (Hop("HAProxy", backend.name, "HTTP", port, behind, False, path, accepted) for port in ports_)
    if spec.schema_registry is not None and (spec.schema_registry.replicas > 1 or spec.haproxy is None):
        encrypted = is_encrypted(spec)
        source = REGISTRY if spec.haproxy is not None else "clients"
        yield Hop(source, REGISTRY, "HTTP", REGISTRY_PORT, encrypted, False, "schemaRegistry.tls.enabled")


def _connect(spec: EnvironmentSpec) -> Iterator[Hop]:
    if spec.connect is not None:
        yield Hop("Connect's workers", "Connect's workers", "HTTP", REST_PORT, False, False, "connect", CONNECT_REST)
    if spec.stands_by:
        return
    for index, pipeline in enumerate(spec.pipelines):
        if pipeline.source.chosen is not None:
            kind = pipeline.source.chosen[0]
            reader = "the agents for Cassandra" if kind == "cassandra" else "Connect's workers"
            source = pipeline.source.chosen[1]
            port, tls = source.port or {"cassandra": 9042}.get(kind, 3306), source.tls
            mutual = tls is not None and tls.keystore is not None
            path = f"pipelines[{index}].source.{kind}"
            yield Hop(reader, f"the source of {pipeline.name} ({kind})", "SQL", port, tls is not None, mutual, path)


def _mirror(spec: EnvironmentSpec) -> Iterator[Hop]:
    mirror = spec.mirror_maker
    if mirror is not None and not mirror.failed_over:
        yield Hop("MirrorMaker", "MirrorMaker", "HTTP", REST_PORT, False, False, "mirrorMaker", CONNECT_REST)
        for port in ports(mirror.source):
            target = f"Kafka of {mirror.source.environment}"
            yield Hop("MirrorMaker", target, "Kafka", port, mirror.source.tls, False, "mirrorMaker.source.tls")


def _stores(spec: EnvironmentSpec) -> Iterator[Hop]:
    for _, pipeline in pipelines(spec):
        one = destination(spec, pipeline)
        path = "postgres.tls.enabled" if one.declared else "sink.postgresTls"
        encrypted = one.tls if one.declared else spec.sink is None or spec.sink.postgres_tls != "disable"
        yield Hop("sink workers", "PostgreSQL", "SQL", one.port, encrypted, bool(one.certificate), path)
    for index, pipeline in enumerate(spec.pipelines):
        if has_sink_connector(pipeline):
            one = destination(spec, pipeline)
            path, accepted = f"pipelines[{index}].sink", "" if one.declared else DRIVER
            yield Hop("Connect's workers", "PostgreSQL", "SQL", one.port, one.declared and one.tls, False, path, accepted)
    if spec.postgres is not None and watched_postgres(spec) == "exporter":
        port = server(spec, spec.postgres)[1]
        yield Hop(POSTGRES_EXPORTER, "PostgreSQL", "SQL", port, spec.postgres.encrypted, False, "postgres.tls.enabled")
    if spec.redis is not None:
        tls, path = spec.redis.tls.enabled, "redis.tls.enabled"
        if watched_redis(spec):
            yield Hop(REDIS_EXPORTER, "Redis, Sentinels", "RESP", REDIS_PORT, tls, False, path)
        yield Hop("sink workers, Redis, Sentinels", "Redis", "RESP", REDIS_PORT, tls, False, path)
        if spec.redis.sentinels:
            yield Hop("sink workers, Redis, Sentinels", "Sentinels", "RESP", SENTINEL_PORT, tls, False, path)


def _around(spec: EnvironmentSpec) -> Iterator[Hop]:
    """Secrets, traces and figures."""
    if spec.vault is not None:
        plain = spec.vault.external is not None and spec.vault.external.address.startswith("http://")
        tls = spec.vault.tls.enabled and not plain
        yield Hop("operators, workloads", "Vault", "HTTP", VAULT_PORT, tls, False, "vault.tls.enabled")
        if spec.vault.external is None and spec.target == "kubernetes" and spec.vault.nodes != 1:
            yield Hop("Vault's nodes", "Vault's nodes", "Raft", VAULT_CLUSTER_PORT, True, True, "vault")
    if spec.tracing is not None:
        own, tls = spec.tracing.backend is None, spec.tracing.tls.enabled
        yield Hop("Connect, sink workers", "OpenTelemetry collector", "OTLP", GRPC_PORT, tls, False, "tracing.tls.enabled")
        onward = spec.tracing.jaeger.tls.enabled if own else True
        target = "Jaeger" if own else "backend of traces"
        yield Hop("OpenTelemetry collector", target, "OTLP", GRPC_PORT, onward, False, "tracing.jaeger.tls.enabled")
    if spec.backup is not None and spec.backup.s3 is not None:
        plain = (spec.backup.s3.endpoint or "").startswith("http://")
        yield Hop("cdc backup", "object store", "HTTP", spec.backup.s3.port, not plain, False, "backup.s3.endpoint")
    if spec.observability is not None:
        for job in jobs(spec):
            target = job.hosts[0][0] if job.asked else job.name
            yield Hop("Prometheus", target, f"HTTP {job.path}", job.port, False, False, "observability", METRICS)
