"""When two spellings of a setting are the same to Kafka. Pure.

Whatever is compared is brought to one spelling first, so that no difference is ever shown that is none: a number has many
spellings, a list no order, ``1d`` is milliseconds, and a topic that says nothing has its broker's default.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from components.core.errors import CdcError
from components.core.quantities import parse_bytes, parse_duration
from components.kafka.state import Scalar

_LISTS = frozenset({"cleanup.policy", "leader.replication.throttled.replicas", "follower.replication.throttled.replicas"})
_LONGEST = str(2**63 - 1)
_FOREVER = {"retention.ms", "retention.bytes"}
"""Where ``-1`` is without an end, which the greatest number is too."""

_SAME_AS = {"local.retention.ms": "retention.ms", "local.retention.bytes": "retention.bytes"}
"""Where ``-2`` stands for the value of another key."""

MANAGED_ELSEWHERE = frozenset({"leader.replication.throttled.replicas", "follower.replication.throttled.replicas"})
"""Set and taken away by whoever moves replicas, for as long as that takes: nobody's drift."""


def text(value: Scalar) -> str:
    """As Kafka's configuration has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def canonical(key: str, value: Scalar) -> str:
    """The one spelling of a topic's setting that Kafka takes and gives back."""
    plain = text(value).strip()
    if key in _LISTS:
        return ",".join(sorted(part.strip() for part in plain.split(",") if part.strip()))
    if plain.lower() in {"true", "false"}:
        return plain.lower()
    number = _number(key, plain)
    if number is None:
        return plain
    spelt = format(number.normalize(), "f")
    return "-1" if key in _FOREVER and spelt == _LONGEST else spelt


def _number(key: str, plain: str) -> Decimal | None:
    try:
        found = Decimal(plain.replace("_", ""))
    except InvalidOperation:
        return _with_unit(key, plain)
    return found if found.is_finite() else None


def _with_unit(key: str, plain: str) -> Decimal | None:
    """``7d`` of a key in milliseconds, ``1GiB`` of a key in bytes."""
    try:
        if key.endswith(".ms"):
            return Decimal(parse_duration(plain))
        return Decimal(parse_bytes(plain)) if key.endswith(".bytes") else None
    except (ValueError, CdcError):
        return None


def canonical_config(config: Mapping[str, Scalar]) -> dict[str, str]:
    """All settings of a topic, sorted."""
    return {key: canonical(key, value) for key, value in sorted(config.items())}


def differing(
    wanted: Mapping[str, str], own: Mapping[str, str], defaults: Mapping[str, str | None], *, whole: bool
) -> dict[str, tuple[str | None, str | None]]:
    """``(as it is, as it must be)`` of every setting that differs. ``wanted`` is canonical. What the topic says and ``wanted``
    does not is to go (``None``) where we answer for the ``whole`` topic, unless it says what it has anyway."""
    live = canonical_config(own)
    inherited = {key: canonical(key, value) for key, value in defaults.items() if value is not None}
    wanted_too, effective = {**inherited, **wanted}, {**inherited, **live}
    found: dict[str, tuple[str | None, str | None]] = {}
    for key, value in wanted.items():
        if _meant(key, effective) != _meant(key, wanted_too):
            found[key] = (effective.get(key), value)
    if whole:
        for key, value in live.items():
            if key not in wanted and key not in MANAGED_ELSEWHERE and _meant(key, effective) != _meant(key, wanted_too):
                found[key] = (value, None)
    return dict(sorted(found.items()))


def _meant(key: str, config: Mapping[str, str]) -> str | None:
    value = config.get(key)
    return config.get(_SAME_AS[key], value) if value == "-2" and key in _SAME_AS else value


def same_figures(wanted: Mapping[str, float], live: Mapping[str, float]) -> bool:
    """Whether two quotas bind alike: Kafka gives 5.0 back for 5."""
    return {key: float(value) for key, value in wanted.items()} == {key: float(value) for key, value in live.items()}
