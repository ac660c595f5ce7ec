"""Every type, in every format, becomes exactly the value that the reference says."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sink.native import reference
from tests.sink.native.kinds import BY_LABEL, KEY_KINDS, KINDS, Kind
from tests.sink.native.records import (
    Field,
    Form,
    Format,
    Table,
    accounted,
    change,
    decoder,
    deleted_keys,
    rows_of,
    value_of,
)

FORMATS: list[Format] = ["avro", "json", "bare"]


def table_of(kind: Kind, form: Form, *, optional: bool = True) -> Table:
    return Table(
        (Field("id", BY_LABEL["bigint"]), Field("v", kind, optional), Field("tail", BY_LABEL["int"])), ("id",), form=form
    )


@pytest.mark.parametrize("form", ["envelope", "flat"])
@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.label)
@given(data=st.data())
def test_a_value_of_every_type_arrives_exactly(kind: Kind, format_: Format, form: Form, data: st.DataObject) -> None:
    table = table_of(kind, form)
    values = data.draw(st.lists(st.none() | kind.values, min_size=1, max_size=4))
    rows = [{"id": number, "v": value, "tail": 7} for number, value in enumerate(values)]
    records = [change(table, format_, "c", row, at=(0, number)) for number, row in enumerate(rows)]
    batch = decoder(table).decode(table.hint(), records)
    accounted(batch, records)
    assert batch.rejects == []
    (segment,) = batch.segments
    assert [column.pg_type for column in segment.columns] == ["bigint", kind.pg_type, "integer"]
    assert rows_of(segment) == [table.converted(row) for row in rows]
    if format_ == "avro":
        read = [reference.read_avro(table.avro[1], value or b"") for _, _, _, value in records]
        decoded = [record["after"] if form == "envelope" else record for record in read]
        assert rows_of(segment) == [table.converted(record) for record in decoded]


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("kind", KEY_KINDS, ids=lambda kind: kind.label)
@given(data=st.data())
def test_a_key_of_every_type_finds_its_row_again(kind: Kind, format_: Format, data: st.DataObject) -> None:
    table = Table((Field("k", kind), Field("n", BY_LABEL["int"])), ("k", "n"))
    values = data.draw(st.lists(kind.values, min_size=1, max_size=5))
    rows = [{"k": value, "n": 1} for value in values]
    records = [change(table, format_, "c", row, at=(0, number)) for number, row in enumerate(rows)]
    records += [change(table, format_, "d", row, at=(0, 10 + number)) for number, row in enumerate(rows)]
    batch = decoder(table).decode(table.hint(), records)
    assert batch.rejects == []
    (segment,) = batch.segments
    assert (segment.upserts, segment.deletes) == (0, len({table.key_of(row) for row in rows}))
    assert set(deleted_keys(segment)) == {table.key_of(row) for row in rows}


@pytest.mark.parametrize(
    ("kind", "optional", "pg_type"), [(BY_LABEL["int"], True, "integer"), (BY_LABEL["int"], False, "integer")]
)
def test_nullability_and_provenance_are_told(kind: Kind, optional: bool, pg_type: str) -> None:
    table = table_of(kind, "envelope", optional=optional)
    batch = decoder(table).decode(table.hint(), [change(table, "avro", "c", {"id": 1, "v": 2, "tail": 3}, at=(0, 0))])
    key, column, _ = batch.segments[0].columns
    assert (key.key, key.nullable, column.key, column.nullable, column.pg_type) == (True, False, False, optional, pg_type)


def test_semantic_names_and_labels_reach_the_columns() -> None:
    table = table_of(BY_LABEL["enum"], "envelope")
    row: dict[str, Any] = {"id": 1, "v": "red", "tail": 3}
    column = decoder(table).decode(table.hint(), [change(table, "json", "c", row, at=(0, 0))]).segments[0].columns[1]
    assert (column.source, column.allowed) == ("io.debezium.data.Enum", "red,größer")


@pytest.mark.parametrize("format_", ["avro", "json", "bare"])
def test_where_a_change_comes_from_is_no_column(format_: Format) -> None:
    """``_lineage`` stands in the envelope beside ``after``, where ``connect.lineage`` is ``field``."""
    table = table_of(BY_LABEL["int"], "envelope")
    row: dict[str, Any] = {"id": 1, "v": 2, "tail": 3}
    value = {**value_of(table, "c", row, 0), "_lineage": "{}"}
    schema = copy.deepcopy(table.avro[1])
    schema["fields"].append({"name": "_lineage", "type": "string"})
    native, key = decoder(table), change(table, format_, "c", row, at=(0, 0))[2]
    native.register_schema(9, json.dumps(schema))
    if format_ == "avro":
        encoded = reference.write_avro(9, schema, value)
    else:
        document = json.loads(change(table, format_, "c", row, at=(0, 0))[3] or b"")
        (document["payload"] if format_ == "json" else document)["_lineage"] = "{}"
        if format_ == "json":
            document["schema"]["fields"].append({"type": "string", "optional": False, "field": "_lineage"})
        encoded = json.dumps(document).encode()
    [segment] = native.decode(table.hint(), [(0, 0, key, encoded)]).segments
    assert rows_of(segment) == [row]
