"""What ``sink-worker dlq status`` and the admin API tell of refused events. Never a value of a row."""

from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from sink_worker.control import Control, connect
from sink_worker.dlq_processor.store import DlqStore, Summary
from sink_worker.settings import Settings


def look(settings: Settings) -> Summary:
    """Once; nothing is changed. psycopg.Error when PostgreSQL does not answer."""
    pipeline, control = settings.kafka.group_id, Control(settings.postgres.control_schema)
    with connect(settings.postgres, "dlq-status", pipeline) as connection:
        control.install(connection)
        return DlqStore(control, pipeline, settings.dlq_processor).summary(connection)


def summary_as_json(summary: Summary) -> dict[str, Any]:
    """Plain values; times in ISO 8601."""
    waiting = [
        {"table": group.table, "class": group.kind.value, "error_type": group.error_class, "count": group.count,
         "oldest": group.oldest.astimezone(UTC).isoformat(), "attempts": group.attempts}
        for group in summary.groups
    ]  # fmt: skip
    return {"waiting": waiting, "archived": summary.archived, "malformed": summary.aside}


def show(summary: Summary) -> None:
    """A table on the standard output."""
    console, now = Console(), datetime.now(UTC)
    table = Table("table", "class", "reason", "events", "oldest", "tries", title="refused events that wait")
    for group in summary.groups:
        age = str(now - group.oldest).partition(".")[0]
        table.add_row(group.table, group.kind, group.error_class, str(group.count), age, str(group.attempts))
    console.print(table)
    console.print(f"archived: {summary.archived}; records of the topic of dead letters that name no event: {summary.aside}")
