"""The dead letter: B section 7's members, Connect's headers, bounded, and exact enough to be replayed."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from sink_worker.dlq import Context, Rejection, headers_as_json, headers_from_json, render_headers, render_value, storable

CONTEXT = Context("orders", "worker-1", datetime(2025, 11, 20, 10, tzinfo=UTC), datetime(2025, 11, 20, 10, 5, tzinfo=UTC))
HEADERS: list[tuple[str, bytes | None]] = [("trace", b"\xff"), ("none", None)]
REJECTION = Rejection(
    "srv.shop.orders",
    3,
    123456,
    b"\0",
    b"\0\0\0\0\1\2",
    b'{"payload": {"age": "old"}}',
    HEADERS,
    1_700_000_000_000,
    "TASK_PUT",
    "CheckViolation:23514",
    "Field 'age' expected int",
    attempts=10,
)


def test_it_has_every_member_of_the_required_format() -> None:
    record = json.loads(render_value(REJECTION, CONTEXT, 10_000))
    assert set(record) == {
        "original_event",
        "error_type",
        "error_message",
        "attempt_count",
        "first_failure_timestamp",
        "last_failure_timestamp",
        "source_topic",
        "source_partition",
        "source_offset",
    }
    assert record["first_failure_timestamp"] == "2025-11-20T10:00:00.000Z"
    assert (record["source_topic"], record["source_partition"], record["source_offset"]) == ("srv.shop.orders", 3, 123456)
    assert record["attempt_count"] == 10
    assert record["original_event"]["value"] == {"payload": {"age": "old"}}


@given(st.none() | st.binary(), st.none() | st.binary())
def test_the_original_bytes_are_in_it_whatever_they_are(key: bytes | None, value: bytes | None) -> None:
    event = json.loads(render_value(replace(REJECTION, raw_key=key, raw_value=value), CONTEXT, 10**6))["original_event"]
    for raw, text in ((key, event["key_base64"]), (value, event["value_base64"])):
        assert raw == (None if text is None else base64.b64decode(text))


@given(st.binary(min_size=0, max_size=5000), st.text(max_size=3000))
def test_it_never_exceeds_its_bound_by_the_events_size(value: bytes, message: str) -> None:
    text = render_value(replace(REJECTION, raw_value=value, message=message), CONTEXT, 2000)
    assert len(text) <= 2000 + 6 * 1000 + 1000  # the bound, or the record without its event and a shortened message
    record = json.loads(text)
    assert record["source_offset"] == 123456
    assert "omitted" in record["original_event"] or "value_base64" in record["original_event"]


def test_the_headers_are_connects() -> None:
    headers = dict(render_headers(REJECTION, CONTEXT))
    assert headers["__connect.errors.topic"] == "srv.shop.orders"
    assert (headers["__connect.errors.partition"], headers["__connect.errors.offset"]) == ("3", "123456")
    assert headers["__connect.errors.stage"] == "TASK_PUT"
    assert headers["__connect.errors.connector.name"] == "orders"
    assert headers["__connect.errors.exception.class.name"] == "CheckViolation:23514"


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.none() | st.binary())))
def test_headers_survive_the_table(headers: list[tuple[str, bytes | None]]) -> None:
    assert headers_from_json(json.loads(json.dumps(headers_as_json(headers)))) == headers


@given(st.text())
def test_any_text_can_be_stored(text: str) -> None:
    stored = storable(text)
    assert "\0" not in stored
    stored.encode()
