"""A double of the admin API's backend: it does nothing but remember, and answers what a pipeline could."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from sink_worker.admin.audit import Entry
from sink_worker.dlq_processor.correcting import Exported, Imported
from sink_worker.dlq_processor.sheet import read_sheet
from sink_worker.evolution.reviews import ReviewError

MOMENT = datetime(2026, 5, 5, tzinfo=UTC)
LETTER: dict[str, Any] = {
    "id": 1, "topic": "t", "partition": 0, "offset": 7, "table": "shop.orders", "status": "open", "error_type": "X:23514",
    "stage": "TASK_PUT", "attempts": 0, "next_attempt_at": None, "refused_at": MOMENT, "resolved_at": None,
    "class": "validation",
}  # fmt: skip


class FakeBackend:
    """``notes`` are what the audit log was given, with whether it was to be stored; ``calls`` what was done."""

    def __init__(self) -> None:
        self.notes: list[tuple[Entry, bool]] = []
        self.calls: list[tuple[Any, ...]] = []
        self.fails: Exception | None = None
        self.audit_fails: Exception | None = None
        self.paused: set[str] = set()

    def note(self, entry: Entry, *, stored: bool) -> None:
        if stored and self.audit_fails is not None:
            raise self.audit_fails
        self.notes.append((entry, stored))

    def audit(self, before: int | None, limit: int) -> list[dict[str, Any]]:
        return []

    def state(self) -> dict[str, Any]:
        self._maybe_fail()
        return {"pipeline": "p", "partitions": [], "kafka_problem": None, "outbox": 0, "paused": [], "workers": []}

    def tables(self) -> list[dict[str, Any]]:
        return [{"table": "shop.orders", "topics": ["t"], "paused": None}]

    def pause(self, schema: str, table: str, reason: str, by: str) -> bool | None:
        self.calls.append(("pause", schema, table, reason, by))
        label = f"{schema}.{table}"
        if label != "shop.orders":
            return None
        fresh = label not in self.paused
        self.paused.add(label)
        return fresh

    def resume(self, schema: str, table: str) -> bool:
        self.calls.append(("resume", schema, table))
        there = f"{schema}.{table}" in self.paused
        self.paused.discard(f"{schema}.{table}")
        return there

    def summary(self) -> dict[str, Any]:
        waiting = {
            "table": "shop.orders",
            "class": "validation",
            "error_type": "X",
            "count": 1,
            "oldest": MOMENT,
            "attempts": 0,
        }
        return {"waiting": [waiting], "archived": 0, "malformed": 0}

    def letters(self, status: str | None, table: str | None, after: int, limit: int) -> list[dict[str, Any]]:
        return [LETTER]

    def letter(self, identity: int) -> dict[str, Any] | None:
        return {**LETTER, "message": "the message"} if identity == 1 else None

    def archived(self, after: int, limit: int) -> list[dict[str, Any]]:
        return []

    def malformed(self, limit: int) -> list[dict[str, Any]]:
        return []

    def replay(self, ids: list[int] | None, table: str | None, limit: int, dry_run: bool) -> dict[str, int]:
        self.calls.append(("replay", ids, table, limit, dry_run))
        return {"replayed": 1}

    def archive(self, ids: list[int], reason: str, by: str) -> dict[str, Any]:
        self.calls.append(("archive", ids, reason, by))
        return {"archived": ids, "not_open": []}

    def restore(self, ids: list[int]) -> dict[str, Any]:
        self.calls.append(("restore", ids))
        return {"restored": ids, "not_archived": []}

    def export(self, table: str) -> Exported:
        self.calls.append(("export", table))
        return Exported("dlq:id\r\n", 0, {})

    def import_(self, text: str, dry_run: bool) -> Imported:
        self.calls.append(("import", text, dry_run))
        read_sheet(text)
        return Imported(Counter({"replayed": 1}))

    def reviews(self, decided: bool) -> list[dict[str, Any]]:
        return []

    def approve(self, identity: int, by: str, note: str) -> dict[str, Any]:
        self.calls.append(("approve", identity, by, note))
        if identity != 1:
            raise ReviewError("unknown", "there is no such review")
        return {}

    def reject(self, identity: int, by: str, reason: str) -> dict[str, Any]:
        self.calls.append(("reject", identity, by, reason))
        raise ReviewError("decided", "it is approved")

    def _maybe_fail(self) -> None:
        if self.fails is not None:
            raise self.fails
