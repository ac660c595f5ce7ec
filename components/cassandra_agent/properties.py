"""The files of an agent: its settings, the driver's, the JVM's, and how it starts. Pure."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.connect.names import database_secret
from components.connect.routes import Route, routes, topic_prefix
from components.connect.source_tls import KEYSTORE, PASSWORD, TRUSTSTORE, store_file, tls_files
from components.core import properties_text
from components.core.secrets import SecretFile, referenced
from components.kafka.clients import KafkaClient, kafka_client, providers
from components.kafka.derive import pipeline_user
from components.pipelines.spec import DatabaseSourceSpec, PipelineSpec

if TYPE_CHECKING:
    from components.cassandra_agent.spec import CassandraAgentSpec
    from components.environment import EnvironmentSpec

FOLDER, SECRETS, STATE = "/etc/cdc", "/run/secrets/cassandra-agent", "/var/lib/debezium"
HTTP_PORT = 8089
"""Not one that programs beside Cassandra use: a pod of its has one network for all of them."""
CQL_PORT = 9042
POLL_MS = 2_000
"""How often the commit log is looked at, in place of ten seconds. A write of a column that was added within this time and
:data:`SCHEMA_MS` before may be met before the agent knows the column, and is then skipped for ever."""
SCHEMA_MS = 100
"""How long the driver gathers changes of the schema before it looks at them, in place of a second."""
_DRIVER = "/tmp/driver.conf"  # noqa: S108 - the container's own
_MARK, _STORES_MARK = "<password>", "<store password>"
_EXPORTED = (
    *("java.base/jdk.internal.misc", "java.base/jdk.internal.ref", "java.base/sun.nio.ch", "java.base/java.lang.ref"),
    *("java.management.rmi/com.sun.jmx.remote.internal.rmi", "java.rmi/sun.rmi.registry", "java.rmi/sun.rmi.server"),
    *("java.rmi/sun.rmi.transport.tcp", "java.sql/java.sql", "jdk.unsupported/sun.misc", "java.base/java.lang.reflect"),
)
_OPENED = (
    *("java.base/java.lang.module", "java.base/jdk.internal.loader", "java.base/jdk.internal.ref"),
    *("java.base/jdk.internal.reflect", "java.base/jdk.internal.math", "java.base/jdk.internal.module"),
    *("java.base/jdk.internal.util.jar", "jdk.management/com.sun.management.internal", "java.base/sun.nio.ch"),
    *("java.base/java.io", "java.base/java.nio", "java.base/java.util.concurrent", "java.base/java.util"),
    *("java.base/java.util.concurrent.atomic", "java.base/java.lang", "java.base/java.math", "java.base/java.lang.reflect"),
    "java.base/java.net",
)
JVM_FLAGS = (
    "-Djdk.attach.allowAttachSelf=true",
    *(f"--add-exports={name}=ALL-UNNAMED" for name in _EXPORTED),
    *(f"--add-opens={name}=ALL-UNNAMED" for name in _OPENED),
)
"""What Cassandra's own classes, which the agent reads files with, need of Java 17 (its ``jvm17-server.options``)."""

SNAPSHOT_MODES = {"initial": "INITIAL", "no_data": "NEVER", "always": "ALWAYS"}
"""The agent's words for those of the pipelines' ``connector.snapshot`` that it can do. Its snapshot ends at the first cell with
a time to live (3.4.1 reads those four bytes as eight), so tables that have such need ``no_data``."""

_JSON = "org.apache.kafka.connect.json.JsonConverter"
_OWNED = (
    *("connector.name", "topic.", "cassandra.", "kafka.producer.", "offset.backing.store.dir", "commit.log.relocation.dir"),
    *("http.port", "snapshot.mode", "key.converter", "value.converter", "decimal.handling.mode", "varint.handling.mode"),
    "event.order.guarantee.mode",
)


def is_owned(key: str) -> bool:
    """Whether the platform sets this key of an agent."""
    return key.startswith(_OWNED)


def agent_name(environment: "EnvironmentSpec", pipeline: PipelineSpec) -> str:
    """The container's, the ConfigMap's and the sidecar's name."""
    return f"{environment.kafka.name}-cassandra-{pipeline.name}"


def client_of(environment: "EnvironmentSpec", pipeline: PipelineSpec) -> KafkaClient:
    """How the agent reaches Kafka: as its pipeline's source user."""
    return kafka_client(environment.kafka, environment.context, pipeline_user(pipeline, "source"))


def secrets(environment: "EnvironmentSpec", pipeline: PipelineSpec, source: DatabaseSourceSpec) -> tuple[SecretFile, ...]:
    """The files in its folder of secrets."""
    password = referenced(source.password, database_secret(pipeline, "source"), f"{pipeline.name}-source-database")
    return tuple(sorted([*client_of(environment, pipeline).secrets, password, *tls_files(pipeline, source)]))


def files(
    environment: "EnvironmentSpec", agent: "CassandraAgentSpec", pipeline: PipelineSpec, source: DatabaseSourceSpec
) -> dict[str, str]:
    """By name; all lie in :data:`FOLDER`."""
    return {
        "debezium.properties": _properties(environment, agent, pipeline, source),
        "driver.conf": _driver(agent, pipeline, source),
        "jvm.options": _jvm_options(agent),
        "logback.xml": _LOGGING,
        "start.sh": _start(agent, pipeline, source),
    }


