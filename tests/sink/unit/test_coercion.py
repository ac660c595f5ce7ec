"""Which table columns take which event types, and never with a silent loss."""

import pytest
from sink_worker.coercion import find_cast, parse_type


@pytest.mark.parametrize(
    ("event", "column"),
    [
        ("bigint", "bigint"),
        ("smallint", "integer"),
        ("integer", "bigint"),
        ("bigint", "integer"),
        ("integer", "numeric"),
        ("text", "text"),
        ("text", "character varying(10)"),
        ("text", "uuid"),
        ("text", "jsonb"),
        ("text", "public.mood"),
        ("numeric(10,2)", "numeric(12,2)"),
        ("numeric(10,2)", "numeric"),
        ("numeric(20,0)", "bigint"),
        ("numeric(20)", "bigint"),
        ("timestamp(3)", "timestamp without time zone"),
        ("timestamp(3)", "timestamp(3) without time zone"),
        ("timestamp(6)", "timestamp with time zone"),
        ("timestamptz", "timestamp with time zone"),
        ("interval", "time without time zone"),
        ("bit varying(8)", "bit(8)"),
        ("boolean", "smallint"),
        ("jsonb", "json"),
        ("real", "double precision"),
        ("uuid", "text"),
        ("bytea", "bytea"),
        ("date", "date"),
        ("int8", "bigint"),
        ("geometry", "geometry"),
        ("integer", "double precision"),
    ],
)
def test_these_keep_every_value(event: str, column: str) -> None:
    cast = find_cast(event, column)
    assert cast is not None
    assert cast.exact


@pytest.mark.parametrize(
    ("event", "column"),
    [
        ("numeric(12,4)", "numeric(12,2)"),
        ("numeric", "numeric(10,2)"),
        ("numeric(10,2)", "bigint"),
        ("timestamp(6)", "timestamp(3)"),
        ("timestamp", "timestamp(3)"),
        ("bigint", "double precision"),
        ("double precision", "real"),
        ("timestamp(3)", "date"),
        ("numeric(10,2)", "double precision"),
        ("text", "numeric(10,2)"),
        ("text", "timestamp(0) without time zone"),
        ("bigint", "real"),
    ],
)
def test_these_may_round_and_say_so(event: str, column: str) -> None:
    cast = find_cast(event, column)
    assert cast is not None
    assert not cast.exact


@pytest.mark.parametrize(
    ("event", "column"),
    [
        ("bytea", "text"),
        ("text[]", "integer"),
        ("interval", "integer"),
        ("bytea", "uuid"),
        ("double precision", "boolean"),
        ("date", "integer"),
    ],
)
def test_these_do_not_fit(event: str, column: str) -> None:
    assert find_cast(event, column) is None


@pytest.mark.parametrize(
    ("text", "base", "modifiers"),
    [
        ("numeric(10,2)", "numeric", (10, 2)),
        ("timestamp(3) without time zone", "timestamp without time zone", (3,)),
        ("timestamp(6)", "timestamp without time zone", (6,)),
        ("varchar(7)", "character varying", (7,)),
        ("numeric(5,-2)", "numeric", (5, -2)),
        ("timestamptz", "timestamp with time zone", ()),
    ],
)
def test_types_are_read_as_postgres_writes_them(text: str, base: str, modifiers: tuple[int, ...]) -> None:
    parsed = parse_type(text)
    assert (parsed.base, parsed.modifiers) == (base, modifiers)
