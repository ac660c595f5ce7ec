"""The dashboard of what rows and hints are written to, and of backups. Pure."""

from components.observability.alerts_of_stores import BACKUP_ENDED, EXPORTER, FOLLOWERS, LAG, MASTERS, OPERATOR, REDIS_MEMORY
from components.observability.panels import Dashboard, Panel, Queries

_YES_OR_NO = {0: "no", 1: "yes"}
_BOTH = (EXPORTER, OPERATOR)
"""Either tells of PostgreSQL; the other's series are not there."""


def _redis(expr: str) -> Queries:
    return [(expr, "{{instance}}")]


STORES = Dashboard(
    "cdc-stores",
    "CDC: PostgreSQL, Redis and backups",
    "Where rows and hints go, and how old the newest backup is.",
    (),
    (
        Panel(
            "PostgreSQL is up",
            [(f"min by ({own.server}) ({own.up})", f"{{{{{own.server}}}}}") for own in _BOTH],
            kind="state-timeline",
            width=12,
            names=_YES_OR_NO,
        ),
        Panel(
            "Connections that are taken",
            [(own.share_of_connections, f"{{{{{own.server}}}}}") for own in _BOTH],
            "percentunit",
            width=12,
        ),
        Panel("Sessions by state", [(f"sum by (state) ({own.connections})", "{{state}}") for own in _BOTH], width=6),
        Panel(
            "Oldest transaction",
            [(f"max by (datname, usename) ({own.transaction_seconds})", "{{datname}} {{usename}}") for own in _BOTH],
            "s",
            width=6,
        ),
        Panel("Databases", [(f"max by (datname) ({own.database_bytes})", "{{datname}}") for own in _BOTH], "bytes", width=6),
        Panel(
            "Followers, and seconds that each is behind",
            [(f"max by (node) ({LAG})", "{{node}}"), (f"max({FOLLOWERS})", "follow")],
            width=6,
        ),
        Panel("Redis", kind="row"),
        Panel(
            "Nodes and Sentinels answer",
            _redis("min by (instance) (redis_up)"),
            kind="state-timeline",
            width=12,
            names=_YES_OR_NO,
        ),
        Panel("Memory that is used", _redis(f"max by (instance) ({REDIS_MEMORY})"), "percentunit", width=12),
        Panel("Masters, and replicas that follow", [(MASTERS, "masters"), ("max(redis_connected_slaves)", "replicas")]),
        Panel("Commands", _redis("sum by (instance) (rate(redis_commands_processed_total[5m]))"), "cps"),
        Panel("Clients", _redis("max by (instance) (redis_connected_clients)")),
        Panel("Backups on docker", kind="row"),
        Panel("Age of the newest", [(f"time() - max by (stack, kind) ({BACKUP_ENDED})", "{{stack}} {{kind}}")], "s", width=12),
        Panel("Size of the newest", [("max by (stack, kind) (cdc_backup_size_bytes)", "{{stack}} {{kind}}")], "bytes"),
    ),
)