def _properties(
    environment: "EnvironmentSpec", agent: "CassandraAgentSpec", pipeline: PipelineSpec, source: DatabaseSourceSpec
) -> str:
    """Numbers are kept whole: by default decimals become doubles, and varints lose their upper bits. They are texts, which also
    a partition's deletion can leave out of its key: the agent ends where a decimal that is part of the key is a structure."""
    client = client_of(environment, pipeline)
    route = _route(environment, pipeline)
    return properties_text.dump(
        {
            "Source": {
                "connector.name": pipeline.name,
                "cassandra.config": agent.cassandra_config,
                "cassandra.driver.config.file": _DRIVER,
                "commit.log.relocation.dir": f"{agent.data}/cdc_relocated",
                "commit.log.real.time.processing.enabled": True,
                "commit.log.marked.complete.poll.interval.ms": POLL_MS,
                "offset.backing.store.dir": f"{STATE}/{pipeline.name}",
                "snapshot.mode": SNAPSHOT_MODES[pipeline.connector.snapshot],
                "decimal.handling.mode": "string",
                "varint.handling.mode": "string",
                "event.order.guarantee.mode": "PARTITION_VALUES",
                "http.port": HTTP_PORT,
            },
            "Topics": {
                "topic.prefix": topic_prefix(pipeline, environment.naming),
                "topic.naming.strategy": "io.debezium.schema.SchemaRegexTopicNamingStrategy",
                "topic.regex": route.regex,
                "topic.replacement": route.replacement,
            },
            "Records": {
                "key.converter": _JSON,
                "key.converter.schemas.enable": True,
                "value.converter": _JSON,
                "value.converter.schemas.enable": True,
            },
            "Kafka": {
                f"kafka.producer.{key}": value
                for key, value in {**providers(client.rotated), **client.properties(SECRETS), "acks": "all"}.items()
            },
            "Further": dict(sorted(agent.config.items())),
        }
    )


def _route(environment: "EnvironmentSpec", pipeline: PipelineSpec) -> Route:
    """The one pattern of all its tables; the others are for what an agent does not write."""
    return routes(pipeline, environment.naming)[-1]


def _driver(agent: "CassandraAgentSpec", pipeline: PipelineSpec, source: DatabaseSourceSpec) -> str:
    """Without the passwords, which are added where it starts. HOCON takes JSON's strings."""
    contact = json.dumps(f"{source.host}:{source.port or CQL_PORT}")
    return (
        "datastax-java-driver {\n"
        f"  basic.contact-points = [{contact}]\n"
        f"  advanced.metadata.schema.debouncer.window = {SCHEMA_MS} milliseconds\n"
        f"  basic.load-balancing-policy.local-datacenter = {json.dumps(agent.datacenter)}\n"
        "  advanced.auth-provider.class = PlainTextAuthProvider\n"
        f"  advanced.auth-provider.username = {json.dumps(source.user)}\n"
        f'  advanced.auth-provider.password = "{_MARK}"\n'
        f"{''.join(_encryption(pipeline, source))}"
        "}\n"
    )


def _encryption(pipeline: PipelineSpec, source: DatabaseSourceSpec) -> Iterator[str]:
    """The driver's own engine, which compares the host's name where it is told to."""
    if source.tls is None:
        return
    engine = "  advanced.ssl-engine-factory"
    yield f"{engine}.class = DefaultSslEngineFactory\n"
    yield f"{engine}.hostname-validation = true\n"
    for what, reference in ((TRUSTSTORE, source.tls.truststore), (KEYSTORE, source.tls.keystore)):
        if reference is not None:
            yield f"{engine}.{what}-path = {json.dumps(f'{SECRETS}/{store_file(pipeline, what)}')}\n"
            yield f'{engine}.{what}-password = "{_STORES_MARK}"\n'


def _jvm_options(agent: "CassandraAgentSpec") -> str:
    heap = f"{agent.heap_bytes >> 20}m"
    lines = [f"-Xms{heap}", f"-Xmx{heap}", f"-Dcassandra.storagedir={agent.data}"]
    lines += [f"-Dcassandra.config=file://{agent.cassandra_config}", f"-Dlogback.configurationFile={FOLDER}/logback.xml"]
    lines += JVM_FLAGS
    return "\n".join(lines) + "\n"


_LOGGING = """<configuration>
  <appender name="all" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX,UTC} %-5level %logger{20} %msg%n</pattern></encoder>
  </appender>
  <logger name="io.debezium" level="INFO"/>
  <root level="WARN"><appender-ref ref="all"/></root>
</configuration>
"""
"""Without a file of its own the agent logs each mutation that it reads, values included, at the level DEBUG."""

_FILL = r"""BEGIN { getline secret < file; gsub(/\\/, "\\\\", secret); gsub(/"/, "\\\"", secret) }
{ at = index($0, mark); print at ? substr($0, 1, at - 1) secret substr($0, at + length(mark)) : $0 }"""
"""Puts the first line of a file in a mark's place, escaped as JSON is."""


def _start(agent: "CassandraAgentSpec", pipeline: PipelineSpec, source: DatabaseSourceSpec) -> str:
    """The driver takes its passwords from its file only: that is made in memory, readable by nobody else."""
    marks = {_MARK: database_secret(pipeline, "source")}
    if source.tls is not None and source.tls.password is not None:
        marks[_STORES_MARK] = store_file(pipeline, PASSWORD)
    fills = [f"awk -v file={SECRETS}/{file} -v mark='{mark}' '{_FILL}'" for mark, file in marks.items()]
    filled = " | ".join([f"{fills[0]} {FOLDER}/driver.conf", *fills[1:]])
    return (
        "#!/bin/sh\n"
        "set -eu\n"
        "umask 077\n"
        f"{filled} > {_DRIVER}\n"
        f"exec java @{FOLDER}/jvm.options -jar {agent.jar} {FOLDER}/debezium.properties\n"
    )
