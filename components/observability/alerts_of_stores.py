"""Alerts over Redis, PostgreSQL, and how old backups are on docker. Pure.

Two tell of PostgreSQL: postgres_exporter on docker and of existing servers, CloudNativePG's servers themselves on Kubernetes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from components.core.quantities import format_bytes
from components.environment import EnvironmentSpec
from components.observability.alert import Alert
from components.observability.scraping import watched_backups, watched_postgres, watched_redis

FULL = 0.9
"""Of Redis' own bound, from where on it will refuse writes soon."""
CONNECTIONS, DISK = 0.85, 0.85
OLD_TRANSACTION_SECONDS = 1800
"""Statements of sinks end after ten minutes, those of readers after five; nothing is cleaned away before the oldest ends."""
LAG_SECONDS = 60

REDIS_MEMORY = "redis_memory_used_bytes / (redis_memory_max_bytes > 0)"
MASTERS = 'sum(redis_instance_info{role="master"} or on (instance) 0 * redis_up)'
"""Also where there is none: nodes and Sentinels that answer each add 0 at least."""
BACKUP_ENDED = "cdc_backup_ended_timestamp_seconds"
"""Of the newest backup of a kind; of a kind that was never made, since when that is known."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one exporter calls PostgreSQL's figures. ``server`` is the label that tells servers apart."""

    server: str
    up: str
    connections: str
    most_connections: str
    transaction_seconds: str
    database_bytes: str

    @property
    def share_of_connections(self) -> str:
        return f"sum by ({self.server}) ({self.connections}) / max by ({self.server}) ({self.most_connections})"


EXPORTER = Figures(
    server="instance",
    up="pg_up",
    connections="pg_stat_activity_count",
    most_connections="pg_settings_max_connections",
    transaction_seconds='pg_stat_activity_max_tx_duration{usename!=""}',
    database_bytes="pg_database_size_bytes",
)
OPERATOR = Figures(
    server="node",
    up="cnpg_collector_up",
    connections="cnpg_backends_total",
    most_connections='cnpg_pg_settings_setting{name="max_connections"}',
    transaction_seconds="cnpg_backends_max_tx_duration_seconds",
    database_bytes="cnpg_pg_database_size_bytes",
)
LAG, FOLLOWERS = "cnpg_pg_replication_lag", "cnpg_pg_replication_streaming_replicas"
WAL_BYTES = 'cnpg_collector_pg_wal{value="size"}'


def stores(spec: EnvironmentSpec) -> Iterator[Alert]:
    """Of those that are watched."""
    if watched_redis(spec) and spec.redis is not None:
        yield from _redis()
        if spec.redis.sentinels:
            yield from _replicated_redis(spec.redis.nodes)
    told_by = watched_postgres(spec)
    if told_by is not None:
        yield from _postgres(OPERATOR if told_by == "operator" else EXPORTER)
    if told_by == "operator":
        yield from _cluster(spec)
    if watched_backups(spec):
        yield from _backups(spec)


def _redis() -> Iterator[Alert]:
    yield Alert(
        "RedisDown",
        "redis",
        "min by (instance) (redis_up) == 0",
        3,
        "warning",
        "{{ $labels.instance }} does not answer",
        "A node or Sentinel of Redis is down, or refuses the exporter.",
    )
    yield Alert(
        "RedisMemoryFull",
        "redis",
        f"max by (instance) ({REDIS_MEMORY}) > {FULL}",
        10,
        "warning",
        "{{ $labels.instance }} has used {{ $value | humanizePercentage }} of its memory",
        "It drops nothing: once it is full it refuses hints.",
    )
    failed = ("redis_aof_last_write_status", "redis_aof_last_bgrewrite_status", "redis_rdb_last_bgsave_status")
    yield Alert(
        "RedisNotPersisted",
        "redis",
        " or ".join(f"min by (instance) ({name}) == 0" for name in failed),
        5,
        "warning",
        "{{ $labels.instance }} cannot write to its disk",
        "It may refuse hints, and begins empty or old after its next start.",
    )


