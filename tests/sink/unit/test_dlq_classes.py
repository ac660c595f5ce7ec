"""Which class a refused event is in, when it is tried again, and what of the topic of dead letters is taken for a letter."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sink_worker._native import ERROR_CLASSES
from sink_worker.dlq_processor.kinds import Kind, kind_of, wait_after
from sink_worker.dlq_processor.letters import Place, place_of
from sink_worker.dlq_processor.settings import DlqProcessorSettings

PLAIN = DlqProcessorSettings()
LETTER: dict[str, Any] = {
    "source_topic": "t",
    "source_partition": 3,
    "source_offset": 7,
    "error_type": "X",
    "error_message": "m",
}
CONNECT = {"__connect.errors.topic": b"t", "__connect.errors.partition": b"3", "__connect.errors.offset": b"7"}


@pytest.mark.parametrize(
    ("error_class", "kind"),
    [
        ("ForeignKeyViolation:23503", Kind.TRANSIENT),
        ("UnknownSchema", Kind.TRANSIENT),
        ("SerializationFailure:40001", Kind.TRANSIENT),
        ("CheckViolation:23514", Kind.VALIDATION),
        ("UniqueViolation:23505", Kind.VALIDATION),
        ("StringDataRightTruncation:22001", Kind.VALIDATION),
        ("RaiseException:P0001", Kind.VALIDATION),
        ("mismatch", Kind.VALIDATION),
        ("NulInText", Kind.VALIDATION),
        ("NullNotAllowed", Kind.VALIDATION),
        ("MagicByte", Kind.PERMANENT),
        ("Truncated", Kind.PERMANENT),
        ("what nobody knows", Kind.VALIDATION),
    ],
)
def test_an_error_class_is_in_the_class_that_its_cause_asks_for(error_class: str, kind: Kind) -> None:
    assert kind_of(error_class, PLAIN) is kind


def test_every_class_of_the_decoder_is_known_here() -> None:
    """A class that is added there has to be thought of here: most are values, which wait for a person."""
    found = {kind: {name for name in ERROR_CLASSES if kind_of(name, PLAIN) is kind} for kind in Kind}
    assert found[Kind.TRANSIENT] == {"UnknownSchema"}
    values = {"InvalidEnum", "InvalidUtf8", "MissingField", "NoColumnTypes", "NulInText", "NullNotAllowed", "OutOfRange",
              "TypeMismatch", "UnknownField"}  # fmt: skip
    assert found[Kind.VALIDATION] & values == values & ERROR_CLASSES
    assert found[Kind.PERMANENT] >= {"MagicByte", "Truncated", "InvalidJson"}


def test_the_settings_patterns_win() -> None:
    settings = DlqProcessorSettings.model_validate(
        {"permanent": "*:23503", "transient": ["MagicByte"], "validation": "Unknown*"}
    )
    assert kind_of("ForeignKeyViolation:23503", settings) is Kind.PERMANENT
    assert kind_of("MagicByte", settings) is Kind.TRANSIENT
    assert kind_of("UnknownSchema", settings) is Kind.VALIDATION


@given(st.integers(0, 10_000), st.floats(0.9, 1.0))
def test_waits_double_up_to_the_longest_and_never_vanish(attempts: int, share: float) -> None:
    wait = wait_after(attempts, PLAIN, lambda low, high: share)
    assert timedelta(seconds=PLAIN.first_seconds * 0.9) <= wait <= timedelta(seconds=PLAIN.longest_seconds)
    assert wait <= wait_after(attempts + 1, PLAIN, lambda low, high: share)


def test_a_letter_names_its_events_place() -> None:
    assert place_of(json.dumps(LETTER).encode(), {}) == Place("t", 3, 7, "X", "m")
    assert place_of(b"\xff raw event", CONNECT) == Place("t", 3, 7, "Unknown", "")


SPOILT: dict[str, tuple[bytes | None, dict[str, bytes | None]]] = {
    "nothing": (None, {}),
    "no JSON": (b"\xff\x00", {}),
    "no object": (b"[1]", {}),
    "deep": (b"[" * 100_000, {}),
    "no place": (b"{}", {}),
    "a topic that is none": (json.dumps({**LETTER, "source_topic": 5}).encode(), {}),
    "a NUL in the topic": (json.dumps({**LETTER, "source_topic": "a\0b"}).encode(), {}),
    "a partition that is true": (json.dumps({**LETTER, "source_partition": True}).encode(), {}),
    "a partition below": (json.dumps({**LETTER, "source_partition": -1}).encode(), {}),
    "an offset beyond": (json.dumps({**LETTER, "source_offset": 2**63}).encode(), {}),
    "an offset that is text": (json.dumps({**LETTER, "source_offset": "7"}).encode(), {}),
    "headers that name no place": (b"{}", {**CONNECT, "__connect.errors.offset": b"seven"}),
    "headers without a value": (b"{}", {**CONNECT, "__connect.errors.partition": None}),
    "headers that are no text": (b"{}", {**CONNECT, "__connect.errors.topic": b"\xff"}),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_letter_that_names_none_is_told_from_one_and_why(what: str) -> None:
    problem = place_of(*SPOILT[what])
    assert isinstance(problem, str)
    assert problem


@given(
    st.binary(max_size=200) | st.none(), st.dictionaries(st.sampled_from(sorted(CONNECT)), st.binary(max_size=5) | st.none())
)
def test_no_record_of_the_topic_is_an_error(value: bytes | None, headers: dict[str, bytes | None]) -> None:
    assert isinstance(place_of(value, headers), (str, Place))


@pytest.mark.parametrize("error", ["a\0b", "\ud800"])
def test_what_a_letter_says_can_be_stored(error: str) -> None:
    place = place_of(json.dumps({**LETTER, "error_type": error, "error_message": error}).encode(), {})
    assert isinstance(place, Place)
    assert "\0" not in place.error_class + place.error_message
    place.error_message.encode()
