"""What stands in for each container image that the docker target names: one line per image."""

from collections.abc import Callable, Mapping

from tests.harness.apicurio_image import apicurio_image
from tests.harness.cassandra_image import cassandra_agent_image, cassandra_image
from tests.harness.cdc_image import cdc_image
from tests.harness.compose_project import Image
from tests.harness.connect_image import connect_image
from tests.harness.haproxy_image import haproxy_image
from tests.harness.jaeger_image import jaeger_image
from tests.harness.kafka_image import kafka_image
from tests.harness.mariadb_image import mariadb_image
from tests.harness.monitoring_images import (
    grafana_image,
    kafka_exporter_image,
    node_exporter_image,
    postgres_exporter_image,
    prometheus_image,
    redis_exporter_image,
)
from tests.harness.postgres_image import postgres_image
from tests.harness.redis_image import redis_image
from tests.harness.sink_image import sink_image
from tests.harness.vault_image import vault_image

IMAGES: Mapping[str, Callable[[], Image]] = {
    "acme/sink-worker": sink_image,
    "apache/kafka": kafka_image,
    "apicurio/apicurio-registry": apicurio_image,
    "cassandra": cassandra_image,
    "cdc-platform/cassandra-agent": cassandra_agent_image,
    "danielqsj/kafka-exporter": kafka_exporter_image,
    "grafana/grafana": grafana_image,
    "cdc-platform/cdc": cdc_image,
    "cdc-platform/sink-worker": sink_image,
    "haproxy": haproxy_image,
    "hashicorp/vault": vault_image,
    "jaegertracing/jaeger": jaeger_image,
    "mariadb": mariadb_image,
    "oliver006/redis_exporter": redis_exporter_image,
    "postgres": postgres_image,
    "prom/node-exporter": node_exporter_image,
    "prom/prometheus": prometheus_image,
    "quay.io/debezium/connect": connect_image,
    "quay.io/prometheuscommunity/postgres-exporter": postgres_exporter_image,
    "redis": redis_image,
}


def image(name: str) -> Image:
    """The stand-in for ``<repository>:<tag>``. Raises :class:`KeyError` for a repository that has none."""
    return IMAGES[name.partition("@")[0].rpartition(":")[0] or name]()
