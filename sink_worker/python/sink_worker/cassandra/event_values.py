"""Values as cassandra-driver gives them, in the form that the connector's events have them in. Pure.

These are its forms without schemas where ``decimal.handling.mode`` and ``varint.handling.mode`` are ``string``; so what was
read again goes the way of what was streamed.
"""

import base64
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sink_worker.cassandra.cql import CqlType

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_NANOSECONDS: Final = 86_400_000_000_000
_MONTH_DAYS: Final = 30
"""Of a duration, in the connector's events."""
_OPEN: Final = CqlType("udt")


def event_value(cql: CqlType, value: Any) -> Any:
    """What the connector's JSON has for a value of this type: numbers, texts, lists, and objects by name."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        return _map(cql, value)
    if cql.name in {"list", "set"}:
        return [event_value(cql.arguments[0], one) for one in value]
    if isinstance(value, tuple):
        return _fields(cql, value)
    return _scalar(cql, value)


def _map(cql: CqlType, value: Mapping[Any, Any]) -> Any:
    of_key, of_value = cql.arguments if cql.name == "map" else (_OPEN, _OPEN)
    pairs = [[event_value(of_key, key), event_value(of_value, one)] for key, one in value.items()]
    texts = of_key.name != "blob" and all(isinstance(key, str) for key, _ in pairs)
    return dict(pairs) if texts else pairs


def _fields(cql: CqlType, value: tuple[Any, ...]) -> dict[str, Any]:
    """A user-defined type by its fields' names, a tuple by ``field1`` and so on."""
    names: Iterable[str] = getattr(value, "_fields", None) or (f"field{place}" for place in range(1, len(value) + 1))
    types = cql.arguments if cql.name == "tuple" else (_OPEN,) * len(value)
    return {name: event_value(kind, one) for name, kind, one in zip(names, types, value, strict=True)}


def _scalar(cql: CqlType, value: Any) -> Any:
    if cql.name == "inet" and isinstance(value, str):
        return f"/{value}"
    if cql.name == "varint":
        return str(value)
    for kind, form in _FORMS.items():
        if isinstance(value, kind):
            return form(value)
    return _of_the_driver(value)


def _float(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


_FORMS: Final[Mapping[type, Callable[[Any], Any]]] = {
    float: _float,
    bytes: lambda value: base64.b64encode(value).decode(),
    Decimal: lambda value: format(value, "f"),
    UUID: str,
    datetime: lambda value: (value.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1),
}


def _of_the_driver(value: Any) -> Any:
    """``Date``, ``Time`` and ``Duration`` of the driver, told by what they have: it need not be imported for this. Sets and
    other iterables inside user-defined types are lists."""
    if hasattr(value, "days_from_epoch"):
        return value.days_from_epoch
    if hasattr(value, "nanosecond_time"):
        return value.nanosecond_time
    if hasattr(value, "nanoseconds") and hasattr(value, "months"):
        return (value.months * _MONTH_DAYS + value.days) * _DAY_NANOSECONDS + value.nanoseconds
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [event_value(_OPEN, one) for one in value]
    return value
