"""Alerts over what all pipelines stand on: brokers, Connect, the registry, certificates, the standby. Pure.

Thresholds are those that operators of Kafka agree on, or the spec's own.
"""

from collections.abc import Iterator

from components.backup.names import COMPONENT as BACKUP
from components.core.quantities import format_duration
from components.environment import EnvironmentSpec
from components.mirror_maker import metrics as mirror
from components.observability import jmx
from components.observability.alert import LEADERLESS, TIME_LEFT, Alert
from components.observability.scraping import jobs
from components.schema_registry import derive as registry

_SERVER_ERRORS_RATIO = 0.05
CRON_JOB_MADE, CRON_JOB_SUCCEEDED = "kube_cronjob_created", "kube_cronjob_status_last_successful_time"
"""Of kube-state-metrics."""


def topics(spec: EnvironmentSpec) -> Iterator[Alert]:
    """What any client can see of the cluster, so that it needs nothing of the brokers."""
    yield Alert(
        "OfflinePartitions",
        "brokers",
        f"{LEADERLESS} > 0",
        1,
        "critical",
        "{{ $value }} partitions have no leader",
        "They can neither be read nor written.",
    )
    yield Alert(
        "UnderReplicatedPartitions",
        "brokers",
        "count(kafka_topic_partition_under_replicated_partition == 1) > 0",
        10,
        "warning",
        "{{ $value }} partitions have fewer replicas in sync than they should",
        "A broker is down or slow; another loss may stop writes.",
    )
    wanted = spec.kafka.brokers.replicas
    yield Alert(
        "BrokersMissing",
        "brokers",
        f"kafka_brokers < {wanted}",
        5,
        "critical",
        f"{{{{ $value }}}} of {wanted} brokers are there",
        "See why the others do not run.",
    )


def nodes() -> Iterator[Alert]:
    """What only the nodes themselves know."""
    yield Alert(
        "PartitionsRefuseWrites",
        "brokers",
        f"sum({jmx.UNDER_MIN_ISR}) > 0",
        2,
        "critical",
        "{{ $value }} partitions refuse writes: too few replicas are in sync",
        "Producers wait and then fail, connectors among them.",
    )
    yield Alert(
        "NoActiveController",
        "brokers",
        f"sum({jmx.ACTIVE_CONTROLLERS}) != 1",
        3,
        "critical",
        "{{ $value }} controllers lead; there must be one",
        "Nothing in the cluster can change: no leader, no topic, no user.",
    )


def connectors() -> Iterator[Alert]:
    yield Alert(
        "ConnectorFailed",
        "connectors",
        f'max by (connector) ({jmx.CONNECTOR_STATUS}{{status="failed"}}) == 1',
        2,
        "critical",
        "connector {{ $labels.connector }} has failed",
        "It captures nothing until it is started again.",
    )
    yield Alert(
        "ConnectorTaskFailed",
        "connectors",
        f"max by (connector) ({jmx.TASKS_FAILED}) > 0",
        2,
        "critical",
        "{{ $value }} tasks of connector {{ $labels.connector }} have failed",
        "What they do stands still; the connector itself may say that it runs.",
    )
    yield Alert(
        "SourceBehind",
        "connectors",
        f"max by (server) ({jmx.SOURCE_LAG}) > 300",
        5,
        "warning",
        "connector of {{ $labels.server }} reads changes that are {{ $value | humanizeDuration }} old",
        "It does not keep up with its database, or has been away from it.",
    )


def services(spec: EnvironmentSpec) -> Iterator[Alert]:
    """What stands behind HAProxy as HAProxy sees it; a registry without one, as Prometheus does."""
    if spec.haproxy is None:
        yield Alert(
            "SchemaRegistryDown",
            "schema-registry",
            f'max(up{{job="{registry.NAME}"}}) == 0',
            2,
            "critical",
            "the schema registry does not answer",
            "Connectors and workers fail at the first schema that they do not know.",
        )
        return
    if spec.schema_registry is not None:
        servers = f'haproxy_backend_active_servers{{proxy="{registry.NAME}"}}'
        yield Alert(
            "SchemaRegistryDown",
            "schema-registry",
            f"max({servers}) == 0",
            1,
            "critical",
            "no schema registry answers",
            "Connectors and workers fail at the first schema that they do not know.",
        )
        if spec.schema_registry.replicas > 1:
            yield Alert(
                "SchemaRegistryDegraded",
                "schema-registry",
                f"max({servers}) < {spec.schema_registry.replicas}",
                10,
                "warning",
                f"{{{{ $value }}}} of {spec.schema_registry.replicas} schema registries answer",
                "Clients notice nothing; the last ones must not fail too.",
            )
    if spec.connect is not None:
        yield Alert(
            "ConnectDown",
            "connectors",
            'max(haproxy_backend_active_servers{proxy="connect"}) == 0',
            2,
            "critical",
            "no worker of Kafka Connect's active colour answers",
            "Nothing is captured from MySQL and MariaDB.",
        )
    failed = 'sum by (proxy) (rate(haproxy_backend_http_responses_total{code="5xx"}[5m]))'
    answered = "sum by (proxy) (rate(haproxy_backend_http_responses_total[5m]))"
    yield Alert(
        "ServiceErrors",
        "schema-registry",
        f"{failed} / {answered} > {_SERVER_ERRORS_RATIO}",
        5,
        "warning",
        "{{ $value | humanizePercentage }} of answers of {{ $labels.proxy }} are errors of its own",
        "Look at its log; HAProxy has already tried other servers where that was safe.",
    )