def _replicated_redis(nodes: int) -> Iterator[Alert]:
    yield Alert(
        "RedisReplicationBroken",
        "redis",
        f"max(redis_connected_slaves) < {nodes - 1}",
        5,
        "warning",
        f"{{{{ $value }}}} of {nodes - 1} replicas follow Redis' master",
        "With none, the master takes no hints any more.",
    )
    yield Alert(
        "RedisMasterUnclear",
        "redis",
        f"{MASTERS} != 1",
        3,
        "warning",
        "{{ $value }} nodes of Redis are master; there must be one",
        "No Sentinel could make one the master, or a node was cut off.",
    )
    yield Alert(
        "RedisSentinelsWithoutQuorum",
        "redis",
        "min by (instance) (redis_sentinel_master_ckquorum_status) == 0",
        3,
        "warning",
        "{{ $labels.instance }} sees too few Sentinels to choose a master",
        "Where the master dies now, no replica takes its place.",
    )


def _postgres(figures: Figures) -> Iterator[Alert]:
    server = f"{{{{ $labels.{figures.server} }}}}"
    yield Alert(
        "PostgresqlDown",
        "postgresql",
        f"min by ({figures.server}) ({figures.up}) == 0",
        3,
        "critical",
        f"PostgreSQL is down, says {server}",
        "No row is written there; offsets are safe, and pipelines fall behind.",
    )
    yield Alert(
        "PostgresqlConnections",
        "postgresql",
        f"{figures.share_of_connections} > {CONNECTIONS}",
        5,
        "warning",
        "{{ $value | humanizePercentage }} of PostgreSQL's connections are taken, says " + server,
        "Workers are refused once there is none left.",
    )
    yield Alert(
        "PostgresqlOldTransaction",
        "postgresql",
        f"max by ({figures.server}, datname, usename) ({figures.transaction_seconds}) > {OLD_TRANSACTION_SECONDS}",
        5,
        "warning",
        "a transaction of {{ $labels.usename }} in {{ $labels.datname }} is {{ $value | humanizeDuration }} old",
        "Rows that are replaced meanwhile cannot be cleaned away, and its locks may keep sinks waiting.",
    )


def _cluster(spec: EnvironmentSpec) -> Iterator[Alert]:
    assert spec.postgres is not None
    followers = spec.postgres.instances - 1
    if followers:
        yield Alert(
            "PostgresqlReplicaMissing",
            "postgresql",
            f"max({FOLLOWERS}) < {followers}",
            10,
            "warning",
            f"{{{{ $value }}}} of {followers} servers follow the one that takes writes",
            "Another loss may stop writes, or lose some.",
        )
        yield Alert(
            "PostgresqlReplicationLag",
            "postgresql",
            f"max by (node) ({LAG}) > {LAG_SECONDS}",
            5,
            "warning",
            "{{ $labels.node }} follows {{ $value | humanizeDuration }} late",
            "It takes long to take over, and what is read from it is old.",
        )
    data, wal = spec.postgres.storage.size, spec.postgres.wal.size
    yield Alert(
        "PostgresqlDiskFills",
        "postgresql",
        f"sum by (node) ({OPERATOR.database_bytes}) > {int(DISK * data)} or max by (node) ({WAL_BYTES}) > {int(DISK * wal)}",
        10,
        "critical",
        f"{{{{ $labels.node }}}} has {{{{ $value | humanize1024 }}}}B on one of its disks ({format_bytes(data)} for tables, "
        f"{format_bytes(wal)} for the log of writes)",
        "Once a disk is full the server ends.",
    )


def _backups(spec: EnvironmentSpec) -> Iterator[Alert]:
    """By what ``cdc backup create`` leaves for the exporter at the end of each run; a machine's stacks may share a folder."""
    assert spec.backup is not None
    schedule, limits = spec.backup.schedule, spec.backup.too_old
    wanted = {"daily": (schedule.daily, limits.daily), "weekly": (schedule.weekly, limits.weekly)}
    kinds = {kind: limit for kind, (cron, limit) in wanted.items() if cron is not None}
    if not kinds:
        return
    ours = f'{BACKUP_ENDED}{{stack="{spec.name}"'
    yield Alert(
        "BackupTooOld",
        "backup-restore",
        " or ".join(f'time() - max by (kind) ({ours},kind="{kind}"}}) > {limit // 1000}' for kind, limit in kinds.items()),
        30,
        "critical",
        "no {{ $labels.kind }} backup was made for {{ $value | humanizeDuration }}",
        "What is deleted by mistake from then on cannot be brought back.",
    )
    yield Alert(
        "BackupNotSeen",
        "backup-restore",
        f"(count({ours}}} > 0) or vector(0)) == 0",
        30,
        "warning",
        "nobody sees whether backups are made",
        "None was made yet, or its figures do not reach backup-exporter; BackupTooOld cannot fire.",
    )
