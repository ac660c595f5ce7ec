"""Names in PromQL, and which of them each program exports."""

import re
from collections.abc import Iterator

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sink_worker.evolution.metrics import EvolutionMetrics
from sink_worker.metrics import Metrics

from components.mirror_maker import metrics as mirror
from components.observability import jmx
from components.tracing.names import COLLECTOR

_WORDS = {"by", "on", "without", "ignoring", "group_left", "group_right", "or", "and", "unless", "bool", "offset", "le"}
_LABELS = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)")
_NOT_NAMES = re.compile(r"\{[^}]*\}|\"[^\"]*\"|\[[^\]]*\]")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?!\w)(?!\s*\()")
_VALUES = re.compile(r"^label_values\(([a-zA-Z0-9_:]+),")

KAFKA_EXPORTER = {
    "kafka_brokers",
    "kafka_consumergroup_current_offset",
    "kafka_consumergroup_lag",
    "kafka_consumergroup_members",
    "kafka_topic_partition_current_offset",
    "kafka_topic_partition_leader",
    "kafka_topic_partition_under_replicated_partition",
    "kafka_topic_partitions",
}
"""From the program's own documents, release 1.9.0. It cannot be had here: nothing compares these with a real run."""

CLOUDNATIVE_PG = {
    *("cnpg_backends_max_tx_duration_seconds", "cnpg_backends_total", "cnpg_collector_pg_wal", "cnpg_collector_up"),
    *("cnpg_pg_database_size_bytes", "cnpg_pg_replication_lag", "cnpg_pg_replication_streaming_replicas"),
    "cnpg_pg_settings_setting",
}
"""Of CloudNativePG's servers themselves. Compared with the queries that its module has (test_metrics.py), not with a run."""

KUBE_STATE_METRICS = {"kube_cronjob_created", "kube_cronjob_status_last_successful_time"}
"""Of the cluster's own monitoring, from its documents, release 2.17; its Go module is not served here."""

EXPORTED: dict[str, set[str]] = {
    "kafka-exporter": KAFKA_EXPORTER,
    "kafka": {
        *(jmx.UNDER_MIN_ISR, jmx.UNDER_REPLICATED, jmx.ACTIVE_CONTROLLERS, jmx.OFFLINE_PARTITIONS),
        *(jmx.BYTES_IN, jmx.BYTES_OUT, jmx.REQUEST_SECONDS, jmx.HANDLERS_IDLE),
    },
    "connect": {jmx.CONNECTOR_STATUS, jmx.TASKS_FAILED, jmx.TASKS_RUNNING, jmx.SOURCE_LAG, jmx.SOURCE_CONNECTED},
    "mirror-maker": {
        *(mirror.RECORD_AGE, mirror.LATENCY, mirror.CHECKPOINT_LATENCY, mirror.RECORDS, mirror.BYTES, mirror.TASKS_FAILED)
    },
    "haproxy": {"haproxy_backend_active_servers", "haproxy_backend_http_responses_total"},
    "certificates": {"probe_ssl_earliest_cert_expiry", "probe_success"},
    "redis": {
        *("redis_aof_last_bgrewrite_status", "redis_aof_last_write_status", "redis_commands_processed_total"),
        *("redis_connected_clients", "redis_connected_slaves", "redis_instance_info", "redis_memory_max_bytes"),
        *("redis_memory_used_bytes", "redis_rdb_last_bgsave_status", "redis_sentinel_master_ckquorum_status", "redis_up"),
    },
    "postgres": {
        *("pg_database_size_bytes", "pg_settings_max_connections", "pg_stat_activity_count"),
        *("pg_stat_activity_max_tx_duration", "pg_up"),
    },
    "backup": {"cdc_backup_ended_timestamp_seconds", "cdc_backup_size_bytes"},
    COLLECTOR: {"otelcol_exporter_send_failed_spans_total", "otelcol_receiver_refused_spans_total"},
}
"""By job. Those of each but the first are compared with real runs: of MirrorMaker in test_mirror_contents.py, of Redis in
test_redis.py, of PostgreSQL in test_postgres.py, of the others in test_metrics.py and test_observed_pipeline.py. The sink
worker's are read from the worker itself."""

PROMETHEUS = {"up"}


def of_sink_worker() -> set[str]:
    """All that a worker exports."""
    metrics = Metrics("worker")
    EvolutionMetrics(metrics.registry)
    return exposed(generate_latest(metrics.registry).decode())


def all_exported() -> set[str]:
    """By any of the platform's programs."""
    return set().union(*EXPORTED.values(), of_sink_worker(), PROMETHEUS, KUBE_STATE_METRICS, CLOUDNATIVE_PG)


def exposed(text: str) -> set[str]:
    """The names of samples in Prometheus' text format, those included that have a type and no sample yet."""
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count", "")}
    found: set[str] = set()
    for family in text_string_to_metric_families(text):
        found |= {sample.name for sample in family.samples}
        found |= {f"{family.name}{ending}" for ending in endings.get(family.type, ("",))}
    return found


def named(expr: str) -> Iterator[str]:
    """The metrics that an expression, or a variable's query, names."""
    values = _VALUES.match(expr)
    if values:
        yield values[1]
        return
    for name in _NAME.findall(_NOT_NAMES.sub("", _LABELS.sub("", expr))):
        if name not in _WORDS:
            yield name
