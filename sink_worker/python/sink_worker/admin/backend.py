"""What the admin API does: each call is a session with PostgreSQL, or a question to the workers. Blocking; from any thread."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final, Protocol

import httpx

from sink_worker.admin.audit import Audit, Entry
from sink_worker.admin.settings import AdminSettings
from sink_worker.control import Connection, Control, connect
from sink_worker.dlq_processor.correcting import Exported, Imported
from sink_worker.dlq_processor.kinds import kind_of
from sink_worker.dlq_processor.processor import Processor
from sink_worker.dlq_processor.status import summary_as_json
from sink_worker.dlq_processor.store import DlqStore
from sink_worker.evolution import reviews
from sink_worker.inspection import inspect_pipeline
from sink_worker.pauses import Pauses
from sink_worker.routing import Router
from sink_worker.settings import Settings

Record = dict[str, Any]
_SCHEMA_TABLE: Final = "table_schema || '.' || table_name"
_LETTERS: Final = f"""
SELECT r.id, r.topic, r."partition", r."offset", {_SCHEMA_TABLE.replace("table_", "r.table_")}, r.status,
    COALESCE(s.error_class, r.error_class), r.stage, COALESCE(s.attempts, 0), s.next_attempt_at, r.rejected_at, r.resolved_at,
    COALESCE(s.error_message, r.error_message)
FROM {{schema}}.rejected AS r LEFT JOIN {{schema}}.dlq_state AS s ON s.rejected_id = r.id
WHERE r.pipeline = %(pipeline)s AND r.id > %(after)s AND (%(id)s::bigint IS NULL OR r.id = %(id)s)
  AND (%(status)s::text IS NULL OR r.status = %(status)s)
  AND (%(table)s::text IS NULL OR r.table_schema || '.' || r.table_name = %(table)s)
