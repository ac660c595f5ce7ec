"""Export of events whose values do not fit, and import of the corrected sheet.

An import judges the whole sheet before it writes anything of it. Then each line is one transaction: the corrected row, and its
event's resolution. A line whose event is not open any more is skipped, so that an import that died may be run again; and an
event that something newer of its row came after is left alone, as in every replay.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sink_worker.control import Connection
from sink_worker.dlq_processor.event_row import EventRow, read_event, writing
from sink_worker.dlq_processor.kinds import Kind
from sink_worker.dlq_processor.sheet import Line, SheetError, compare, read_sheet, write_sheet
from sink_worker.dlq_processor.store import DlqStore, OpenEvent
from sink_worker.replay import Replay, Result

Protected = Callable[[EventRow], frozenset[str]]
"""The columns of an event's table that a mask covers."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A sheet, how many events it has, and those that cannot be shown in one, with why."""

    text: str
    events: int
    left_out: dict[int, str]


@dataclass(frozen=True, slots=True)
class Imported:
    """How many lines came to each outcome, and why PostgreSQL refused which lines (they stay open)."""

    counts: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)


class Correcting:
    """``protected`` says which columns must not be changed by hand."""

    def __init__(self, store: DlqStore, replay: Replay, protected: Protected) -> None:
        self._store, self._replay, self._protected = store, replay, protected

    def export(self, connection: Connection, table: str, advance: Callable[[], None] = lambda: None) -> Exported:
        """The open events of a table that wait for a correction. Nothing is changed."""
        rows: list[tuple[EventRow, str, str]] = []
        left_out: dict[int, str] = {}
        messages = self._store.messages(connection, table)
        for event in self._store.pages(connection, Kind.VALIDATION, table):
            found = self._read(connection, event)
            if isinstance(found, str):
                left_out[event.id] = found
            else:
                rows.append((found, event.error_class, messages.get(event.id, "")))
            advance()
        return Exported(write_sheet(rows), len(rows), left_out)

    def import_(self, connection: Connection, text: str, *, dry_run: bool = False,
                advance: Callable[[], None] = lambda: None) -> Imported:  # fmt: skip
        """Apply a corrected sheet. :class:`SheetError` with every problem of it, before anything is written."""
        lines = {line.id: line for line in read_sheet(text)}
        result = Imported()
        found = self._store.open_by_id(connection, list(lines))
        result.counts["settled before"] = len(lines) - len(found)
        for event, row in self._judged(connection, lines, found):
            line = lines[event.id]
            cells = {name: line.cells[name] for name in row.cells}
            attempt = self._replay.attempt(connection, row.event, dry_run=dry_run, write=writing(cells))
            result.counts[attempt.result.value] += 1
            if attempt.result in {Result.FAILED, Result.UNDECIDED}:
                why = attempt.why or "it cannot be told whether something newer of its row was written"
                result.refused.append(f"line {line.number}: {attempt.error_class or attempt.result.value}: {why}")
            advance()
        return result

    def _judged(
        self, connection: Connection, lines: Mapping[int, Line], found: list[OpenEvent]
    ) -> list[tuple[OpenEvent, EventRow]]:
        problems: list[tuple[int, str]] = []
        good: list[tuple[OpenEvent, EventRow]] = []
        for event in found:
            line, row = lines[event.id], self._read(connection, event)
            if isinstance(row, str):
                problems.append((line.number, f"line {line.number}: event {event.id}: {row}"))
                continue
            wrong = compare(line, row, self._protected(row))
            problems += [(line.number, problem) for problem in wrong]
            good.append((event, row))
        if problems:
            raise SheetError([problem for _, problem in sorted(problems)])
        return good

    def _read(self, connection: Connection, event: OpenEvent) -> EventRow | str:
        if event.event is None:
            return "its record in the control schema is damaged"
        try:
            return read_event(connection, self._replay, event.event)
        except ValueError as error:
            return str(error)
