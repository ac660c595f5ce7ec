"""The dashboards: pipelines and workers, brokers, the standby. Pure."""

from components.mirror_maker import metrics as mirror
from components.observability import jmx
from components.observability.alert import LEADERLESS, TIME_LEFT
from components.observability.dashboard_of_stores import STORES
from components.observability.dashboard_rows import PIPELINES, WORKERS
from components.observability.panels import Dashboard, Panel, Queries, Variable

_SOURCE = 'source=~"$source"'


def _by(label: str, expr: str, how: str = "max") -> Queries:
    return [(f"{how} by ({label}) ({expr})", f"{{{{{label}}}}}")]


def _mirrored(metric: str) -> str:
    return f"{metric}{{{_SOURCE}}}"


BROKERS = Dashboard(
    "cdc-brokers",
    "CDC: Kafka and what stands before it",
    "Brokers, controllers, topics; the schema registry and Connect as HAProxy sees them.",
    (),
    (
        Panel("Brokers", [("max(kafka_brokers)", "")], kind="stat", width=6),
        Panel("Partitions without a leader", [(LEADERLESS, "")], kind="stat", width=6),
        Panel(
            "Under-replicated partitions", [("sum(kafka_topic_partition_under_replicated_partition)", "")], kind="stat", width=6
        ),
        Panel("Partitions that refuse writes", [(f"sum({jmx.UNDER_MIN_ISR})", "")], kind="stat", width=6),
        Panel(
            "Bytes in and out",
            [(f"sum(rate({jmx.BYTES_IN}[5m]))", "in"), (f"sum(rate({jmx.BYTES_OUT}[5m]))", "out")],
            "Bps",
            width=12,
        ),
        Panel("99th percentile of requests", _by("request", jmx.REQUEST_SECONDS), "s", width=12),
        Panel(
            "Request handlers rest",
            _by("instance", jmx.HANDLERS_IDLE, "min"),
            "percentunit",
            width=12,
            text="Below 30 % a broker has too much to do.",
        ),
        Panel("Replicas out of sync, by leader", [(jmx.UNDER_REPLICATED, "{{instance}}")], width=12),
        Panel("Active controllers", [(f"sum({jmx.ACTIVE_CONTROLLERS})", "")]),
        Panel("Offline partitions, by controller", [(jmx.OFFLINE_PARTITIONS, "{{instance}}")]),
        Panel(
            "Records per second",
            [("topk(10, sum by (topic) (rate(kafka_topic_partition_current_offset[5m])))", "{{topic}}")],
            "cps",
        ),
        Panel("Members of groups", _by("consumergroup", "kafka_consumergroup_members"), width=24),
        Panel("HAProxy", kind="row"),
        Panel("Servers that answer", _by("proxy", "haproxy_backend_active_servers")),
        Panel(
            "Answers",
            [("sum by (proxy, code) (rate(haproxy_backend_http_responses_total[5m]))", "{{proxy}} {{code}}")],
            "reqps",
        ),
        Panel("Certificates end in", [(TIME_LEFT, "{{instance}}")], "s"),
    ),
)

DISASTER_RECOVERY = Dashboard(
    "cdc-disaster-recovery",
    "CDC: the standby",
    "What a failover now would lose, and whether it could be done.",
    (Variable("source", mirror.RECORD_AGE, "source"),),
    (
        Panel(
            "A failover would lose",
            [(f"max({_mirrored(mirror.RECORD_AGE)})", "")],
            "s",
            "stat",
            text="Age of the oldest record that arrived of late: the RPO as it is kept.",
        ),
        Panel("Failed tasks", [(f"sum({mirror.TASKS_FAILED})", "")], kind="stat"),
        Panel("Groups' positions are old by", [(f"max({_mirrored(mirror.CHECKPOINT_LATENCY)})", "")], "s", "stat"),
        Panel("Age of records when they arrive", _by("topic", _mirrored(mirror.RECORD_AGE)), "s", width=12),
        Panel("Way of records", _by("topic", _mirrored(mirror.LATENCY)), "s", width=12),
        Panel("Records per second", _by("topic", f"rate({_mirrored(mirror.RECORDS)}[5m])", "sum"), "cps", width=12),
        Panel("Bytes per second", _by("topic", f"rate({_mirrored(mirror.BYTES)}[5m])", "sum"), "Bps", width=12),
        Panel("Age of translated positions", _by("group", _mirrored(mirror.CHECKPOINT_LATENCY)), "s", width=24),
    ),
)

DASHBOARDS = (PIPELINES, WORKERS, BROKERS, DISASTER_RECOVERY, STORES)
