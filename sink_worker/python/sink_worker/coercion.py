"""Whether a column takes a value of another type without loss, and the expression that carries it over.

Types are PostgreSQL's names as ``format_type()`` or a CREATE TABLE writes them.
"""

import re
from dataclasses import dataclass
from typing import Final

_ALIASES: Final = {
    "int2": "smallint", "int4": "integer", "int": "integer", "int8": "bigint", "float4": "real", "float8": "double precision",
    "bool": "boolean", "varchar": "character varying", "char": "character", "bpchar": "character", "decimal": "numeric",
    "varbit": "bit varying", "timestamptz": "timestamp with time zone", "timestamp": "timestamp without time zone",
    "timetz": "time with time zone", "time": "time without time zone",
}  # fmt: skip
_TEXTS: Final = {"text", "character varying", "character", "name", "public.citext", "citext"}
_INTEGERS: Final = {"smallint": 2, "integer": 4, "bigint": 8}
_DEFAULT_PRECISION: Final = 6
_WITH_MODIFIER: Final = re.compile(r"^(?P<head>[^()]+?)\s*\((?P<modifiers>[\d\s,-]+)\)(?P<tail>.*)$")


@dataclass(frozen=True, slots=True)
class PgType:
    """A type without its modifiers, and its modifiers: numeric(10,2) is ("numeric", (10, 2))."""

    base: str
    modifiers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Cast:
    """``expression`` has one ``{}`` for the staging column. Not ``exact``: it may round or cut values."""

    expression: str = "{}"
    exact: bool = True


def parse_type(text: str) -> PgType:
    """The parts of a type's name."""
    found = _WITH_MODIFIER.match(text.strip())
    modifiers = tuple(int(part) for part in found["modifiers"].split(",")) if found else ()
    base = " ".join(f"{found['head']}{found['tail']}".split()) if found else " ".join(text.split())
    return PgType(_ALIASES.get(base.lower(), base), modifiers)


def find_cast(event: str, column: str) -> Cast | None:
    """How a value of type ``event`` goes into a column of type ``column``; None where PostgreSQL has no way.

    A length that a value exceeds, or a number out of range, is not a loss: PostgreSQL refuses that row.
    """
    source, target = parse_type(event), parse_type(column)
    if event.endswith("[]") and column.endswith("[]") and event != column:
        inner = find_cast(event[:-2], column[:-2])
        return None if inner is None or inner.expression not in {"{}", "{}::text"} else Cast("{}::" + column, inner.exact)
    if source.base == target.base:
        return Cast(exact=_keeps_modifiers(source, target))
    if target.base in _TEXTS:
        return Cast() if source.base in _TEXTS else Cast("{}::text") if source.base != "bytea" else None
    if source.base in _TEXTS:
        return Cast("{}::" + column, exact=_unrounded(target))
    return _between(source, target)


def _between(source: PgType, target: PgType) -> Cast | None:
    pair = (source.base, target.base)
    if source.base in _INTEGERS or source.base == "numeric":
        return _from_number(source, target)
    if pair in _FIXED:
        cast = _FIXED[pair]
        return Cast(cast.expression, cast.exact and (pair[1] == "date" or _unrounded(target)))
    return None


def _from_number(source: PgType, target: PgType) -> Cast | None:
    whole = source.base in _INTEGERS or source.modifiers[1:] == (0,) or (len(source.modifiers) == 1)
    if target.base in _INTEGERS:
        return Cast(exact=whole)
    if target.base == "numeric":
        return Cast()
    if target.base in {"real", "double precision"}:
        small = {"real": 2, "double precision": 4}[target.base]
        return Cast(exact=_INTEGERS.get(source.base, 16) <= small)
    return None


_TIME_OF_DAY: Final = (
    "CASE WHEN {0} IS NULL THEN NULL WHEN {0} >= '0'::interval AND {0} < '24:00'::interval "
    "THEN {0}::time ELSE ('no time of day: ' || {0})::time END"
)
_FIXED: Final = {
    ("boolean", "smallint"): Cast("{}::integer"), ("boolean", "integer"): Cast("{}::integer"),
    ("boolean", "bigint"): Cast("{}::integer"),
    ("real", "double precision"): Cast(), ("double precision", "real"): Cast(exact=False),
    ("real", "numeric"): Cast(exact=False), ("double precision", "numeric"): Cast(exact=False),
    ("date", "timestamp without time zone"): Cast(),
    ("date", "timestamp with time zone"): Cast("{}::timestamp AT TIME ZONE 'UTC'"),
    ("timestamp without time zone", "timestamp with time zone"): Cast("{} AT TIME ZONE 'UTC'"),
    ("timestamp with time zone", "timestamp without time zone"): Cast("{} AT TIME ZONE 'UTC'"),
    ("timestamp without time zone", "date"): Cast("{}::date", exact=False),
    ("interval", "time without time zone"): Cast(_TIME_OF_DAY), ("time without time zone", "interval"): Cast(),
    ("jsonb", "json"): Cast("{}::json"), ("json", "jsonb"): Cast("{}::jsonb"),
    ("bit varying", "bit"): Cast(), ("bit", "bit varying"): Cast(),
}  # fmt: skip


def _keeps_modifiers(source: PgType, target: PgType) -> bool:
    if not target.modifiers or source.modifiers == target.modifiers:
        return True
    if source.base == "numeric":
        return _numeric_fits(source.modifiers, target.modifiers)
    if source.base.startswith(("timestamp", "time", "interval")):
        return (source.modifiers or (_DEFAULT_PRECISION,))[0] <= target.modifiers[0]
    return True  # lengths of text and bits: what is too long is refused by the server


def _numeric_fits(source: tuple[int, ...], target: tuple[int, ...]) -> bool:
    if not source:
        return False
    scale, room = ((*source, 0))[1], ((*target, 0))[1]
    return scale <= room  # digits before the point: what is out of range is refused by the server


def _unrounded(target: PgType) -> bool:
    """Whether a value that is parsed from text, or comes with microseconds, keeps all its digits."""
    if not target.modifiers:
        return True
    if target.base == "numeric":
        return False
    return not target.base.startswith(("timestamp", "time", "interval")) or target.modifiers[0] >= _DEFAULT_PRECISION
