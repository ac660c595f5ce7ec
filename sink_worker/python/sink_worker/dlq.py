"""An event that was refused, and the dead letter made of it: B section 7's JSON, Connect's context headers (A4)."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sink_worker._native import Reject
from sink_worker.errors import classify

DECODE_STAGES: Final = {"decode_key": "KEY_CONVERTER", "decode_value": "VALUE_CONVERTER", "convert": "TRANSFORMATION"}
WRITE_STAGE: Final = "TASK_PUT"
OUTBOX_ID_HEADER: Final = "cdc.outbox.id"
Headers = list[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Rejection:
    """One event that was refused. ``key`` is canonical (None where it could not be decoded), ``raw_…`` are Kafka's bytes."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    raw_key: bytes | None
    raw_value: bytes | None
    headers: Headers
    event_ms: int | None
    stage: str
    error_class: str
    message: str
    superseded: bool = False
    attempts: int = 1
    discarded: bool = False
    """Kept, and not to be applied: its schema was refused."""


@dataclass(frozen=True, slots=True)
class Context:
    """Who refused, and when it failed first and last."""

    pipeline: str
    worker: str
    first_failure: datetime
    last_failure: datetime


def rejection_of_reject(topic: str, reject: Reject, message: Any) -> Rejection:
    """A record that could not be decoded. ``message`` is the confluent_kafka.Message it was."""
    return Rejection(
        topic, reject.partition, reject.offset, reject.key, *_raw(message), DECODE_STAGES[reject.stage], reject.error_class,
        reject.message, reject.superseded,
    )  # fmt: skip


def rejection_of_row(
    topic: str, message: Any, key: bytes | None, error: Exception, *, superseded: bool, attempts: int
) -> Rejection:
    """A row that PostgreSQL, or the table's shape, refused."""
    text = str(error).split("\nCONTEXT:", maxsplit=1)[0]
    return Rejection(
        topic, message.partition(), message.offset(), key, *_raw(message), WRITE_STAGE, classify(error).error_type, text,
        superseded, attempts,
    )  # fmt: skip


def _raw(message: Any) -> tuple[bytes | None, bytes | None, Headers, int | None]:
    kind, milliseconds = message.timestamp()
    value = message.value()
    return message.key(), None if value is None else bytes(value), list(message.headers() or []), milliseconds if kind else None


def render_value(rejection: Rejection, context: Context, max_bytes: int) -> bytes:
    """The dead letter's value. An event too large for one message is left out; its address and its length stay."""
    record: dict[str, Any] = {
        "original_event": _event(rejection),
        "error_type": rejection.error_class,
        "error_message": rejection.message,
        "attempt_count": rejection.attempts,
        "first_failure_timestamp": _iso(context.first_failure),
        "last_failure_timestamp": _iso(context.last_failure),
        "source_topic": rejection.topic,
        "source_partition": rejection.partition,
        "source_offset": rejection.offset,
    }
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    if len(text) > max_bytes:
        record["original_event"] = {"omitted": f"larger than {max_bytes} bytes; it is kept in the control schema",
                                    "value_bytes": len(rejection.raw_value or b"")}  # fmt: skip
        record["error_message"] = rejection.message[:1000]
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    return text


def render_headers(rejection: Rejection, context: Context) -> list[tuple[str, str]]:
    """Kafka Connect's context headers, so that its tools read these dead letters too."""
    name = "__connect.errors."
    return [
        (f"{name}topic", rejection.topic), (f"{name}partition", str(rejection.partition)),
        (f"{name}offset", str(rejection.offset)), (f"{name}connector.name", context.pipeline),
        (f"{name}task.id", context.worker), (f"{name}stage", rejection.stage),
        (f"{name}class.name", "sink_worker"), (f"{name}exception.class.name", rejection.error_class),
        (f"{name}exception.message", storable(rejection.message[:1000])), (f"{name}exception.stacktrace", ""),
    ]  # fmt: skip


def headers_as_json(headers: Headers) -> list[list[str | None]]:
    """Headers as [name, base64 of the value], which JSON can hold."""
    return [[storable(name), None if value is None else base64.b64encode(value).decode()] for name, value in headers]


def headers_from_json(headers: list[list[str | None]]) -> Headers:
    """The inverse of :func:`headers_as_json`."""
    return [(str(name), None if value is None else base64.b64decode(value)) for name, value in headers]


def storable(text: str) -> str:
    """Text as PostgreSQL can hold it, in jsonb too: no NUL, no lone surrogates."""
    return text.replace("\0", "\\0").encode(errors="backslashreplace").decode()


def _event(rejection: Rejection) -> Mapping[str, Any]:
    """Raw bytes in base64, which replays exactly; and the readable form where the record is JSON."""
    event: dict[str, Any] = {
        "key_base64": _base64(rejection.raw_key), "value_base64": _base64(rejection.raw_value),
        "headers": headers_as_json(rejection.headers), "timestamp": rejection.event_ms,
    }  # fmt: skip
    for name, raw in (("key", rejection.raw_key), ("value", rejection.raw_value)):
        readable = _json(raw)
        if readable is not None:
            event[name] = readable
    return event


def _json(raw: bytes | None) -> Any:
    if not raw or raw[:1] not in b'{["':
        return None
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _base64(raw: bytes | None) -> str | None:
    return None if raw is None else base64.b64encode(raw).decode()


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
