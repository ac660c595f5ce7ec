"""PostgreSQL's types as sets of values: which holds which, and the least that holds two.

Sources: PostgreSQL documentation, "Data Types"; ALTER TABLE, "Notes" (what is rewritten); the server's transform functions
``varchar_support``, ``numeric_support``, ``varbit_support``, ``timestamp_support``, ``time_support``, ``interval_support``.
"""

from typing import Final

from sink_worker.coercion import PgType, find_cast, parse_type

_TEXTS: Final = {"text", "character varying", "character", "name", "public.citext", "citext"}
_UNBOUNDED_TEXTS: Final = {"text", "public.citext", "citext"}
_INTEGER_DIGITS: Final = {"smallint": 5, "integer": 10, "bigint": 19}
_WHOLE_IN_INTEGER: Final = {"smallint": 4, "integer": 9, "bigint": 18}
"""Digits of which every number is in the type."""
_IN_FLOAT: Final = {"real": {"smallint"}, "double precision": {"smallint", "integer", "real"}}
_PRECISE: Final = {"timestamp without time zone", "timestamp with time zone", "time without time zone", "time with time zone",
                   "interval"}  # fmt: skip
_DEFAULT_PRECISION: Final = 6
_LENGTHS: Final = {"character varying", "bit varying"}
_NUMBERS: Final = {*_INTEGER_DIGITS, "numeric", "real", "double precision"}
_CHECKED: Final = {("interval", "time without time zone"), ("bit varying", "bit")}
_ANY_VARCHAR: Final = PgType("character varying")
_BARE_TEXT: Final = PgType("text")
_LIFTED: Final = {*_INTEGER_DIGITS, "real"}
_LIFTED_TO: Final = {*_INTEGER_DIGITS, "numeric", "double precision"}
_MOST_DIGITS: Final = 1000
"""Of a declared precision."""


def contains(column: str, event: str) -> bool:
    """Whether a column of type ``column`` takes every value of type ``event`` and gives it back."""
    if (elements := _elements(column, event)) is not None:
        return contains(*elements) and find_cast(event, column) is not None
    target, source = parse_type(column), parse_type(event)
    if target.base == source.base:
        return target == source or _holds_modifiers(target, source)
    if target.base in _UNBOUNDED_TEXTS:
        return source.base != "bytea"
    if target.base in _NUMBERS and source.base in _NUMBERS:
        return _holds_number(target, source)
    if target.base in _TEXTS or source.base in _TEXTS:
        return False
    return _converts(column, event, target, source)


def _converts(column: str, event: str, target: PgType, source: PgType) -> bool:
    """Between families: by the cast that the worker writes with."""
    if source.base == "date" and target.base.startswith("timestamp"):
        return True
    cast = find_cast(event, column)
    return cast is not None and cast.exact and (source.base, target.base) not in _CHECKED


def is_same(column: str, event: str) -> bool:
    """Whether both have the same values in the same binary form, however they are spelled."""
    if (elements := _elements(column, event)) is not None:
        return is_same(*elements)
    target, source = (_BARE_TEXT if kind == _ANY_VARCHAR else kind for kind in map(parse_type, (column, event)))
    return target == source


def takes_cells(column: str, event: str) -> bool:
    """Whether the decoder writes cells of type ``event`` as values of a column that another type made wider. Of cells the
    values are read back and compared, so that nothing is cast on the way."""
    if is_same(column, event):
        return True
    if (elements := _elements(column, event)) is not None:
        return takes_cells(*elements)
    return parse_type(event).base in _LIFTED and parse_type(column).base in _LIFTED_TO and contains(column, event)


def widened(column: str, event: str) -> str | None:
    """The least type of the same family that holds both; None where there is none, or the column holds all already."""
    if contains(column, event):
        return None
    if (elements := _elements(column, event)) is not None:
        inner = widened(*elements)
        return None if inner is None else f"{inner}[]"
    target, source = parse_type(column), parse_type(event)
    found = _common(target, source)
    return found if found is not None and contains(found, column) and contains(found, event) else None


