"""Kafka as containers on one machine. Pure."""

import shlex
from collections.abc import Mapping

from components.core import versions
from components.core.context import Context
from components.core.jmx import RULES_FILE, with_agent
from components.core.rendered import SECRETS_DIRECTORY, HealthCheck, Mount, Rendered, Workload
from components.kafka import nodes
from components.kafka.desired_state import desired_state
from components.kafka.listeners import REPLICATION_PORT, SECRETS, needs_certificate, published_port
from components.kafka.nodes import CONTROLLER_PORT, Node
from components.kafka.properties import DATA, TIERED, server_properties
from components.kafka.spec import KafkaSpec
from components.kafka.state import KafkaState
from components.observability.jmx import kafka_rules

COMPONENT = "kafka"
BIN = "/opt/kafka/bin"
SERVER_PROPERTIES = "/etc/cdc/server.properties"
LOGGING = "/etc/cdc/log4j2.properties"
S3_CREDENTIALS = f"{SECRETS}/tiered-storage-credentials"
"""A credentials file of the AWS SDKs (``[default]``, ``aws_access_key_id = …``)."""

USER = "1000:1000"
"""``appuser`` of Kafka's own image."""

TEMPORARY = "/tmp:exec,mode=1777,size=64m"  # noqa: S108 - the container's own
"""Executable: zstd and snappy unpack their native libraries there, and cannot be loaded from docker's default ``noexec``."""

START_SECONDS = 300
"""How long a node may take before its health counts: after a crash it must first read its logs."""

CONSOLE_LOGGING = """# To the container's log only: a read-only root has no place for files, and docker rotates what it keeps.
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = console
logger.requests.name = kafka.request.logger
logger.requests.level = WARN
"""
_GARBAGE_COLLECTION = {
    "UseG1GC": "true",
    "MaxGCPauseMillis": "20",
    "InitiatingHeapOccupancyPercent": "35",
    "ExplicitGCInvokesConcurrent": "true",
}
"""What Kafka's start script sets unless it is told anything; telling it one option would lose the others."""


def render(kafka: KafkaSpec, state: KafkaState, context: Context, agent: str | None = None) -> Rendered:
    """One container and one volume per node, and the state that the cluster must then be brought to. ``agent`` is where the
    image has the JMX exporter, if anybody reads it."""
    workloads = tuple(_workload(kafka, node, context, agent) for node in nodes.nodes(kafka))
    files = {workload.tree_path(path): text for workload in workloads for path, text in workload.files.items()}
    return Rendered(
        workloads=workloads,
        volumes=tuple(sorted({mount.volume for workload in workloads for mount in workload.mounts if mount.volume})),
        files={**files, f"{COMPONENT}/desired-state.json": desired_state(kafka, state, context)},
    )


def _workload(kafka: KafkaSpec, node: Node, context: Context, agent: str | None) -> Workload:
    rules = {} if agent is None else {RULES_FILE: kafka_rules()}
    return Workload(
        component=COMPONENT,
        name=node.name,
        image=kafka.image or f"{versions.KAFKA_IMAGE.partition(':')[0]}:{kafka.version}",
        command=("bash", "-c", _start_script(kafka, node, context, agent)),
        environment=_environment(kafka, node),
        files={SERVER_PROPERTIES: server_properties(kafka, node, context), LOGGING: CONSOLE_LOGGING, **rules},
        mounts=_mounts(kafka, node),
        ports=_ports(kafka, node),
        tmpfs=(TEMPORARY,),
        user=USER,
        memory_bytes=node.pool.resources.memory,
        cpu_millicores=node.pool.resources.cpu_limit_millicores,
        health=HealthCheck(command=_health_command(node), start_period_seconds=START_SECONDS),
        depends_on=() if node.is_controller else tuple(voter.name for voter in nodes.controllers(kafka)),
        stateful=node.pool.storage.type == "persistent",
    )


def _start_script(kafka: KafkaSpec, node: Node, context: Context, agent: str | None) -> str:
    """Formats storage that is not yet formatted, then becomes Kafka. Later starts find it formatted and leave it alone."""
    formatting = [
        *(f"{BIN}/kafka-storage.sh", "format", "--ignore-formatted", "--config", SERVER_PROPERTIES),
        *("--cluster-id", nodes.cluster_id(kafka, context), "--release-version", kafka.metadata_version),
    ]
    if node.is_controller:
        formatting += ["--initial-controllers", nodes.initial_controllers(kafka, context)]
    watched = "" if agent is None else f"{{ {with_agent(agent, node.name)}; }} && "
    return f"{shlex.join(formatting)} && {watched}exec {BIN}/kafka-server-start.sh {SERVER_PROPERTIES}"


def _environment(kafka: KafkaSpec, node: Node) -> dict[str, str]:
    heap = f"{node.pool.heap_bytes >> 20}m"
    environment = {
        "EXTRA_ARGS": "-name kafkaServer",  # without -loggc, whose files would fill the memory behind /tmp
        "KAFKA_HEAP_OPTS": f"-Xms{heap} -Xmx{heap}",
        "KAFKA_LOG4J_OPTS": f"-Dlog4j2.configurationFile={LOGGING}",
        "LOG_DIR": "/tmp/kafka-logs",  # noqa: S108 - the container's own
    }
    if node.pool.jvm.options:
        environment["KAFKA_JVM_PERFORMANCE_OPTS"] = jvm_options(node.pool.jvm.options)
    if node.is_broker and kafka.tiered is not None and kafka.tiered.credentials is not None:
        environment["AWS_SHARED_CREDENTIALS_FILE"] = S3_CREDENTIALS
    return dict(sorted(environment.items()))


def jvm_options(chosen: Mapping[str, str]) -> str:
    """``-XX`` options over Kafka's own; another collector replaces G1 (a JVM refuses two)."""
    defaults = dict(_GARBAGE_COLLECTION)
    if any(name.startswith("Use") and name.endswith("GC") and value == "true" for name, value in chosen.items()):
        del defaults["UseG1GC"]
    merged = {**defaults, **chosen}
    return " ".join(["-server", *(_jvm_option(name, merged[name]) for name in sorted(merged)), "-Djava.awt.headless=true"])


def _jvm_option(name: str, value: str) -> str:
    if value in {"true", "false"}:
        return f"-XX:{'+' if value == 'true' else '-'}{name}"
    return f"-XX:{name}={value}"


def _mounts(kafka: KafkaSpec, node: Node) -> tuple[Mount, ...]:
    mounts = [Mount(DATA, volume=f"{node.name}-data")]
    tiered = kafka.tiered if node.is_broker else None
    if tiered is not None and tiered.store == "local":
        mounts.append(Mount(TIERED, volume=f"{kafka.name}-tiered"))
    if needs_certificate(kafka, node) or (tiered is not None and tiered.credentials is not None):
        mounts.append(Mount(SECRETS, host_path=f"{SECRETS_DIRECTORY}/{node.name}", read_only=True))
    return tuple(mounts)


def _ports(kafka: KafkaSpec, node: Node) -> tuple[tuple[int, int], ...]:
    hosts = [listener for listener in kafka.listeners if listener.type == "host" and node.is_broker]
    return tuple((published_port(listener, node), listener.port) for listener in hosts)


def _health_command(node: Node) -> tuple[str, ...]:
    """Whether the node accepts connections from its peers: Kafka opens its ports last, when it can serve. It needs no
    credentials, starts no JVM, and is not counted against the limits on clients' connections."""
    port = REPLICATION_PORT if node.is_broker else CONTROLLER_PORT
    return ("bash", "-c", f"exec 3<>/dev/tcp/{node.name}/{port}")
