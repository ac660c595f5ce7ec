"""MirrorMaker 2 in its dedicated mode, as containers on one machine. Pure."""

import shlex

from components.core import versions
from components.core.jmx import RULES_FILE, with_agent
from components.core.properties_text import Scalar, dump
from components.core.rendered import HealthCheck, Rendered, Workload
from components.core.secrets import mounted
from components.environment import EnvironmentSpec
from components.kafka.clients import kafka_client, providers
from components.mirror_maker import derive, metrics, settings
from components.mirror_maker.names import COMPONENT, REST_PORT, SOURCE, node_name, source_client
from components.mirror_maker.spec import MirrorMakerSpec
from components.observability.derive import agent

PROPERTIES = "/etc/cdc/mm2.properties"
LOGGING = "/etc/cdc/log4j2.properties"
SECRETS = "/run/secrets/mirror-maker"
TEMPORARY = "/tmp:exec,mode=1777,size=64m"  # noqa: S108 - the container's own
"""Executable: lz4, zstd and snappy unpack their native libraries there."""

USER = "1000:1000"
"""``appuser`` of Kafka's own image."""

FAILED_TASK = "will not recover until manually restarted"
"""What Connect says of a task that it gives up. Dedicated mode has no way to start one again but to start the node again."""

STOP_SECONDS = 20
"""How long a node that is to begin anew may take to end: with a source that is gone it may wait for it."""

START = f"""exec /opt/kafka/bin/connect-mirror-maker.sh {{arguments}} > >(while IFS= read -r line; do printf '%s\\n' "$line"
  case "$line" in *{shlex.quote(FAILED_TASK)}*) kill -TERM $$; sleep {STOP_SECONDS}; kill -KILL $$ ;; esac
done) 2>&1"""
"""Becomes the node, and ends it when one of its tasks is given up, so that the container's restart policy begins it anew."""

_LOGGING = """# To the container's log only: a read-only root has no place for files, and docker rotates what it keeps.
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d] %p %X{connector.context}%m (%c)%n
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = console
"""
Section = dict[str, Scalar]


def render(mirror: MirrorMakerSpec, spec: EnvironmentSpec) -> Rendered:
    """One container for each node; none once this environment has taken over."""
    nodes = () if mirror.failed_over else range(mirror.replicas)
    workloads = tuple(_workload(mirror, node, spec) for node in nodes)
    files = {workload.tree_path(path): text for workload in workloads for path, text in workload.files.items()}
    return Rendered(workloads=workloads, files=files)


def _workload(mirror: MirrorMakerSpec, node: int, spec: EnvironmentSpec) -> Workload:
    name = node_name(spec.kafka.name, node)
    heap = f"{mirror.heap_bytes >> 20}m"
    arguments = shlex.join([PROPERTIES, "--clusters", spec.name])
    pattern = agent(spec, COMPONENT)
    watched = "" if pattern is None else f"{with_agent(pattern, name)}; "
    rules = {} if pattern is None else {RULES_FILE: metrics.exporter_rules()}
    return Workload(
        component=COMPONENT,
        name=name,
        image=mirror.image or versions.KAFKA_IMAGE,
        command=("bash", "-c", watched + START.format(arguments=arguments)),
        environment={
            "EXTRA_ARGS": "-name mirrorMaker",  # without -loggc, whose files would fill the memory behind /tmp
            "KAFKA_HEAP_OPTS": f"-Xms{heap} -Xmx{heap}",
            "KAFKA_LOG4J_OPTS": f"-Dlog4j2.configurationFile={LOGGING}",
            "LOG_DIR": "/tmp/kafka-logs",  # noqa: S108 - the container's own
        },
        files={PROPERTIES: mm2_properties(mirror, spec, name), LOGGING: _LOGGING, **rules},
        mounts=(mounted(name, SECRETS),) if _has_secrets(mirror, spec) else (),
        tmpfs=(TEMPORARY,),
        user=USER,
        memory_bytes=mirror.resources.memory,
        cpu_millicores=mirror.resources.cpu_limit_millicores,
        health=HealthCheck(command=("bash", "-c", f"exec 3<>/dev/tcp/{name}/{REST_PORT}"), start_period_seconds=120),
        depends_on=tuple(f"{spec.kafka.name}-brokers-{broker}" for broker in range(spec.kafka.brokers.replicas)),
    )


def mm2_properties(mirror: MirrorMakerSpec, spec: EnvironmentSpec, node: str) -> str:
    """The file of ``connect-mirror-maker``: what belongs to a cluster begins with its alias, to the pair with ``a->b``.

    Nothing flows back: no herder is begun towards the source, not even for heartbeats, which would write there.
    """
    source, target = mirror.source.cluster_alias, spec.name
    pair, back = f"{source}->{target}", f"{target}->{source}"
    connectors = settings.source_connector(mirror, spec) | settings.checkpoint_connector(mirror, spec)
    return dump(
        {
            "Clusters": {"clusters": f"{source},{target}"},
            "Secrets": _secrets(spec) if _has_secrets(mirror, spec) else {},
            "Nodes of this MirrorMaker": {
                "dedicated.mode.enable.internal.rest": True,
                "listeners": f"http://{node}:{REST_PORT}",
                "rest.advertised.host.name": node,
            },
            "The source": _with(source, _source(mirror)),
            "The target": _with(target, _target(mirror, spec)),
            "What is mirrored": _with(pair, {"enabled": True, "tasks.max": mirror.tasks_max, **settings.names(mirror, spec)}),
            "How it is mirrored": _with(pair, connectors | _heartbeats(mirror, spec)),
            "Nothing flows back": _with(back, {"enabled": False, "emit.heartbeats.enabled": False}),
        }
    )


def _has_secrets(mirror: MirrorMakerSpec, spec: EnvironmentSpec) -> bool:
    clients = (source_client(mirror.source), kafka_client(spec.kafka, spec.context, derive.WRITER))
    return any(client.secrets for client in clients)


def _secrets(spec: EnvironmentSpec) -> Section:
    return {**providers(spec.context.rotates_logins, SECRETS)}


def _heartbeats(mirror: MirrorMakerSpec, spec: EnvironmentSpec) -> Section:
    return {
        "emit.heartbeats.enabled": True,
        "emit.heartbeats.interval.seconds": mirror.heartbeats // 1000,
        "heartbeats.topic.replication.factor": settings.replication_factor(mirror, spec),
    }


def _source(mirror: MirrorMakerSpec) -> Section:
    client: Section = {**source_client(mirror.source).properties(f"{SECRETS}/{SOURCE}")}
    if mirror.source.ca is None:
        client = {key: value for key, value in client.items() if not key.startswith("ssl.truststore.")}
    return {**client, **settings.source_consumer(mirror)}


def _target(mirror: MirrorMakerSpec, spec: EnvironmentSpec) -> Section:
    own: Section = {
        "group.id": derive.group_id(mirror),
        **{f"{what}.storage.topic": derive.storage_topic(mirror, topic) for what, topic in derive.STORAGE.items()},
        "offset.storage.partitions": derive.OFFSET_PARTITIONS,
        "status.storage.partitions": derive.STATUS_PARTITIONS,
    }
    return {**kafka_client(spec.kafka, spec.context, derive.WRITER).properties(SECRETS), **own, **settings.worker(mirror, spec)}


def _with(prefix: str, section: Section) -> Section:
    return {f"{prefix}.{key}": value for key, value in section.items()}