def rewrites(old: str, new: str) -> bool:
    """Whether ALTER COLUMN … TYPE from ``old`` to ``new``, a widening, writes the whole table anew."""
    before, after = parse_type(old), parse_type(new)
    if before.base == after.base:
        if before.base == "numeric":
            return bool(after.modifiers) and _scale(before) != _scale(after)
        return before.base not in _LENGTHS | _PRECISE
    return (before.base, after.base) != ("character varying", "text")


def conversion(old: str, new: str) -> str | None:
    """What ALTER COLUMN … TYPE needs in USING, with ``{}`` for the column; None where PostgreSQL's own way is right."""
    pair = (parse_type(old).base, parse_type(new).base)
    if pair == ("date", "timestamp with time zone"):
        return "{}::timestamp AT TIME ZONE 'UTC'"
    if pair in {("timestamp without time zone", "timestamp with time zone"),
                ("timestamp with time zone", "timestamp without time zone")}:  # fmt: skip
        return "{} AT TIME ZONE 'UTC'"
    return None


def _elements(column: str, event: str) -> tuple[str, str] | None:
    return (column[:-2], event[:-2]) if column.endswith("[]") and event.endswith("[]") else None


def _common(target: PgType, source: PgType) -> str | None:
    bases = {target.base, source.base}
    if target.base == "character varying" and source.base in {"character varying", "text"}:
        return "text" if source.base == "text" or not source.modifiers else f"character varying({source.modifiers[0]})"
    if target.base == source.base and (target.base in _PRECISE or target.base == "bit varying"):
        return f"bit varying{_shown(source)}" if target.base == "bit varying" else _with_precision(source)
    if target.base == "date" and source.base.startswith("timestamp"):
        return _with_precision(source)
    if bases <= {*_INTEGER_DIGITS, "numeric"}:
        return _common_exact(target, source)
    if bases <= _NUMBERS and "numeric" not in bases:
        return "double precision" if "bigint" not in bases else None
    return None


def _common_exact(target: PgType, source: PgType) -> str:
    if "numeric" not in {target.base, source.base}:
        return max(target.base, source.base, key=lambda base: _INTEGER_DIGITS[base])
    sides = [_digits(side) for side in (target, source)]
    if None in sides:
        return "numeric"
    whole, scale = (max(side[place] for side in sides if side is not None) for place in (0, 1))
    return f"numeric({whole + scale},{scale})" if whole + scale <= _MOST_DIGITS else "numeric"


def _digits(kind: PgType) -> tuple[int, int] | None:
    """Digits before and behind the point; None without bound."""
    if kind.base in _INTEGER_DIGITS:
        return _INTEGER_DIGITS[kind.base], 0
    return (kind.modifiers[0] - _scale(kind), _scale(kind)) if kind.modifiers else None


def _scale(kind: PgType) -> int:
    return ((*kind.modifiers, 0, 0))[1]


def _holds_modifiers(target: PgType, source: PgType) -> bool:
    if target.base == "numeric":
        return _holds_number(target, source)
    if target.base in _PRECISE:
        return _precision(source) <= _precision(target)
    if not target.modifiers:
        return True
    return bool(source.modifiers) and target.base in _LENGTHS and source.modifiers[0] <= target.modifiers[0]


def _holds_number(target: PgType, source: PgType) -> bool:
    if target.base in _IN_FLOAT:
        return source.base in _IN_FLOAT[target.base]
    if source.base in _IN_FLOAT:
        return False
    if target.base in _INTEGER_DIGITS and source.base in _INTEGER_DIGITS:
        return _INTEGER_DIGITS[source.base] <= _INTEGER_DIGITS[target.base]
    room, need = _digits(target), _digits(source)
    if target.base in _INTEGER_DIGITS:
        return need is not None and need[1] <= 0 and need[0] <= _WHOLE_IN_INTEGER[target.base]
    return room is None or (need is not None and need[0] <= room[0] and need[1] <= room[1])


def _precision(kind: PgType) -> int:
    return (kind.modifiers or (_DEFAULT_PRECISION,))[0]


def _with_precision(kind: PgType) -> str:
    if not kind.modifiers:
        return kind.base
    head, space, tail = kind.base.partition(" ")
    return f"{head}({kind.modifiers[0]}){space}{tail}"


def _shown(kind: PgType) -> str:
    return f"({','.join(map(str, kind.modifiers))})" if kind.modifiers else ""
