"""The files of an agent: its settings, the driver's, the JVM's, and how it starts. Pure."""

import json
from typing import TYPE_CHECKING

from components.connect.names import database_secret
from components.connect.routes import Route, routes, topic_prefix
from components.core import properties_text
from components.core.secrets import SecretFile, referenced
from components.kafka.clients import DIRECTORY_PROVIDER, KafkaClient, kafka_client
from components.kafka.derive import pipeline_user
from components.pipelines.spec import DatabaseSourceSpec, PipelineSpec

if TYPE_CHECKING:
    from components.cassandra_agent.spec import CassandraAgentSpec
    from components.environment import EnvironmentSpec

FOLDER, SECRETS, STATE = "/etc/cdc", "/run/secrets/cassandra-agent", "/var/lib/debezium"
HTTP_PORT = 8000
CQL_PORT = 9042
_DRIVER = "/tmp/driver.conf"  # noqa: S108 - the container's own
_MARK = "<password>"
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
"""What Cassandra's own classes, which the agent reads files with, need of Java 17 (its ``jvm17-server.options``)."""

_JSON = "org.apache.kafka.connect.json.JsonConverter"
_OWNED = (
    *("connector.name", "topic.", "cassandra.", "kafka.producer.", "offset.backing.store.dir", "commit.log.relocation.dir"),
    *("http.port", "key.converter", "value.converter", "decimal.handling.mode", "varint.handling.mode"),
    "event.order.guarantee.mode",
)


def is_owned(key: str) -> bool:
    """Whether the platform sets this key of an agent."""
    return key.startswith(_OWNED)


def client_of(environment: "EnvironmentSpec", pipeline: PipelineSpec) -> KafkaClient:
    """How the agent reaches Kafka: as its pipeline's source user."""
    return kafka_client(environment.kafka, environment.context, pipeline_user(pipeline, "source"))


def secrets(environment: "EnvironmentSpec", pipeline: PipelineSpec, source: DatabaseSourceSpec) -> tuple[SecretFile, ...]:
    """The files in its folder of secrets."""
    password = referenced(source.password, database_secret(pipeline, "source"), f"{pipeline.name}-source-database")
    return tuple(sorted([*client_of(environment, pipeline).secrets, password]))


def files(
    environment: "EnvironmentSpec", agent: "CassandraAgentSpec", pipeline: PipelineSpec, source: DatabaseSourceSpec
) -> dict[str, str]:
    """By name; all lie in :data:`FOLDER`."""
    return {
        "debezium.properties": _properties(environment, agent, pipeline, source),
        "driver.conf": _driver(agent, source),
        "jvm.options": _jvm_options(agent),
        "start.sh": _start(agent, pipeline),
    }


def _properties(
    environment: "EnvironmentSpec", agent: "CassandraAgentSpec", pipeline: PipelineSpec, source: DatabaseSourceSpec
) -> str:
    """Numbers are kept whole: by default decimals become doubles, and varints lose their upper bits."""
    client = client_of(environment, pipeline)
    route = _route(environment, pipeline)
    return properties_text.dump(
        {
            "Source": {
                "connector.name": pipeline.name,
                "cassandra.config": agent.cassandra_config,
                "cassandra.driver.config.file": _DRIVER,
                "cassandra.hosts": source.host,
                "cassandra.port": source.port or CQL_PORT,
                "commit.log.relocation.dir": f"{agent.data}/cdc_relocated",
                "commit.log.real.time.processing.enabled": True,
                "offset.backing.store.dir": f"{STATE}/{pipeline.name}",
                "snapshot.mode": "INITIAL",
                "decimal.handling.mode": "precise",
                "varint.handling.mode": "precise",
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
                for key, value in {**DIRECTORY_PROVIDER, **client.properties(SECRETS), "acks": "all"}.items()
            },
            "Further": dict(sorted(agent.config.items())),
        }
    )


def _route(environment: "EnvironmentSpec", pipeline: PipelineSpec) -> Route:
    """The one pattern of all its tables; the others are for what an agent does not write."""
    return routes(pipeline, environment.naming)[-1]


def _driver(agent: "CassandraAgentSpec", source: DatabaseSourceSpec) -> str:
    """Without the password, which is added where it starts. HOCON takes JSON's strings."""
    contact = json.dumps(f"{source.host}:{source.port or CQL_PORT}")
    return (
        "datastax-java-driver {\n"
        f"  basic.contact-points = [{contact}]\n"
        f"  basic.load-balancing-policy.local-datacenter = {json.dumps(agent.datacenter)}\n"
        "  advanced.auth-provider.class = PlainTextAuthProvider\n"
        f"  advanced.auth-provider.username = {json.dumps(source.user)}\n"
        f'  advanced.auth-provider.password = "{_MARK}"\n'
        "}\n"
    )


def _jvm_options(agent: "CassandraAgentSpec") -> str:
    heap = f"{agent.heap_bytes >> 20}m"
    lines = [f"-Xms{heap}", f"-Xmx{heap}", f"-Dcassandra.storagedir={agent.data}"]
    lines += [f"-Dcassandra.config=file://{agent.cassandra_config}", "-Djdk.attach.allowAttachSelf=true"]
    lines += [f"--add-exports={name}=ALL-UNNAMED" for name in _EXPORTED]
    lines += [f"--add-opens={name}=ALL-UNNAMED" for name in _OPENED]
    return "\n".join(lines) + "\n"


_FILL = r"""BEGIN { getline secret < file; gsub(/\\/, "\\\\", secret); gsub(/"/, "\\\"", secret) }
{ at = index($0, mark); print at ? substr($0, 1, at - 1) secret substr($0, at + length(mark)) : $0 }"""
"""Puts the first line of a file in a mark's place, escaped as JSON is."""


def _start(agent: "CassandraAgentSpec", pipeline: PipelineSpec) -> str:
    """The driver takes its password from its file only: that is made in memory, readable by nobody else."""
    file = f"{SECRETS}/{database_secret(pipeline, 'source')}"
    return (
        "#!/bin/sh\n"
        "set -eu\n"
        "umask 077\n"
        f"awk -v file={file} -v mark='{_MARK}' '{_FILL}' {FOLDER}/driver.conf > {_DRIVER}\n"
        f"exec java @{FOLDER}/jvm.options -jar {agent.jar} {FOLDER}/debezium.properties\n"
    )
