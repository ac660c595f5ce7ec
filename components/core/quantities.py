"""Sizes, durations and rates as people write them: text in the spec, plain integers in the code.

Each type is an ``int`` in its smallest unit (bytes, milliseconds, millicores, hundredths …) that prints as people write it.
Units: IEC 80000-13 binary prefixes (Ki, Mi, Gi, Ti), SI decimal ones (k, M, G, T), and the clock's (ms, s, m, h, d, w).
"""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, PlainSerializer, PlainValidator, WithJsonSchema

from components.core.errors import WrongValue, shown

_BINARY = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50}
_DECIMAL = {"k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_SIZE = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,9})?)(Ki|Mi|Gi|Ti|Pi|[kKMGTP])?(B?)")
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION = re.compile(r"([0-9]{1,19}(ms|s|m|h|d|w))+")
_DURATION_PART = re.compile(r"([0-9]+)(ms|s|m|h|d|w)")
_RATE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)/s")
_PERCENT = re.compile(r"([0-9]{1,9})%")
_CPU = re.compile(r"([0-9]{1,9})m|([0-9]{1,6}(?:\.[0-9]{1,9})?)")
_MOST = (1 << 63) - 1
"""Kafka and Kubernetes count bytes and milliseconds in signed 64-bit numbers."""
_MOST_32_BIT = (1 << 31) - 1
_LEAST_SEGMENT = 1 << 20

FOREVER = -1
"""The retention that never ends, in Kafka's own spelling (``retention.ms=-1``)."""


def parse_bytes(text: object) -> int:
    """``"10MiB"``, ``"500Gi"``, ``"1.5GB"`` → bytes. A bare number has no unit and is refused; so is zero."""
    match = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if match is None or not (match[2] or match[3]):
        raise WrongValue(f"{shown(text)} is not a size", "write a number with its unit, such as 500Gi, 10MiB or 64kB")
    amount = int(Decimal(match[1]) * (_BINARY.get(match[2]) or _DECIMAL.get(match[2]) or 1))
    if amount == 0:
        raise WrongValue("0 is not a size here", "leave the key out for no limit, or write a size above 0")
    return _at_most(amount, "8 EiB")


def _at_most(amount: int, limit: str) -> int:
    if amount > _MOST:
        raise WrongValue(f"is more than {limit}, which is more than Kafka can count", "write less")
    return amount


def check_32_bit(amount: int) -> int:
    """Kafka counts the bytes of a segment and of a record batch in signed 32-bit numbers."""
    if amount > _MOST_32_BIT:
        raise WrongValue(
            "is more than 2 GiB less one byte, which is more than Kafka can count here", "write at most 2147483647B"
        )
    return amount


def check_segment(amount: int) -> int:
    """KIP-1030: a segment has at least 1 MiB."""
    if amount < _LEAST_SEGMENT:
        raise WrongValue("is less than 1MiB, the least that Kafka accepts for a segment", "write 1MiB or more")
    return check_32_bit(amount)


def format_bytes(amount: int) -> str:
    """Bytes → the shortest exact text: ``10485760`` → ``10MiB``, ``10000000`` → ``10MB``."""
    return min(_exact_units(amount), key=len)


def _exact_units(amount: int) -> list[str]:
    binary = [f"{amount // factor}{unit}B" for unit, factor in _BINARY.items() if amount % factor == 0]
    decimal = [f"{amount // factor}{unit}B" for unit, factor in _DECIMAL.items() if unit != "K" and amount % factor == 0]
    return [*binary, *decimal, f"{amount}B"]


def kubernetes_bytes(amount: int) -> str:
    """Bytes as a Kubernetes quantity: ``536870912000`` → ``500Gi``."""
    return format_bytes(amount).removesuffix("B")


def parse_duration(text: object) -> int:
    """``"7d"``, ``"1h30m"``, ``"500ms"`` → milliseconds. A bare number has no unit and is refused; so is zero."""
    if not isinstance(text, str) or not _DURATION.fullmatch(text):
        raise WrongValue(f"{shown(text)} is not a duration", "write a number with its unit, such as 7d, 1h30m or 500ms")
    amount = sum(int(number) * _MILLISECONDS[unit] for number, unit in _DURATION_PART.findall(text))
    if amount == 0:
        raise WrongValue("0 is not a duration here", "write one above 0")
    return _at_most(amount, "292 million years")


def parse_retention(text: object) -> int:
    """A duration, or ``forever`` (:data:`FOREVER`)."""
    return FOREVER if text == "forever" else parse_duration(text)


def format_duration(amount: int) -> str:
    """Milliseconds → the shortest exact text with one unit: ``604800000`` → ``7d``."""
    if amount == FOREVER:
        return "forever"
    unit, factor = next((u, f) for u, f in reversed(_MILLISECONDS.items()) if u != "w" and amount % f == 0)
    return f"{amount // factor}{unit}"