ORDER BY r.id LIMIT %(limit)s
"""  # noqa: S608 (constants of this module)
_ARCHIVED: Final = f"""
SELECT id, topic, "partition", "offset", {_SCHEMA_TABLE}, error_class, attempts, reason, archived_by, rejected_at, archived_at
FROM {{schema}}.dlq_archive WHERE pipeline = %(pipeline)s AND id > %(after)s ORDER BY id LIMIT %(limit)s
"""  # noqa: S608 (constants of this module)
_ASIDE: Final = """
SELECT topic, "partition", "offset", problem, found_at FROM {schema}.dlq_aside
WHERE pipeline = %(pipeline)s ORDER BY found_at DESC LIMIT %(limit)s
"""
_LETTER: Final = ("id", "topic", "partition", "offset", "table", "status", "error_type", "stage", "attempts", "next_attempt_at",
                  "refused_at", "resolved_at")  # fmt: skip
_ARCHIVE: Final = ("id", "topic", "partition", "offset", "table", "error_type", "attempts", "reason", "archived_by",
                   "refused_at", "archived_at")  # fmt: skip


WAIT_SECONDS: Final = 10.0


class BusyError(OSError):
    """Too many requests at a time; the answer is to come again later."""


class Backend(Protocol):
    """What the routes need."""

    def note(self, entry: Entry, *, stored: bool) -> None: ...
    def audit(self, before: int | None, limit: int) -> list[Record]: ...
    def state(self) -> Record: ...
    def tables(self) -> list[Record]: ...
    def pause(self, schema: str, table: str, reason: str, by: str) -> bool | None: ...
    def resume(self, schema: str, table: str) -> bool: ...
    def summary(self) -> Record: ...
    def letters(self, status: str | None, table: str | None, after: int, limit: int) -> list[Record]: ...
    def letter(self, identity: int) -> Record | None: ...
    def archived(self, after: int, limit: int) -> list[Record]: ...
    def malformed(self, limit: int) -> list[Record]: ...
    def replay(self, ids: list[int] | None, table: str | None, limit: int, dry_run: bool) -> Record: ...
    def archive(self, ids: list[int], reason: str, by: str) -> Record: ...
    def restore(self, ids: list[int]) -> Record: ...
    def export(self, table: str) -> Exported: ...
    def import_(self, text: str, dry_run: bool) -> Imported: ...
    def reviews(self, decided: bool) -> list[Record]: ...
    def approve(self, identity: int, by: str, note: str) -> Record: ...
    def reject(self, identity: int, by: str, reason: str) -> Record: ...


class PipelineBackend:
    """One pipeline's. psycopg.Error, KafkaException and OSError are the environment's failures."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pipeline = settings.kafka.group_id
        self._control = Control(settings.postgres.control_schema)
        self._pauses = Pauses(self._control, self._pipeline, Router(settings.routing))
        self._store = DlqStore(self._control, self._pipeline, settings.dlq_processor)
        self._slots = threading.BoundedSemaphore(settings.admin.sessions)
        self._audit = Audit(self._control, self._pipeline, settings.admin.audit_file)
        self._letters, self._archived, self._aside = map(self._control.statement, (_LETTERS, _ARCHIVED, _ASIDE))

    def note(self, entry: Entry, *, stored: bool) -> None:
        """Into the audit log; ``stored``: into PostgreSQL too."""
        with self._session() if stored else contextlib.nullcontext() as connection:
            self._audit.note(connection, entry)

    def audit(self, before: int | None, limit: int) -> list[Record]:
        """The newest entries before one."""
        with self._session() as connection:
            return self._audit.page(connection, before, limit)

    def state(self) -> Record:
        """Partitions as PostgreSQL has them, beside the log; paused tables; each worker's own word on its breaker."""
        with self._slot():
            found = inspect_pipeline(self._settings)
        partitions = [asdict(line) for line in found.partitions]
        paused = [table for table in self.tables() if table["paused"]]
        return {"pipeline": self._pipeline, "partitions": partitions, "kafka_problem": found.kafka_problem,
                "outbox": found.outbox, "paused": paused, "workers": ask_workers(self._settings.admin)}  # fmt: skip

    def tables(self) -> list[Record]:
        """Every table that was ever read for, and those that are paused."""
        with self._session() as connection:
            known = self._pauses.tables(connection)
            paused = {pause.label: pause for pause in self._pauses.all(connection)}
        return [_table(label, known.get(label, []), paused.get(label)) for label in sorted({*known, *paused})]

    def pause(self, schema: str, table: str, reason: str, by: str) -> bool | None:
        """Whether it was not paused yet; None when the pipeline knows no such table."""
        with self._session() as connection:
            if f"{schema}.{table}" not in self._pauses.tables(connection):
                return None
            return self._pauses.pause(connection, schema, table, reason, by)

    def resume(self, schema: str, table: str) -> bool:
        """Whether it was paused."""
        with self._session() as connection:
            return self._pauses.resume(connection, schema, table)

    def summary(self) -> Record:
        """What waits, by table, class and reason."""
        with self._session() as connection:
            return summary_as_json(self._store.summary(connection))

    def letters(self, status: str | None, table: str | None, after: int, limit: int) -> list[Record]:
        """Refused events, without what was said of them: that may quote values of rows."""
        values = {"status": status, "table": table, "after": after, "limit": limit, "id": None}
        return [self._letter(row) for row in self._rows(self._letters, values)]

    def letter(self, identity: int) -> Record | None:
        """One refused event, with what was said of it."""
        values = {"status": None, "table": None, "after": 0, "limit": 1, "id": identity}
        rows = self._rows(self._letters, values)
        return {**self._letter(rows[0]), "message": rows[0][-1]} if rows else None

    def archived(self, after: int, limit: int) -> list[Record]:
        """Given up, and kept."""
        rows = self._rows(self._archived, {"after": after, "limit": limit})
        return [dict(zip(_ARCHIVE, row, strict=True)) for row in rows]

    def malformed(self, limit: int) -> list[Record]:
        """Records of the topic of dead letters that name no event."""
        names = ("topic", "partition", "offset", "problem", "found_at")
        return [dict(zip(names, row, strict=True)) for row in self._rows(self._aside, {"limit": limit})]

    def replay(self, ids: list[int] | None, table: str | None, limit: int, dry_run: bool) -> Record:
        """Try open events now, whatever their class; what became of them."""
        counts: dict[str, int] = {}
        with self._processor() as processor:
            connection = processor.open()
            for event in processor.store.open_events(connection, None, ids=ids, table=table, limit=limit):
                outcome = processor.try_again(connection, event, dry_run=dry_run)
                counts[outcome] = counts.get(outcome, 0) + 1
        return counts

    def archive(self, ids: list[int], reason: str, by: str) -> Record:
        """Give open events up."""
        with self._session() as connection:
            done = [identity for identity in ids if self._store.archive(connection, identity, reason, by)]
        return {"archived": done, "not_open": sorted(set(ids) - set(done))}

    def restore(self, ids: list[int]) -> Record:
        """Open archived events again."""
        with self._session() as connection:
            done = [identity for identity in ids if self._store.restore(connection, identity)]
        return {"restored": done, "not_archived": sorted(set(ids) - set(done))}

    def export(self, table: str) -> Exported:
        """The sheet of a table."""
        with self._processor() as processor:
            return processor.correcting.export(processor.open(), table)

    def import_(self, text: str, dry_run: bool) -> Imported:
        """Apply a corrected sheet. SheetError when it is refused."""
        with self._processor() as processor:
            return processor.correcting.import_(processor.open(), text, dry_run=dry_run)

    def reviews(self, decided: bool) -> list[Record]:
        """Breaking schema changes that wait for a person."""
        with self._slot():
            return [review.as_json() for review in reviews.list_pending(self._settings, decided=decided)]

    def approve(self, identity: int, by: str, note: str) -> Record:
        """ReviewError when it cannot be."""
        with self._slot():
            return reviews.approve(self._settings, identity, by=by, note=note).as_json()

    def reject(self, identity: int, by: str, reason: str) -> Record:
        """ReviewError when it cannot be."""
        with self._slot():
            return reviews.reject(self._settings, identity, by=by, reason=reason).as_json()

    def _letter(self, row: tuple[Any, ...]) -> Record:
        found = dict(zip(_LETTER, row[:-1], strict=True))
        return {**found, "class": kind_of(found["error_type"], self._settings.dlq_processor).value}

    def _rows(self, statement: bytes, values: Record) -> list[tuple[Any, ...]]:
        with self._session() as connection:
            return connection.execute(statement, {"pipeline": self._pipeline, **values}).fetchall()

    @contextlib.contextmanager
    def _slot(self) -> Iterator[None]:
        """One of the sessions with PostgreSQL, waited for a little."""
        if not self._slots.acquire(timeout=WAIT_SECONDS):
            raise BusyError("every session with PostgreSQL is taken")
        try:
            yield
        finally:
            self._slots.release()

    @contextlib.contextmanager
    def _session(self) -> Iterator[Connection]:
        with self._slot(), connect(self._settings.postgres, "admin", self._pipeline) as connection:
            self._control.install(connection)
            yield connection

    @contextlib.contextmanager
    def _processor(self) -> Iterator[Processor]:
        with self._slot():
            processor = Processor(self._settings)
            try:
                yield processor
            finally:
                processor.close()


def _table(label: str, topics: list[str], pause: Any) -> Record:
    told = None if pause is None else {"reason": pause.reason, "by": pause.paused_by, "since": pause.paused_at}
    return {"table": label, "topics": sorted(topics), "paused": told}


def ask_workers(settings: AdminSettings) -> list[Record]:
    """Every worker's readiness: its partitions' states, what waits and why, and its breaker."""
    found: list[Record] = []
    for place in settings.workers:
        host, _, port = place.rpartition(":")
        try:
            addresses = sorted({entry[4][0] for entry in socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)})
        except (OSError, ValueError) as error:
            found.append({"worker": place, "problem": f"{type(error).__name__}: no such host and port"})
            continue
        found += [_ask(place, str(address), int(port), settings.ask_seconds) for address in addresses]
    return found


def _ask(place: str, address: str, port: int, seconds: float) -> Record:
    written = f"[{address}]" if ":" in address else address
    try:
        response = httpx.get(f"http://{written}:{port}/healthz/ready", timeout=seconds, trust_env=False)
        return {"worker": place, "address": address, **json.loads(response.text)}
    except (httpx.HTTPError, ValueError) as error:
        return {"worker": place, "address": address, "problem": f"it does not answer ({type(error).__name__})"}