def replication(spec: EnvironmentSpec) -> Iterator[Alert]:
    if spec.mirror_maker is None:
        return
    rpo = spec.mirror_maker.rpo
    yield Alert(
        "ReplicationBehind",
        "replication",
        f"max by (source) ({mirror.RECORD_AGE}) > {rpo / 1000:g}",
        2,
        "critical",
        f"records of {{{{ $labels.source }}}} are {{{{ $value | humanizeDuration }}}} late; the RPO is {format_duration(rpo)}",
        "A failover now would lose more than was promised.",
    )
    yield Alert(
        "ReplicationTaskFailed",
        "replication",
        f"max by (connector) ({mirror.TASKS_FAILED}) > 0",
        2,
        "critical",
        "{{ $value }} tasks of {{ $labels.connector }} have failed",
        "Some partitions are not mirrored.",
    )


def certificates(spec: EnvironmentSpec) -> Iterator[Alert]:
    """As clients see them: each port is asked for the certificate that it shows."""
    assert spec.observability is not None
    left, limits = TIME_LEFT, spec.observability.certificates
    summary = "the certificate of {{ $labels.instance }} ends in {{ $value | humanizeDuration }}"
    yield Alert(
        "CertificateExpires",
        "certificates",
        f"{left} < {limits.warning // 1000}",
        30,
        "warning",
        summary,
        "It should have been renewed by now.",
    )
    yield Alert(
        "CertificateExpiresSoon",
        "certificates",
        f"{left} < {limits.critical // 1000}",
        5,
        "critical",
        summary,
        "Clients will be refused from then on.",
    )
    yield Alert(
        "CertificateNotSeen",
        "certificates",
        'min by (instance) (probe_success{job="certificates"}) == 0',
        10,
        "warning",
        "{{ $labels.instance }} shows no certificate",
        "Nobody would be told of its end; the program may be down.",
    )


def backups(spec: EnvironmentSpec) -> Iterator[Alert]:
    """By kube-state-metrics' word on the CronJobs: a run that succeeded has made a whole backup. One that never did counts from
    when it was made."""
    assert spec.backup is not None
    schedule, limits = spec.backup.schedule, spec.backup.too_old
    parts = []
    for name, cron, limit in (("daily", schedule.daily, limits.daily), ("weekly", schedule.weekly, limits.weekly)):
        if cron is not None:
            job = f'namespace="{spec.kubernetes.namespace}",cronjob="{BACKUP}-{name}"'
            succeeded = f"max by (cronjob) ({CRON_JOB_SUCCEEDED}{{{job}}})"
            parts += [
                f"time() - {succeeded} > {limit // 1000}",
                f"(time() - max by (cronjob) ({CRON_JOB_MADE}{{{job}}}) > {limit // 1000} unless {succeeded})",
            ]
    if not parts:
        return
    yield Alert(
        "BackupTooOld",
        "backup-restore",
        " or ".join(parts),
        30,
        "critical",
        "{{ $labels.cronjob }} has made no backup for {{ $value | humanizeDuration }}",
        "What is deleted by mistake from then on cannot be brought back.",
    )
    ours = f'namespace="{spec.kubernetes.namespace}",cronjob=~"{BACKUP}-.*"'
    yield Alert(
        "BackupNotSeen",
        "backup-restore",
        f"(count({CRON_JOB_MADE}{{{ours}}} > 0) or vector(0)) == 0",
        30,
        "warning",
        "nobody sees whether backups are made",
        "kube-state-metrics is not scraped, or the CronJobs are gone; BackupTooOld cannot fire.",
    )


def targets(spec: EnvironmentSpec) -> Iterator[Alert]:
    ours = "|".join(job.name for job in jobs(spec))
    yield Alert(
        "TargetDown",
        "targets",
        f'min by (job, instance) (up{{job=~"{ours}"}}) == 0',
        5,
        "warning",
        "{{ $labels.instance }} of {{ $labels.job }} gives no metrics",
        "Alerts about it cannot fire.",
    )


def spans() -> Iterator[Alert]:
    lost = "sum(rate(otelcol_exporter_send_failed_spans_total[5m])) + sum(rate(otelcol_receiver_refused_spans_total[5m])) > 0"
    yield Alert(
        "SpansLost",
        "tracing",
        lost,
        10,
        "warning",
        "traces are lost",
        "The collector is full, or nothing takes what it sends. Rows are not concerned.",
    )