def parse_byte_rate(text: object) -> int:
    """``"10MiB/s"`` → bytes per second, above 0 (Kafka refuses a quota of 0 by throttling for ever)."""
    match = _SIZE.fullmatch(text.removesuffix("/s")) if isinstance(text, str) and text.endswith("/s") else None
    if match is None:
        raise WrongValue(f"{shown(text)} is not a byte rate", "write a size per second, such as 10MiB/s")
    return parse_bytes(match[0])


def parse_count_rate(text: object) -> float:
    """``"100/s"`` → events per second, above 0."""
    match = _RATE.fullmatch(text) if isinstance(text, str) else None
    if match is None or float(match[1]) == 0:
        raise WrongValue(f"{shown(text)} is not a rate above 0", "write a number per second, such as 100/s")
    return float(match[1])


def format_count_rate(rate: float) -> str:
    """``100.0`` → ``100/s``, ``0.5`` → ``0.5/s``; never with an exponent."""
    digits = f"{Decimal(repr(rate)):f}"
    return f"{digits.rstrip('0').rstrip('.') if '.' in digits else digits}/s"


def parse_percent(text: object) -> int:
    """``"50%"`` → 50, above 0. Kafka's request percentage counts each thread as 100 %, so more than 100 is possible."""
    match = _PERCENT.fullmatch(text) if isinstance(text, str) else None
    if match is None or int(match[1]) == 0:
        raise WrongValue(f"{shown(text)} is not a whole percentage above 0", "write one such as 50%")
    return int(match[1])


def parse_cpu(value: object) -> int:
    """``2``, ``"0.5"``, ``"500m"`` → millicores (Kubernetes' CPU quantity), above 0."""
    match = _CPU.fullmatch(str(value)) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None
    amount = 0 if match is None else int(match[1]) if match[1] else int(Decimal(match[2]) * 1000)
    if amount == 0:
        raise WrongValue(f"{shown(value)} is not an amount of CPU above 0", "write cores or millicores, such as 2 or 500m")
    return amount


def format_cpu(millicores: int) -> str:
    """``2000`` → ``2``, ``500`` → ``500m``."""
    return str(millicores // 1000) if millicores % 1000 == 0 else f"{millicores}m"


def _schema(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


_ABOVE_ZERO = r"(?=.*[1-9])"
"""Looks ahead for a digit that is not 0: JSON Schema knows the bounds of numbers only, not of text."""
_DURATION_SCHEMA = rf"^{_ABOVE_ZERO}([0-9]+(ms|s|m|h|d|w))+$"
_SIZE_SCHEMA = rf"^{_ABOVE_ZERO}[0-9]+(\.[0-9]+)?((Ki|Mi|Gi|Ti|Pi|[kKMGTP])B?|B)$"

ByteSize = Annotated[
    int, PlainValidator(parse_bytes), PlainSerializer(format_bytes), _schema(_SIZE_SCHEMA, "500Gi", "10MiB", "64kB")
]
SegmentSize = Annotated[ByteSize, AfterValidator(check_segment)]
MessageSize = Annotated[ByteSize, AfterValidator(check_32_bit)]
Duration = Annotated[
    int, PlainValidator(parse_duration), PlainSerializer(format_duration), _schema(_DURATION_SCHEMA, "7d", "1h30m")
]
Retention = Annotated[
    int,
    PlainValidator(parse_retention),
    PlainSerializer(format_duration),
    _schema(rf"^forever$|{_DURATION_SCHEMA}", "7d", "forever"),
]
ByteRate = Annotated[
    int,
    PlainValidator(parse_byte_rate),
    PlainSerializer(lambda rate: f"{format_bytes(rate)}/s"),
    _schema(_SIZE_SCHEMA.removesuffix("$") + "/s$", "10MiB/s", "20MB/s"),
]
CountRate = Annotated[
    float,
    PlainValidator(parse_count_rate),
    PlainSerializer(format_count_rate),
    _schema(rf"^{_ABOVE_ZERO}[0-9]+(\.[0-9]+)?/s$", "100/s"),
]
Percent = Annotated[
    int,
    PlainValidator(parse_percent),
    PlainSerializer(lambda percent: f"{percent}%"),
    _schema(rf"^{_ABOVE_ZERO}[0-9]+%$", "50%"),
]
Cpu = Annotated[
    int,
    PlainValidator(parse_cpu),
    PlainSerializer(format_cpu),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": rf"^{_ABOVE_ZERO}([0-9]+m|[0-9]+(\.[0-9]+)?)$"},
            ]
        }
    ),
]
