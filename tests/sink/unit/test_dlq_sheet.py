"""The sheet of corrections: what is written is read back, and what must not be changed is found out, all of it at once."""

import contextlib
import csv
import io
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sink_worker.dlq_processor.cells import ABSENT, Cell, read_cell, write_cell
from sink_worker.dlq_processor.event_row import EventRow
from sink_worker.dlq_processor.sheet import EVENT, ID, KIND, OWN, SheetError, compare, read_sheet, write_sheet
from sink_worker.rejected import OpenRejection
from sink_worker.routing import Route

EVENT_OF_7 = OpenRejection(7, "t", "id", 0, 42, b"k", b"k", b"v", [], None, "X")
ROW = EventRow(
    EVENT_OF_7, Route("t", "shop", "orders"), "upsert", ("id",), {"id": "1", "note": "=1+1", "age": "-5", "gone": ABSENT},
    frozenset({"note"}), "print",
)  # fmt: skip
CELLS = st.none() | st.just(ABSENT) | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(CELLS, st.booleans())
def test_a_cell_is_read_back_as_it_was(value: Cell, is_text: bool) -> None:
    assert read_cell(write_cell(value, is_text=is_text)) == value


@given(st.text(min_size=1))
def test_no_cell_of_text_begins_as_a_formula(value: str) -> None:
    assert not write_cell(value, is_text=True).startswith(("=", "+", "-", "@", "\t", "\r"))


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_a_sheet_is_read_back_as_it_was(rows: list[tuple[Cell, Cell]]) -> None:
    """Line breaks, quotes, separators and all."""
    events = [
        replace(ROW, event=replace(EVENT_OF_7, id=number), cells={"id": "1", "a": one, "b": other})
        for number, (one, other) in enumerate(rows, 1)
    ]
    lines = read_sheet(write_sheet([(event, "X", 'a "message"\nof two lines') for event in events]))
    assert [line.cells for line in lines] == [event.cells for event in events]
    assert [problem for line, event in zip(lines, events, strict=True) for problem in compare(line, event, ())] == []


def changed(**cells: Any) -> str:
    """A sheet of the row with other texts in some cells."""
    header, line = list(csv.reader(io.StringIO(write_sheet([(ROW, "X", "m")]))))
    values = {**dict(zip(header, line, strict=True)), **cells}
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([list(values), list(values.values())])
    return text.getvalue()


def problems(text: str, protected: tuple[str, ...] = ()) -> list[str]:
    try:
        [line] = read_sheet(text)
    except SheetError as error:
        return error.problems
    return compare(line, ROW, protected)


def test_a_correction_is_none_of_the_problems() -> None:
    assert problems(changed(note="fine", age="5")) == []
    assert problems("\ufeff" + changed(note="fine").replace("\r\n", "\n")) == []  # as a spreadsheet may write it


WRONG = {
    "a changed key": ({"id": "2"}, "of the key"),
    "a value for a column that is not there": ({"gone": "x"}, "no such column"),
    "a column taken away": ({"note": "\\A"}, "no such column"),
    "a new column": ({"more": "x"}, "no column more"),
    "another event's line": ({EVENT: "other"}, "new export"),
    "another kind": ({KIND: "delete"}, "must stay upsert"),
    "an id that is none": ({ID: "7x"}, "is no number"),
    "an id beyond": ({ID: str(2**63)}, "is no number"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_must_not_change_is_found(what: str) -> None:
    cells, words = WRONG[what]
    assert [problem for problem in problems(changed(**cells)) if words in problem], problems(changed(**cells))


def test_a_masked_column_must_stay() -> None:
    assert problems(changed(), ("note",)) == []
    assert "masked" in problems(changed(note="clear text"), ("note",))[0]


def test_a_delete_has_nothing_to_correct() -> None:
    row = replace(ROW, kind="delete", cells={"id": "1", "note": ABSENT})
    [line] = read_sheet(write_sheet([(row, "X", "m")]))
    assert compare(line, row, ()) == []
    assert compare(replace(line, cells={"id": "1", "note": "x"}), row, ())


def test_every_problem_of_a_sheet_is_told_at_once() -> None:
    assert len(problems(changed(id="2", gone="x", more="y", **{KIND: "delete"}))) == 4
    header = ",".join([*OWN, "id"])
    broken = f"{header}\n1,a,b,c,d,e,1\n1,a,b,c,d,e,1\nx,a,b,c,d,e,1\n1,2\n"
    assert [problem.partition(":")[0] for problem in problems(broken)] == ["line 4", "line 5", "line 3"]


@pytest.mark.parametrize("text", ["", "\n", "a,b\n1,2\n", "a,a\n", '"', f"{','.join(OWN)},dlq:more\n"])
def test_what_is_no_sheet_is_refused(text: str) -> None:
    with pytest.raises(SheetError) as refused:
        read_sheet(text)
    assert refused.value.exit_code == 2
    assert refused.value.problems


@given(st.text(max_size=300))
def test_no_text_is_a_defect(text: str) -> None:
    with contextlib.suppress(SheetError):
        read_sheet(text)
