"""The audit log: who asked for what, when, from where, and how it ended. Only ever added to; never a value of a row.

What changes something is noted before it is done, and not done when it cannot be noted; and again with its outcome.
"""

import json
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import structlog

from sink_worker.control import Connection, Control

_log = structlog.get_logger("sink_worker.admin.audit")
Phase = Literal["asked", "answered"]
_INSERT: Final = """
INSERT INTO {schema}.admin_audit (pipeline, request_id, phase, principal, role, method, client, action, target, status)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_PAGE: Final = """
SELECT id, at, request_id, phase, principal, role, method, client, action, target, status FROM {schema}.admin_audit
WHERE pipeline = %(pipeline)s AND (%(before)s::bigint IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(limit)s
"""
COLUMNS: Final = ("id", "at", "request_id", "phase", "principal", "role", "method", "client", "action", "target", "status")


@dataclass(frozen=True, slots=True)
class Entry:
    """One note. ``method`` is how the caller was known, ``action`` the route, ``target`` what of it was asked for."""

    request_id: str
    phase: Phase
    principal: str
    role: str
    method: str
    client: str
    action: str
    target: str
    status: int | None = None


class Audit:
    """Thread-safe. The table in the control schema, a JSON line in the log, and one in a file if there is one."""

    def __init__(self, control: Control, pipeline: str, file: Path | None) -> None:
        self._pipeline = pipeline
        self._file = file
        self._insert, self._page = control.statement(_INSERT), control.statement(_PAGE)
        self._lock = threading.Lock()

    def note(self, connection: Connection | None, entry: Entry) -> None:
        """Add an entry; without a connection to the log and the file only. psycopg.Error or OSError when it cannot be."""
        _log.warning("audit", **asdict(entry))
        if self._file is not None:
            self._append(self._file, entry)
        if connection is not None:
            values = [entry.request_id, entry.phase, entry.principal, entry.role, entry.method, entry.client, entry.action,
                      entry.target, entry.status]  # fmt: skip
            connection.execute(self._insert, [self._pipeline, *values])

    def page(self, connection: Connection, before: int | None, limit: int) -> list[dict[str, Any]]:
        """Entries, the newest first."""
        rows = connection.execute(self._page, {"pipeline": self._pipeline, "before": before, "limit": limit})
        return [dict(zip(COLUMNS, row, strict=True)) for row in rows]

    def _append(self, file: Path, entry: Entry) -> None:
        line = json.dumps({"at": datetime.now(UTC).isoformat(), "pipeline": self._pipeline, **asdict(entry)})
        with self._lock, file.open("a", encoding="utf-8") as log:  # O_APPEND: one write, at the end
            log.write(line + "\n")
