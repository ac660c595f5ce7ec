"""The sheet of events to correct, as CSV: written, read back, and compared with the events. Pure.

One line an event. Columns that begin with ``dlq:`` are the sheet's own and must stay as they are; so must the key.
"""

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sink_worker.dlq_processor.cells import ABSENT, Cell, read_cell, write_cell
from sink_worker.dlq_processor.event_row import EventRow
from sink_worker.errors import SinkError

ID, PLACE, EVENT, KIND, ERROR, MESSAGE = "dlq:id", "dlq:place", "dlq:event", "dlq:kind", "dlq:error", "dlq:message"
OWN: Final = (ID, PLACE, EVENT, KIND, ERROR, MESSAGE)
MOST_PROBLEMS: Final = 1000


class SheetError(SinkError):
    """A sheet that is refused as a whole, with every problem found in it; nothing of it was written."""

    exit_code = 2

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems[:MOST_PROBLEMS])
        more = len(problems) - len(self.problems)
        lines = [f"  {problem}" for problem in self.problems] + ([f"  … and {more} more"] if more else [])
        count = len(problems)
        super().__init__(f"the sheet is refused, {count} problem{'s' if count != 1 else ''}:\n" + "\n".join(lines))


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it was read. ``number`` is the line's in the file; the sheet's own columns are apart from the row's."""

    number: int
    id: int
    own: Mapping[str, str]
    cells: Mapping[str, Cell]


def write_sheet(rows: Iterable[tuple[EventRow, str, str]]) -> str:
    """CSV of events with their reason and message."""
    listed = list(rows)
    columns = list(dict.fromkeys(name for row, _, _ in listed for name in row.cells))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*OWN, *columns])
    for row, error, message in listed:
        event = row.event
        own = (str(event.id), f"{event.topic}[{event.partition}]@{event.offset}", row.fingerprint, row.kind, error,
               write_cell(message, is_text=True))  # fmt: skip
        shown = (write_cell(row.cells.get(name, ABSENT), is_text=name in row.text_columns) for name in columns)
        writer.writerow([*own, *shown])
    return text.getvalue()


def read_sheet(text: str) -> list[Line]:
    """The lines of a sheet. :class:`SheetError` when it has not the shape of one."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    try:
        table = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True))
    except csv.Error as error:
        raise SheetError([f"it is no CSV: {error}"]) from error
    if not table:
        raise SheetError(["it is empty; its first line names the columns"])
    header, problems = table[0], _header_problems(table[0])
    lines: list[Line] = []
    for number, fields in enumerate(table[1:], 2):
        if not fields:
            continue
        if len(fields) != len(header):
            problems.append(f"line {number}: has {len(fields)} cells, the first line names {len(header)} columns")
            continue
        values = dict(zip(header, fields, strict=True))
        identity = values.get(ID, "")
        if not (identity.isascii() and identity.isdigit() and int(identity) < 2**63):
            problems.append(f"line {number}: {ID} is no number")
            continue
        cells = {name: read_cell(value) for name, value in values.items() if name not in OWN}
        lines.append(Line(number, int(identity), {name: values.get(name, "") for name in OWN}, cells))
    problems += _repeated(lines)
    if problems:
        raise SheetError(problems)
    return lines


def compare(line: Line, row: EventRow, protected: Collection[str]) -> list[str]:
    """What is wrong with a line for its event. ``protected`` columns (masked ones) must stay as they are."""
    where = f"line {line.number}"
    if line.own[EVENT] != row.fingerprint:
        return [f"{where}: {EVENT} is not the one of event {line.id}; take the line from a new export"]
    problems = [f"{where}: {KIND} must stay {row.kind}"] if line.own[KIND] != row.kind else []
    problems += [f"{where}: there is no column {name} in this event" for name in line.cells
                 if name not in row.cells and line.cells[name] is not ABSENT]  # fmt: skip
    for name, value in row.cells.items():
        cell = line.cells.get(name, ABSENT)
        if name not in line.cells:
            problems.append(f"{where}: column {name} is missing")
        elif (cell is ABSENT) != (value is ABSENT):
            problems.append(f"{where}: column {name}: \\A stands where the event has no such column, and nowhere else")
        elif name in row.key and cell != value:
            problems.append(f"{where}: column {name} is of the key, which must stay as it is")
        elif row.kind == "delete" and cell != value:
            problems.append(f"{where}: column {name}: a delete has nothing to correct")
        elif name in protected and cell != _shown(value):
            problems.append(f"{where}: column {name} is masked, and must stay as it is")
    return problems


def _shown(value: Cell) -> Cell:
    return value.replace("\0", "␀") if isinstance(value, str) else value


def _header_problems(header: Sequence[str]) -> list[str]:
    problems = [f"the first line has no column {name}" for name in OWN if name not in header]
    problems += [f"the first line names {name} twice" for name in dict.fromkeys(header) if header.count(name) > 1]
    unknown = [name for name in header if name.startswith("dlq:") and name not in OWN]
    return problems + [f"the first line has an unknown column {name}" for name in unknown]


def _repeated(lines: Sequence[Line]) -> list[str]:
    seen: set[int] = set()
    problems = []
    for line in lines:
        if line.id in seen:
            problems.append(f"line {line.number}: event {line.id} stands there twice")
        seen.add(line.id)
    return problems
