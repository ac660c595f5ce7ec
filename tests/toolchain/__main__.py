"""Obtain the real programs: ``python -m tests.toolchain [NAME...]``, all of them without a name."""

import sys
import time
from collections.abc import Callable
from functools import partial

from tests.toolchain.cache import ToolUnavailable
from tests.toolchain.cassandra import cassandra_libs, cqlsh_packages, debezium_cassandra_agent
from tests.toolchain.compose import compose_loader
from tests.toolchain.debezium import debezium_plugin
from tests.toolchain.exporters import exporters
from tests.toolchain.haproxy import haproxy_program
from tests.toolchain.jaeger import jaeger_program
from tests.toolchain.java import java
from tests.toolchain.jmx_exporter import jmx_exporter
from tests.toolchain.kafka import kafka_libs
from tests.toolchain.kubernetes import chaos_crds, etcd, helm, keda_crds, kube_apiserver, kubectl, kustomize, strimzi_crds
from tests.toolchain.mariadb import mariadb_program
from tests.toolchain.opentelemetry import otel_java_agent
from tests.toolchain.postgres import cluster_definitions, default_queries, postgres_programs
from tests.toolchain.prometheus import monitoring_definitions, prometheus_programs
from tests.toolchain.redis import redis_server
from tests.toolchain.registry import avro_converter, registry_app
from tests.toolchain.s3 import s3_gateway
from tests.toolchain.vault import secret_definitions, vault_program


def pulumi() -> object:
    """The Pulumi command and its plugins."""
    from tests.toolchain.pulumi_cli import pulumi_toolchain

    return pulumi_toolchain()


def kafka_startup() -> object:
    """What lets Kafka's programs start quickly."""
    from tests.harness.kafka_startup import startup_folder

    return startup_folder()


TOOLS: dict[str, Callable[[], object]] = {
    "java": java,
    "etcd": etcd,
    "kafka": kafka_libs,
    "kafka-startup": kafka_startup,
    "strimzi-crds": strimzi_crds,
    "keda-crds": keda_crds,
    "chaos-crds": chaos_crds,
    "kube-apiserver": kube_apiserver,
    "postgresql": postgres_programs,
    "cloudnative-pg-crds": lambda: (cluster_definitions(), default_queries()),
    "mariadb": mariadb_program,
    "redis": redis_server,
    "s3-gateway": s3_gateway,
    "haproxy": haproxy_program,
    "jmx-exporter": jmx_exporter,
    "schema-registry": registry_app,
    "avro-converter": avro_converter,
    "debezium-mariadb": partial(debezium_plugin, "mariadb"),
    "debezium-mysql": partial(debezium_plugin, "mysql"),
    "debezium-jdbc": partial(debezium_plugin, "jdbc"),
    "cassandra": cassandra_libs,
    "cqlsh": cqlsh_packages,
    "debezium-cassandra": debezium_cassandra_agent,
    "kubectl": kubectl,
    "pulumi": pulumi,
    "helm": helm,
    "kustomize": kustomize,
    "compose": compose_loader,
    "secret-crds": secret_definitions,
    "vault": vault_program,
    "prometheus": prometheus_programs,
    "exporters": exporters,
    "monitoring-crds": monitoring_definitions,
    "jaeger": jaeger_program,
    "otel-java-agent": otel_java_agent,
}


_WORTH_TELLING_SECONDS = 2.0
"""What is there already is found in less."""


def main(names: list[str]) -> int:
    """Obtain each named tool, telling on standard error how long those that were missing took; 1 when one cannot be had."""
    unknown = [name for name in names if name not in TOOLS]
    if unknown:
        _say(f"no such tool: {', '.join(unknown)}; there are: {', '.join(TOOLS)}")
        return 1
    missing = [name for name in names or TOOLS if not _obtain(name)]
    if missing:
        _say(f"missing: {', '.join(missing)}")
    return 1 if missing else 0


def _obtain(name: str) -> bool:
    began = time.monotonic()
    try:
        TOOLS[name]()
    except ToolUnavailable as error:
        _say(f"{name:<16} MISSING after {time.monotonic() - began:.1f} s\n{error}")
        return False
    if time.monotonic() - began > _WORTH_TELLING_SECONDS:
        _say(f"{name:<16} {time.monotonic() - began:.1f} s")
    return True


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
