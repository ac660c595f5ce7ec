"""What a batch's segments are: one row per key, deletes and upserts apart, cut at truncates and by columns."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from sink_worker._native import TableHint

from tests.sink.native.kinds import BY_LABEL
from tests.sink.native.records import Field, Record, Table, apply, change, decoder, deleted_keys, rows_of
from tests.sink.native.reference import Model

TABLE = Table((Field("id", BY_LABEL["bigint"]), Field("v", BY_LABEL["string"], True)), ("id",))
WIDER = Table((*TABLE.fields, Field("w", BY_LABEL["int"], True)), ("id",), number=2)
NO_HINT = TableHint()


def record(
    op: str, number: int, text: str | None = None, *, offset: int = 0, partition: int = 0, table: Table = TABLE
) -> Record:
    row = {"id": number, "v": text}
    if table is WIDER:
        row["w"] = number
    return change(table, "avro", op, row, at=(partition, offset), ts_ms=1000 + offset)


def test_the_last_event_of_a_key_wins_and_is_the_origin() -> None:
    batch = decoder(TABLE).decode(
        NO_HINT, [record("c", 1, "a", offset=5), record("u", 1, "b", offset=6), record("c", 2, "c", offset=7)]
    )
    (segment,) = batch.segments
    assert rows_of(segment) == [{"id": 1, "v": "b"}, {"id": 2, "v": "c"}]
    assert segment.origins("upsert") == [(0, 6, 1), (0, 7, 2)]
    assert segment.origin("upsert", 1) == (0, 7, 2)
    assert (segment.source_ts_ms, batch.source_ts_ms) == ((1006, 1007), (1005, 1007))


def test_a_tombstone_after_its_delete_is_nothing_new_and_alone_is_a_delete() -> None:
    batch = decoder(TABLE).decode(NO_HINT, [record("d", 1), record("tombstone", 1, offset=1), record("tombstone", 2, offset=2)])
    (segment,) = batch.segments
    assert deleted_keys(segment) == [(1,), (2,)]
    assert (batch.events, batch.tombstones, batch.ops) == (1, 2, {"d": 1})


def test_a_batch_of_tombstones_knows_the_key_columns_only() -> None:
    (segment,) = decoder(TABLE).decode(NO_HINT, [record("tombstone", 9)]).segments
    assert ([column.name for column in segment.columns], segment.key, segment.upserts) == (["id"], ["id"], 0)


def test_tombstones_join_the_segment_whose_columns_come_later() -> None:
    (segment,) = decoder(TABLE).decode(NO_HINT, [record("tombstone", 9), record("c", 1, offset=1)]).segments
    assert ([column.name for column in segment.columns], segment.upserts, segment.deletes) == (["id", "v"], 1, 1)


def test_a_changed_key_is_a_delete_and_an_insert() -> None:
    batch = decoder(TABLE).decode(
        NO_HINT, [record("d", 1), record("tombstone", 1, offset=1), record("c", 2, "moved", offset=2)]
    )
    (segment,) = batch.segments
    assert (deleted_keys(segment), rows_of(segment)) == ([(1,)], [{"id": 2, "v": "moved"}])


def test_a_truncate_voids_what_came_before_it() -> None:
    batch = decoder(TABLE).decode(NO_HINT, [record("c", 1), record("t", 0, offset=1), record("c", 2, offset=2)])
    (segment,) = batch.segments
    assert (segment.truncate, rows_of(segment), batch.ops) == (True, [{"id": 2, "v": None}], {"c": 2, "t": 1})


def test_a_truncate_alone_is_a_segment_without_rows() -> None:
    (segment,) = decoder(TABLE).decode(NO_HINT, [record("c", 1), record("t", 0, offset=1)]).segments
    assert (segment.truncate, segment.upserts, segment.deletes, segment.columns) == (True, 0, 0, [])
    assert segment.delete_arrays() == []


def test_columns_that_change_start_a_segment_and_a_key_is_in_one_of_them() -> None:
    records = [record("c", 1, "old"), record("c", 2, "old", offset=1), record("u", 1, "new", offset=2, table=WIDER)]
    narrow, wide = decoder(TABLE, WIDER).decode(NO_HINT, records).segments
    assert rows_of(narrow) == [{"id": 2, "v": "old"}]
    assert rows_of(wide) == [{"id": 1, "v": "new", "w": 1}]
    assert narrow.fingerprint != wide.fingerprint


def test_versions_that_take_turns_over_partitions_do_not_cut_the_batch_up() -> None:
    tables = [TABLE, WIDER]
    records = [record("c", number, offset=number, partition=number % 2, table=tables[number % 2]) for number in range(40)]
    assert [segment.upserts for segment in decoder(*tables).decode(NO_HINT, records).segments] == [20, 20]


def test_a_row_that_lacks_columns_of_the_one_before_does_not_replace_it() -> None:
    records = [record("c", 1, "a", table=WIDER), record("u", 1, "b", offset=1)]
    batch = decoder(TABLE, WIDER).decode(NO_HINT, records)
    assert [segment.upserts for segment in batch.segments] == [1, 1]
    model = Model()
    apply(model, batch)
    assert model.rows == {(1,): {"id": 1, "v": "b", "w": 1}}


def test_the_same_columns_under_another_schema_id_are_one_segment() -> None:
    again = replace(TABLE, number=7)
    records = [record("c", 1), change(again, "avro", "c", {"id": 2, "v": "x"}, at=(0, 1))]
    assert [segment.upserts for segment in decoder(TABLE, again).decode(NO_HINT, records).segments] == [2]


def test_rows_are_sliced_in_key_order() -> None:
    records = [record("c", number, str(number), offset=number) for number in (5, 3, 300, 1, 70_000)]
    (segment,) = decoder(TABLE).decode(NO_HINT, records).segments
    assert [row["id"] for row in rows_of(segment)] == [1, 3, 5, 300, 70_000]
    assert segment.key_bytes("upsert", 1, 3) == [struct.pack(">iq", 8, 3), struct.pack(">iq", 8, 5)]
    for low, high in [(0, 0), (0, 2), (2, 5), (5, 5), (4, -1)]:
        assert segment.copy_size(low, high) == len(segment.copy_payload(low, high))
    header, trailer = 19, 2
    parts = [segment.copy_payload(low, low + 1)[header:-trailer] for low in range(5)]
    assert segment.copy_payload() == segment.copy_payload(0, 0)[:header] + b"".join(parts) + b"\xff\xff"


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (2, 1), (0, 3), (3, 3)])
def test_a_slice_outside_the_rows_is_refused(low: int, high: int) -> None:
    (segment,) = decoder(TABLE).decode(NO_HINT, [record("c", 1), record("c", 2, offset=1)]).segments
    with pytest.raises(IndexError):
        segment.copy_payload(low, high)


def test_a_reject_is_superseded_by_a_later_event_of_its_key_only() -> None:
    whole = record("u", 1, "x", offset=1)
    broken = (0, 1, whole[2], (whole[3] or b"")[:-3])
    alone = decoder(TABLE).decode(NO_HINT, [record("c", 1, "a"), broken])
    assert [(reject.superseded, reject.key) for reject in alone.rejects] == [(False, struct.pack(">iq", 8, 1))]
    assert rows_of(alone.segments[0]) == [{"id": 1, "v": "a"}]
    followed = decoder(TABLE).decode(NO_HINT, [broken, record("c", 2, offset=2), record("u", 1, "b", offset=3)])
    assert [reject.superseded for reject in followed.rejects] == [True]
    truncated = decoder(TABLE).decode(NO_HINT, [broken, record("t", 0, offset=2)])
    assert [reject.superseded for reject in truncated.rejects] == [True]


def test_keys_are_found_in_the_segment() -> None:
    (segment,) = decoder(TABLE).decode(NO_HINT, [record("c", 1), record("d", 2, offset=1)]).segments
    keys = [struct.pack(">iq", 8, number) for number in (1, 2, 3)]
    assert segment.find(keys) == [("upsert", 0), ("delete", 0), None]


def test_a_table_without_key_takes_inserts_and_refuses_the_rest() -> None:
    table = replace(TABLE, key=())
    rows = [{"id": 1, "v": "same"}] * 2
    records = [change(table, "avro", "c", row, at=(0, offset)) for offset, row in enumerate(rows)]
    records.append(change(table, "avro", "d", rows[0], at=(0, 2)))
    records = [(partition, offset, None, value) for partition, offset, _, value in records]
    batch = decoder(table).decode(TableHint(append=True), records)
    assert rows_of(batch.segments[0]) == rows
    assert batch.segments[0].key == []
    assert [(reject.offset, reject.error_class) for reject in batch.rejects] == [(2, "KeylessChange")]


def test_a_key_of_the_tables_own_is_taken_from_the_value() -> None:
    hint = TableHint(key=["v"])
    before_and_after = {"before": {"id": 1, "v": "a"}, "after": {"id": 1, "v": "b"}}
    from tests.sink.native.records import encode, source

    update = {**before_and_after, "source": source(1), "transaction": None, "op": "u", "ts_ms": 1}
    records = [record("c", 1, "a"), (0, 1, *encode(TABLE, "avro", key={"id": 1}, value=update)), record("d", 2, "z", offset=2)]
    (segment,) = decoder(TABLE).decode(hint, records).segments
    assert rows_of(segment) == [{"id": 1, "v": "b"}]
    assert sorted(deleted_keys(segment)) == [("a",), ("z",)]


def test_fields_that_only_the_key_has_become_columns() -> None:
    """As the topic router adds one, to tell the tables of a sharded source apart."""
    from tests.sink.native import reference

    key = {
        "type": "record",
        "name": "Key",
        "fields": [{"name": "id", "type": "long"}, {"name": "__dbz__physicalTableIdentifier", "type": "string"}],
    }
    native = decoder(TABLE)
    import json

    native.register_schema(99, json.dumps(key))
    rows = []
    for offset, shard in enumerate(["s1", "s2"]):
        _, _, _, value = record("c", 1, shard, offset=offset)
        rows.append((0, offset, reference.write_avro(99, key, {"id": 1, "__dbz__physicalTableIdentifier": shard}), value))
    (segment,) = native.decode(NO_HINT, rows).segments
    shards = [row["__dbz__physicalTableIdentifier"] for row in rows_of(segment)]
    assert (sorted(shards), segment.key) == (["s1", "s2"], ["id", "__dbz__physicalTableIdentifier"])


def test_equal_hints_and_batches_give_equal_bytes() -> None:
    records = [record("c", number % 7, str(number), offset=number) for number in range(50)]
    payloads = {decoder(TABLE).decode(TableHint(), records).segments[0].copy_payload() for _ in range(3)}
    assert len(payloads) == 1


@pytest.mark.parametrize(
    ("label", "first", "second"),
    [
        ("variable_scale", {"scale": 1, "value": b"\x0a"}, {"scale": 2, "value": b"\x64"}),
        ("variable_scale", {"scale": 0, "value": b"\x00"}, {"scale": 3, "value": b"\x00"}),
        ("variable_scale", {"scale": -2, "value": b"\x01"}, {"scale": 0, "value": b"\x64"}),
        ("double", 0.0, -0.0),
    ],
)
def test_equal_keys_in_two_forms_are_one_row(label: str, first: object, second: object) -> None:
    """PostgreSQL holds 1.0 and 1.00 for the same key, and so must compaction."""
    table = Table((Field("k", BY_LABEL[label]), Field("n", BY_LABEL["int"])), ("k",))
    records = [
        change(table, "avro", "c", {"k": key, "n": number}, at=(0, number)) for number, key in enumerate([first, second])
    ]
    (segment,) = decoder(table).decode(NO_HINT, records).segments
    assert [row["n"] for row in rows_of(segment)] == [1]


def test_a_truncate_voids_segments_of_other_keys_too() -> None:
    other = Table((Field("id", BY_LABEL["string"]), Field("v", BY_LABEL["string"], True)), ("id",), number=3)
    records = [
        record("c", 1),
        change(other, "avro", "c", {"id": "one", "v": None}, at=(0, 1)),
        record("t", 0, offset=2),
        record("c", 2, offset=3),
    ]
    native = decoder(TABLE, other)
    assert len(native.decode(NO_HINT, records[:2]).segments) == 2
    (segment,) = native.decode(NO_HINT, records).segments
    assert (segment.truncate, rows_of(segment)) == (True, [{"id": 2, "v": None}])
