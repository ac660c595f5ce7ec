"""Sizes, durations and rates as people write them: text in the spec, plain integers in the code.

Each type is an ``int`` in its smallest unit (bytes, milliseconds, millicores, hundredths …) that prints as people write it.
Units: IEC 80000-13 binary prefixes (Ki, Mi, Gi, Ti), SI decimal ones (k, M, G, T), and the clock's (ms, s, m, h, d, w).
"""

import re
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

_BINARY = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50}
_DECIMAL = {"k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_SIZE = re.compile(r"^([0-9]+(?:\.[0-9]+)?)(Ki|Mi|Gi|Ti|Pi|[kKMGTP])?(B?)$")
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION_PATTERN = r"^([0-9]+(ms|s|m|h|d|w))+$"
_DURATION = re.compile(_DURATION_PATTERN)
_DURATION_PART = re.compile(r"([0-9]+)(ms|s|m|h|d|w)")
_RATE = re.compile(r"^([0-9]+(?:\.[0-9]+)?)/s$")
_PERCENT = re.compile(r"^([0-9]+)%$")
_CPU = re.compile(r"^([0-9]+)m$|^([0-9]+(?:\.[0-9]+)?)$")

FOREVER = -1
"""The retention that never ends, in Kafka's own spelling (``retention.ms=-1``)."""


def parse_bytes(text: object) -> int:
    """``"10MiB"``, ``"500Gi"``, ``"1.5GB"`` → bytes. A bare number has no unit and is refused; so is zero."""
    match = _SIZE.match(text) if isinstance(text, str) else None
    if match is None or not (match[2] or match[3]):
        raise ValueError(f"{text!r} is not a size; write a number with its unit, such as 500Gi, 10MiB or 64kB")
    number = float(match[1]) if "." in match[1] else int(match[1])
    amount = int(number * (_BINARY.get(match[2]) or _DECIMAL.get(match[2]) or 1))
    if amount <= 0:
        raise ValueError("0 is not a size here; leave the key out for no limit, or write a size above 0")
    return amount


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
    if not isinstance(text, str) or not _DURATION.match(text):
        raise ValueError(f"{text!r} is not a duration; write a number with its unit, such as 7d, 1h30m or 500ms")
    amount = sum(int(number) * _MILLISECONDS[unit] for number, unit in _DURATION_PART.findall(text))
    if amount == 0:
        raise ValueError("0 is not a duration here; write one above 0")
    return amount


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
    if not isinstance(text, str) or not text.endswith("/s"):
        raise ValueError(f"{text!r} is not a byte rate; write a size per second, such as 10MiB/s")
    return parse_bytes(text.removesuffix("/s"))


def parse_count_rate(text: object) -> float:
    """``"100/s"`` → events per second, above 0."""
    match = _RATE.match(text) if isinstance(text, str) else None
    if match is None or float(match[1]) <= 0:
        raise ValueError(f"{text!r} is not a rate above 0; write a number per second, such as 100/s")
    return float(match[1])


def format_count_rate(rate: float) -> str:
    """``100.0`` → ``100/s``."""
    return f"{rate:g}/s"


def parse_percent(text: object) -> int:
    """``"50%"`` → 50, above 0. Kafka's request percentage counts each thread as 100 %, so more than 100 is possible."""
    match = _PERCENT.match(text) if isinstance(text, str) else None
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{text!r} is not a whole percentage above 0; write one such as 50%")
    return int(match[1])


def parse_cpu(value: object) -> int:
    """``2``, ``"0.5"``, ``"500m"`` → millicores (Kubernetes' CPU quantity), above 0."""
    match = _CPU.match(str(value)) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None
    amount = 0 if match is None else int(match[1]) if match[1] else round(float(match[2]) * 1000)
    if amount <= 0:
        raise ValueError(f"{value!r} is not an amount of CPU above 0; write cores or millicores, such as 2 or 500m")
    return amount


def format_cpu(millicores: int) -> str:
    """``2000`` → ``2``, ``500`` → ``500m``."""
    return str(millicores // 1000) if millicores % 1000 == 0 else f"{millicores}m"


def _schema(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


_SIZE_SCHEMA = r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|[kKMGTP])?B?$"

ByteSize = Annotated[
    int, PlainValidator(parse_bytes), PlainSerializer(format_bytes), _schema(_SIZE_SCHEMA, "500Gi", "10MiB", "64kB")
]
Duration = Annotated[
    int, PlainValidator(parse_duration), PlainSerializer(format_duration), _schema(_DURATION_PATTERN, "7d", "1h30m")
]
Retention = Annotated[
    int,
    PlainValidator(parse_retention),
    PlainSerializer(format_duration),
    _schema(r"^(forever|([0-9]+(ms|s|m|h|d|w))+)$", "7d", "forever"),
]
ByteRate = Annotated[
    int,
    PlainValidator(parse_byte_rate),
    PlainSerializer(lambda rate: f"{format_bytes(rate)}/s"),
    _schema(_SIZE_SCHEMA.removesuffix("$") + "/s$", "10MiB/s", "20MB/s"),
]
CountRate = Annotated[
    float, PlainValidator(parse_count_rate), PlainSerializer(format_count_rate), _schema(r"^[0-9]+(\.[0-9]+)?/s$", "100/s")
]
Percent = Annotated[
    int, PlainValidator(parse_percent), PlainSerializer(lambda percent: f"{percent}%"), _schema(r"^[0-9]+%$", "50%")
]
Cpu = Annotated[
    int,
    PlainValidator(parse_cpu),
    PlainSerializer(format_cpu),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": r"^([0-9]+m|[0-9]+(\.[0-9]+)?)$"}]}
    ),
]
