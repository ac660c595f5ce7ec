"""What makes each alert fire: series that are well, and what they are otherwise, as ``promtool test rules`` reads them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.observability.alert import Alert

INTERVAL_SECONDS = 30
GOOD_MINUTES = 10
BAD_MINUTES = 8
"""On top of what the alert itself waits for: rates look back five minutes."""
RESOLVED_MINUTES = 8
DAY = 86_400

Series = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Scenario:
    """``gauges`` have a value while all is well and another while it is not; ``counters`` grow by so much a second."""

    gauges: Series = field(default_factory=dict)
    counters: Series = field(default_factory=dict)
    labels: str = ""
    """Some of those that the alert must have, in PromQL."""


_EVENTS = {'cdc_events_processed_total{pipeline="orders",tenant="shop",table="orders"}': (100.0, 100.0)}
_SHOP = 'owner="team-shop",pipeline="orders",tenant="shop"'
_REGISTRY = 'haproxy_backend_active_servers{job="haproxy",proxy="schema-registry"}'
_REDIS = 'job="redis"'
_ASKED, _TELLS = '{instance="e:9187"}', '{node="postgres-1"}'


def _gauge(name: str, good: float, bad: float, labels: str = "") -> Scenario:
    return Scenario({name: (good, bad)}, labels=labels)


def _sink(name: str, good: float, bad: float) -> Scenario:
    inside = 'pipeline="orders",tenant="shop",table="orders"'
    return _gauge(name.format(inside), good, bad, _SHOP)


def _sink_counter(name: str, labels: str, bad: float, more: Series | None = None) -> Scenario:
    series = f'{name}{{pipeline="orders",tenant="shop"{labels}}}'
    return Scenario(counters={series: (0.0, bad), **(more or {})}, labels=_SHOP)


SCENARIOS: Mapping[str, Scenario] = {
    "HighConsumerLag": _gauge(
        'kafka_consumergroup_lag{consumergroup="shop_orders_sink",topic="shop_orders_orders",partition="3"}',
        9_999,
        50_001,
        _SHOP,
    ),
    "PipelineBehind": _sink("cdc_replication_lag_seconds{{{}}}", 119, 121),
    "PipelineErrors": _sink_counter("cdc_error_total", ',table="orders",error_type="poison"', 1.2, _EVENTS),
    "DeadLetters": _sink("cdc_dlq_size{{{}}}", 1000, 1001),
    "DeadLettersNotSent": _gauge('cdc_dlq_outbox_size{pipeline="orders"}', 0, 1, _SHOP),
    "DeadLettersOld": _gauge('cdc_dlq_oldest_seconds{pipeline="orders",table="o"}', 86_400, 86_401, _SHOP),
    "SchemaReviewWaits": _gauge('cdc_schema_reviews_pending{pipeline="orders",table="o"}', 0, 1, _SHOP),
    "PipelinePaused": _gauge('cdc_partitions_paused{pipeline="orders"}', 0, 1, _SHOP),
    "PipelineHalted": _gauge('cdc_partitions_halted{pipeline="orders"}', 0, 1, _SHOP),
    "PipelineWithoutWorker": _gauge('cdc_partitions_assigned{pipeline="orders"}', 6, 0, _SHOP),
    "CircuitBreakerOpen": _gauge('cdc_circuit_breaker_state{pipeline="orders",service="postgres"}', 0, 2, _SHOP),
    "PostgresqlUnreachable": _sink_counter("cdc_error_total", ',table="",error_type="OperationalError"', 0.2),
    "RedisHintsFail": _sink_counter("cdc_redis_failures_total", "", 0.1),
    "OfflinePartitions": Scenario(
        {
            'kafka_topic_partitions{topic="a"}': (1, 1),
            'kafka_topic_partitions{topic="b"}': (0, 2),
            'kafka_topic_partition_leader{topic="a",partition="0"}': (1, 1),
        },
        labels='owner="platform"',
    ),
    "UnderReplicatedPartitions": _gauge('kafka_topic_partition_under_replicated_partition{topic="a",partition="0"}', 0, 1),
    "BrokersMissing": _gauge("kafka_brokers", 3, 0),
    "PartitionsRefuseWrites": _gauge('kafka_server_replicamanager_underminisrpartitioncount{instance="b-0"}', 0, 2),
    "NoActiveController": _gauge('kafka_controller_kafkacontroller_activecontrollercount{instance="c-100"}', 1, 0),
    "ConnectorFailed": _gauge('kafka_connect_connector_status{connector="orders-source",status="failed"}', 0, 1),
    "ConnectorTaskFailed": _gauge('kafka_connect_worker_connector_failed_task_count{connector="orders-source"}', 0, 1),
    "SourceBehind": _gauge('debezium_streaming_behind_source_seconds{server="shop_orders"}', 1, 301),
    "ConnectDown": _gauge('haproxy_backend_active_servers{job="haproxy",proxy="connect"}', 3, 0),
    "SchemaRegistryDown": Scenario({_REGISTRY: (3, 0), 'up{job="schema-registry",instance="r:9000"}': (1, 0)}),
    "SchemaRegistryDegraded": _gauge(_REGISTRY, 3, 2),
    "ServiceErrors": Scenario(
        counters={
            'haproxy_backend_http_responses_total{proxy="schema-registry",code="5xx"}': (0, 6),
            'haproxy_backend_http_responses_total{proxy="schema-registry",code="2xx"}': (100, 94),
        }
    ),
    "ReplicationBehind": _gauge('cdc_mirror_record_age_seconds{source="prod",topic="shop_orders",partition="0"}', 59, 61),
    "ReplicationTaskFailed": _gauge('cdc_mirror_tasks_failed{connector="mirror"}', 0, 1),
    "CertificateExpires": _gauge('probe_ssl_earliest_cert_expiry{instance="haproxy:8081"}', 15 * DAY, 13 * DAY),
    "CertificateExpiresSoon": _gauge('probe_ssl_earliest_cert_expiry{instance="haproxy:8081"}', 4 * DAY, 2 * DAY),
    "CertificateNotSeen": _gauge('probe_success{job="certificates",instance="haproxy:8081"}', 1, 0),
    "TargetDown": _gauge('up{job="kafka-exporter",instance="kafka-exporter:9308"}', 1, 0),
    "BackupTooOld": Scenario(
        {
            'kube_cronjob_status_last_successful_time{namespace="cdc",cronjob="backup-daily"}': (0, -200_000),
            'cdc_backup_ended_timestamp_seconds{stack="docker",kind="daily"}': (0, -200_000),
            'cdc_backup_ended_timestamp_seconds{stack="docker",kind="weekly"}': (0, 0),
        }
    ),
    "BackupNotSeen": Scenario(
        {
            'kube_cronjob_created{namespace="cdc",cronjob="backup-daily"}': (1, 0),
            'cdc_backup_ended_timestamp_seconds{stack="docker",kind="daily"}': (1, 0),
        }
    ),
    "RedisDown": _gauge(f'redis_up{{{_REDIS},instance="redis-1:6379"}}', 1, 0, 'instance="redis-1:6379"'),
    "RedisMemoryFull": Scenario(
        {
            'redis_memory_used_bytes{instance="redis-0:6379"}': (89, 91),
            'redis_memory_max_bytes{instance="redis-0:6379"}': (100, 100),
            'redis_memory_used_bytes{instance="redis-sentinel-0:26379"}': (5, 5),
            'redis_memory_max_bytes{instance="redis-sentinel-0:26379"}': (0, 0),
        },
        labels='instance="redis-0:6379"',
    ),
    "RedisNotPersisted": Scenario(
        {
            'redis_rdb_last_bgsave_status{instance="redis-0:6379"}': (1, 1),
            'redis_aof_last_bgrewrite_status{instance="redis-0:6379"}': (1, 1),
            'redis_aof_last_write_status{instance="redis-0:6379"}': (1, 0),
        }
    ),
    "RedisReplicationBroken": Scenario(
        {
            'redis_connected_slaves{instance="redis-0:6379"}': (2, 1),
            'redis_connected_slaves{instance="redis-1:6379"}': (0, 0),
        }
    ),
    "RedisMasterUnclear": Scenario(
        {
            'redis_instance_info{role="master",instance="redis-0:6379"}': (1, 1),
            'redis_instance_info{role="master",instance="redis-1:6379"}': (0, 1),
            'redis_up{instance="redis-2:6379"}': (1, 1),
        }
    ),
    "RedisSentinelsWithoutQuorum": _gauge(
        'redis_sentinel_master_ckquorum_status{instance="redis-sentinel-0:26379",master_name="cdc",message="OK 3 usable"}', 1, 0
    ),
    "PostgresqlDown": Scenario({f"pg_up{_ASKED}": (1, 0), f"cnpg_collector_up{_TELLS}": (1, 0)}),
    "PostgresqlConnections": Scenario(
        {
            'pg_stat_activity_count{instance="e:9187",state="active"}': (42, 43),
            'pg_stat_activity_count{instance="e:9187",state="idle"}': (42, 43),
            f"pg_settings_max_connections{_ASKED}": (100, 100),
            'cnpg_backends_total{node="postgres-1",state="active"}': (42, 43),
            'cnpg_backends_total{node="postgres-1",state="idle"}': (42, 43),
            'cnpg_pg_settings_setting{node="postgres-1",name="max_connections"}': (100, 100),
            'cnpg_pg_settings_setting{node="postgres-1",name="port"}': (5432, 5432),
        }
    ),
    "PostgresqlOldTransaction": Scenario(
        {
            'pg_stat_activity_max_tx_duration{instance="e:9187",datname="a",usename="bi",state="active"}': (1_799, 1_801),
            'pg_stat_activity_max_tx_duration{instance="e:9187",datname="a",usename="",state="active"}': (9_999, 9_999),
            'cnpg_backends_max_tx_duration_seconds{node="postgres-1",datname="a",usename="bi"}': (1_799, 1_801),
        },
        labels='datname="a",usename="bi"',
    ),
    "PostgresqlReplicaMissing": Scenario(
        {
            'cnpg_pg_replication_streaming_replicas{node="postgres-1"}': (2, 1),
            'cnpg_pg_replication_streaming_replicas{node="postgres-2"}': (0, 0),
        }
    ),
    "PostgresqlReplicationLag": _gauge('cnpg_pg_replication_lag{node="postgres-2"}', 59, 61, 'node="postgres-2"'),
    "PostgresqlDiskFills": Scenario(
        {
            'cnpg_pg_database_size_bytes{node="postgres-1",datname="a"}': (200 << 30, 220 << 30),
            'cnpg_pg_database_size_bytes{node="postgres-1",datname="b"}': (200 << 30, 220 << 30),
            'cnpg_collector_pg_wal{node="postgres-1",value="size"}': (1 << 30, 1 << 30),
        },
        labels='node="postgres-1"',
    ),
    "SpansLost": Scenario(
        counters={
            'otelcol_exporter_send_failed_spans_total{exporter="otlp"}': (0, 3),
            'otelcol_receiver_refused_spans_total{receiver="otlp"}': (0, 0),
        }
    ),
}


def _values(scenario: Scenario, bad: list[bool]) -> Iterator[dict[str, str]]:
    """``bad`` says for each sample whether it is."""
    for name, (good, wrong) in scenario.gauges.items():
        yield {"series": name, "values": " ".join(f"{wrong if is_bad else good:g}" for is_bad in bad)}
    for name, (good, wrong) in scenario.counters.items():
        total, samples = 0.0, []
        for is_bad in bad:
            total += (wrong if is_bad else good) * INTERVAL_SECONDS
            samples.append(f"{total:g}")
        yield {"series": name, "values": " ".join(samples)}


def batches(alerts: Sequence[Alert]) -> list[list[Alert]]:
    """Alerts whose scenarios share no metric, so that one timeline serves all of a batch."""
    found: list[tuple[set[str], list[Alert]]] = []
    for alert in alerts:
        scenario = SCENARIOS[alert.name]
        metrics = {name.partition("{")[0] for name in (*scenario.gauges, *scenario.counters)}
        for taken, batch in found:
            if not taken & metrics:
                taken.update(metrics)
                batch.append(alert)
                break
        else:
            found.append((metrics, [alert]))
    return [batch for _, batch in found]


def fires_and_resolves(batch: Sequence[Alert]) -> dict[str, Any]:
    """Well, ill for longer than each waits, well again: each fires once it has waited, and not before, and ends."""
    ill = max(alert.minutes for alert in batch) + BAD_MINUTES
    bad = [False] * _samples(GOOD_MINUTES) + [True] * _samples(ill) + [False] * _samples(RESOLVED_MINUTES + 2)
    began, ended = GOOD_MINUTES * 60, (GOOD_MINUTES + ill) * 60
    moments = [(began - INTERVAL_SECONDS, 0), (ended - INTERVAL_SECONDS, 1), (ended + RESOLVED_MINUTES * 60, 0)]
    checks = [_count(alert, at, fires) for alert in batch for at, fires in moments]
    checks += [_count(alert, began + alert.minutes * 60 - INTERVAL_SECONDS, 0) for alert in batch]
    return _test("fires and resolves", batch, bad, checks)


def stays_quiet_at_a_blip(batch: Sequence[Alert]) -> dict[str, Any]:
    """One sample that is bad, every ten minutes, is nothing to wake anybody for."""
    period = _samples(10)
    bad = [place % period == period // 2 for place in range(4 * period)]
    checks = [_count(alert, place * INTERVAL_SECONDS, 0) for alert in batch for place in range(0, 4 * period, 2)]
    return _test("stays quiet at a blip", batch, bad, checks)


def goes_on_firing(batch: Sequence[Alert]) -> dict[str, Any]:
    """Ill without a break: what fires does not stop in between."""
    first = GOOD_MINUTES + max(alert.minutes for alert in batch) + BAD_MINUTES
    bad = [False] * _samples(GOOD_MINUTES) + [True] * _samples(first + 12)
    checks = [_count(alert, (first + minute) * 60, 1) for alert in batch for minute in range(12)]
    return _test("goes on firing", batch, bad, checks)


def _count(alert: Alert, at_seconds: int, firing: int) -> dict[str, Any]:
    """How many alerts of this name, with the scenario's labels, fire at that time."""
    labels = SCENARIOS[alert.name].labels
    inside = ",".join(filter(None, [f'alertname="{alert.name}"', 'alertstate="firing"', labels]))
    samples = [{"labels": "{}", "value": firing}]
    return {"expr": f"count(ALERTS{{{inside}}}) or vector(0)", "eval_time": f"{at_seconds}s", "exp_samples": samples}


def _samples(minutes: int) -> int:
    return minutes * 60 // INTERVAL_SECONDS


def _test(name: str, batch: Sequence[Alert], bad: list[bool], checks: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": name,
        "interval": f"{INTERVAL_SECONDS}s",
        "input_series": [series for alert in batch for series in _values(SCENARIOS[alert.name], bad)],
        "promql_expr_test": checks,
    }
