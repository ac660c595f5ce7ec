"""Which changes of a source's columns are additive, which break, and what is run for them. Pure."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sink_worker.coercion import find_cast
from sink_worker.evolution.classify import classify
from sink_worker.evolution.ddl import additive, reviewed, statements_text
from sink_worker.evolution.fitting import look
from sink_worker.evolution.indexes import index_name
from sink_worker.evolution.model import Difference, Kind, Present, Rules, TableState, Wanted
from sink_worker.evolution.settings import EvolutionRule, EvolutionSettings, IndexSettings
from sink_worker.evolution.store import Seen, fingerprint
from sink_worker.evolution.types import contains, conversion, is_same, rewrites, takes_cells, widened

TYPES = (
    "smallint", "integer", "bigint", "numeric", "numeric(4,0)", "numeric(9,0)", "numeric(10,2)", "numeric(12,2)",
    "numeric(12,4)", "numeric(20,0)", "real", "double precision", "boolean", "text", "character varying(40)",
    "character varying(80)",
    "character varying", "character(8)", "bytea", "date", "timestamp(3) without time zone", "timestamp without time zone",
    "timestamp(3) with time zone", "timestamp with time zone", "time(3) without time zone", "time without time zone",
    "interval", "interval(3)", "bit(8)", "bit varying(8)", "bit varying(16)", "uuid", "inet", "json", "jsonb",
    "integer[]", "bigint[]", "text[]", "point", "some_enum",
)  # fmt: skip
KINDS = st.sampled_from(TYPES)
KEY = Wanted("id", "bigint", key=True)
ID = Present("id", "bigint", required=True, nullable=False)


def table(*columns: Present, keys: tuple[frozenset[str], ...] = (frozenset({"id"}),)) -> TableState:
    return TableState({column.name: column for column in (ID, *columns)}, keys, "t_pkey")


def changed(state: TableState, difference: Difference) -> TableState:
    """The table after what is additive."""
    columns = dict(state.columns)
    columns |= {column.name: Present(column.name, column.pg_type) for column in difference.adds}
    columns |= {found.column: replace(columns[found.column], pg_type=found.new) for found in difference.widenings}
    return replace(state, columns=columns)


LOSSLESS = {
    ("smallint", "integer"): "integer", ("integer", "bigint"): "bigint", ("bigint", "numeric(20,0)"): "numeric(20,0)",
    ("integer", "numeric(6,2)"): "numeric(12,2)", ("numeric(10,2)", "integer"): "numeric(12,2)",
    ("numeric(10,2)", "numeric(12,2)"): "numeric(12,2)", ("numeric(10,2)", "numeric(8,4)"): "numeric(12,4)",
    ("numeric(10,2)", "numeric"): "numeric", ("real", "double precision"): "double precision",
    ("integer", "double precision"): "double precision", ("integer", "real"): "double precision",
    ("character varying(40)", "character varying(80)"): "character varying(80)", ("character varying(40)", "text"): "text",
    ("bit varying(8)", "bit varying(16)"): "bit varying(16)",
    ("date", "timestamp without time zone"): "timestamp without time zone",
    ("date", "timestamp(3) with time zone"): "timestamp(3) with time zone",
    ("timestamp(3) without time zone", "timestamp(6) without time zone"): "timestamp(6) without time zone",
    ("time(0) without time zone", "time without time zone"): "time without time zone", ("interval(3)", "interval"): "interval",
    ("integer[]", "bigint[]"): "bigint[]",
}  # fmt: skip


@pytest.mark.parametrize(("old", "wanted"), LOSSLESS)
def test_a_type_that_grows_without_loss_is_additive(old: str, wanted: str) -> None:
    found = classify([KEY, Wanted("v", wanted)], table(Present("v", old)))
    assert [(each.old, each.new) for each in found.widenings] == [(old, LOSSLESS[old, wanted])]
    assert not found.breaking


LOSSY = [
    ("bigint", "double precision"), ("integer", "text"), ("boolean", "smallint"), ("integer", "date"),
    ("timestamp without time zone", "text"), ("date", "integer"), ("uuid", "bytea"), ("text", "bytea"), ("bytea", "text"),
    ("numeric(10,2)", "double precision"), ("double precision", "numeric(10,2)"), ("jsonb", "integer"), ("integer[]", "text[]"),
    ("character(8)", "text"), ("timestamp without time zone", "interval"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "wanted"), LOSSY)
def test_a_type_that_changes_with_a_loss_breaks(old: str, wanted: str) -> None:
    found = classify([KEY, Wanted("v", wanted)], table(Present("v", old)))
    assert not found.additive
    assert [(each.kind, each.column, each.old, each.new) for each in found.breaking] == [(Kind.TYPE, "v", old, wanted)]


WIDE_ENOUGH = [
    ("bigint", "integer"), ("text", "character varying(9)"), ("numeric", "numeric(5,1)"), ("text", "integer"),
    ("integer", "boolean"), ("text[]", "integer[]"), ("jsonb", "jsonb"), ("double precision", "real"),
    ("timestamp without time zone", "date"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "wanted"), WIDE_ENOUGH)
def test_a_table_that_is_wide_enough_has_nothing_to_do(old: str, wanted: str) -> None:
    """A source that narrows loses nothing here; and a new field of a struct is one more name in its jsonb."""
    assert classify([KEY, Wanted("v", wanted)], table(Present("v", old))) == Difference()


@given(KINDS, KINDS)
def test_what_a_type_grows_to_holds_both_and_grows_no_more(old: str, wanted: str) -> None:
    grown = widened(old, wanted)
    if grown is None:
        return
    assert contains(grown, old)
    assert contains(grown, wanted)
    assert widened(grown, wanted) is None
    assert widened(grown, old) is None


@given(KINDS, KINDS)
def test_what_a_column_holds_can_be_written_to_it(column: str, event: str) -> None:
    if contains(column, event):
        assert find_cast(event, column) is not None


@given(st.dictionaries(st.sampled_from("abcde"), KINDS), st.dictionaries(st.sampled_from("abcdefg"), KINDS),
       st.none() | st.dictionaries(st.sampled_from("abcde"), KINDS), st.booleans(), st.booleans())  # fmt: skip
def test_once_the_additive_is_applied_nothing_additive_is_left(
    present: Mapping[str, str], wanted: Mapping[str, str], before: Mapping[str, str] | None, widen: bool, rewrite: bool
) -> None:
    """And what breaks is the same as before."""
    state = table(*(Present(name, kind) for name, kind in present.items()))
    columns = [KEY, *(Wanted(name, kind) for name, kind in wanted.items())]
    rules = Rules(widen=widen, rewrite=rewrite)
    first = classify(columns, state, before=before, rules=rules)
    again = classify(columns, changed(state, first), before=before, rules=rules)
    assert not again.additive
    assert again.breaking == first.breaking


def test_a_column_that_was_always_narrower_than_its_events_is_somebodys_choice() -> None:
    """PostgreSQL refuses the values that are too large, one by one; only a change of the source widens."""
    state = table(Present("v", "integer"))
    assert classify([KEY, Wanted("v", "bigint")], state, before={"id": "bigint", "v": "bigint"}) == Difference()
    assert classify([KEY, Wanted("v", "bigint")], state, before={"id": "bigint", "v": "integer"}).widenings


def test_a_number_that_became_a_text_breaks_though_a_text_can_be_parsed() -> None:
    state = table(Present("v", "integer"))
    assert classify([KEY, Wanted("v", "text")], state, before={"v": "text"}) == Difference()
    assert [each.kind for each in classify([KEY, Wanted("v", "text")], state, before={"v": "integer"}).breaking] == [Kind.TYPE]


def test_each_other_break_is_found_and_named() -> None:
    wanted = [KEY, Wanted("v", "text")]
    plain = Present("v", "text")
    assert classify(wanted, table(plain, keys=())).breaking[0].kind is Kind.KEY
    assert classify(wanted, table(plain, keys=(frozenset({"id", "v"}),))).breaking[0].old == "id, v"
    [unfilled] = classify(wanted, table(plain, Present("n", "text", required=True, nullable=False))).breaking
    assert (unfilled.kind, unfilled.column, unfilled.blocks) == (Kind.NOT_NULL, "n", True)
    [generated] = classify(wanted, table(Present("v", "text", generated=True))).breaking
    assert (generated.kind, generated.blocks) == (Kind.GENERATED, False)
    [demanded] = classify([KEY, Wanted("v", "text", required=True)], table(plain)).breaking
    assert (demanded.kind, demanded.column) == (Kind.NOT_NULL, "v")
    [dropped] = classify([KEY, Wanted("w", "text")], table(plain), gone={"v"}).breaking
    assert dropped.kind is Kind.DROPPED
    assert "may be w now" in dropped.detail
    [new_key] = [each for each in classify([KEY, Wanted("k", "text", key=True)], table(plain)).breaking if each.column]
    assert (new_key.kind, new_key.blocks) == (Kind.KEY, True)


def test_a_rewrite_of_a_large_table_is_for_a_person() -> None:
    state, wanted = table(Present("v", "integer")), [KEY, Wanted("v", "bigint"), Wanted("n", "text")]
    found = classify(wanted, state, rules=Rules(rewrite=False))
    assert [each.kind for each in found.breaking] == [Kind.REWRITE]
    assert [column.name for column in found.adds] == ["n"]
    cheap = classify([KEY, Wanted("v", "text")], table(Present("v", "character varying(40)")), rules=Rules(rewrite=False))
    assert cheap.widenings
    assert not cheap.breaking


def test_a_table_that_may_not_be_changed_breaks_on_every_change() -> None:
    wanted = [KEY, Wanted("v", "bigint"), Wanted("n", "text")]
    found = classify(wanted, table(Present("v", "integer")), rules=Rules(add=False, widen=False))
    assert not found.additive
    assert [(each.kind, each.column) for each in found.breaking] == [(Kind.REFUSED, "v"), (Kind.REFUSED, "n")]
    view = replace(table(Present("v", "integer")), changeable=False)
    assert [each.kind for each in classify(wanted, view).breaking] == [Kind.REFUSED, Kind.REFUSED]


@pytest.mark.parametrize(("old", "new", "expected"), [
    ("integer", "bigint", True), ("real", "double precision", True), ("numeric(10,2)", "numeric(12,4)", True),
    ("date", "timestamp without time zone", True), ("integer[]", "bigint[]", True), ("numeric(10,2)", "numeric(12,2)", False),
    ("numeric(10,2)", "numeric", False), ("character varying(40)", "character varying(80)", False),
    ("character varying(40)", "text", False), ("timestamp(3) without time zone", "timestamp(6) without time zone", False),
    ("interval(3)", "interval", False), ("bit varying(8)", "bit varying(16)", False),
])  # fmt: skip
def test_what_is_rewritten_is_known(old: str, new: str, expected: bool) -> None:
    assert rewrites(old, new) is expected


def test_the_statements_quote_names_and_add_before_they_rewrite() -> None:
    found = classify([KEY, Wanted("v", "bigint"), Wanted('od"d', "text")], table(Present("v", "integer")))
    assert statements_text(additive("s", "t", found)) == [
        'ALTER TABLE "s"."t" ADD COLUMN IF NOT EXISTS "od""d" text',
        'ALTER TABLE "s"."t" ALTER COLUMN "v" TYPE bigint USING "v"::bigint',
    ]


def test_what_a_review_runs_makes_the_table_take_the_events_and_drops_nothing() -> None:
    wanted = [Wanted("id", "bigint", key=True), Wanted("k", "text", key=True), Wanted("v", "text")]
    state = table(Present("v", "integer"), Present("old", "text", required=True, nullable=False))
    found = classify(wanted, state, before={"v": "integer"}, gone={"old"})
    [statement] = reviewed("s", "t", state, wanted, found.breaking)
    assert statement == (
        'ALTER TABLE "s"."t" ADD COLUMN "k" text, ALTER COLUMN "v" TYPE text USING "v"::text, '
        'ALTER COLUMN "old" DROP NOT NULL, DROP CONSTRAINT "t_pkey", ADD PRIMARY KEY ("id", "k")'
    )
    assert conversion("date", "timestamp with time zone") == "{}::timestamp AT TIME ZONE 'UTC'"


SEEN: Seen = {"id": {"type": "bigint", "since": 100, "at": 100}, "v": {"type": "text", "since": 500, "at": 500}}


@pytest.mark.parametrize(("moment", "gone"), [(501, {"v"}), (500, set()), (499, set())])
def test_a_column_is_gone_only_for_events_newer_than_its_first(moment: int, gone: set[str]) -> None:
    """Replayed and late events from before the column was added never had it."""
    found = look(table(Present("v", "text")), SEEN, [KEY], moment, Rules(), lambda: True)
    assert found.gone == gone


def test_a_table_that_is_met_for_the_first_time_is_taken_as_it_is() -> None:
    found = look(table(Present("v", "integer")), None, [KEY, Wanted("v", "bigint")], 1, Rules(), lambda: True)
    assert found.difference == Difference()


def test_the_size_of_a_table_is_asked_for_only_where_it_matters() -> None:
    def refuse() -> bool:
        raise AssertionError("asked")

    seen: Seen = {"v": {"type": "integer", "since": 1, "at": 1}}
    state = table(Present("v", "integer"))
    assert look(state, seen, [KEY, Wanted("v", "integer"), Wanted("n", "text")], 2, Rules(), refuse).difference.adds
    assert look(state, seen, [KEY, Wanted("v", "bigint")], 2, Rules(), lambda: False).difference.breaking


def test_a_review_is_found_again_whatever_the_order_of_its_changes() -> None:
    changes = [{"kind": "type", "column": name, "old": "integer", "new": "text", "detail": name} for name in "ab"]
    assert fingerprint(changes) == fingerprint([{**change, "detail": "other words"} for change in reversed(changes)])
    assert fingerprint(changes) != fingerprint(changes[:1])


def test_the_first_rule_that_matches_a_table_says_what_holds_for_it() -> None:
    rules = (
        EvolutionRule(tables=r"shop\.orders", breaking="queue", rewrite_max_bytes=0),
        EvolutionRule(tables=r"shop\..*", dropped="stop"),
    )
    settings = EvolutionSettings(breaking="audit", rules=rules)
    orders, lines, other = (settings.of_table(name) for name in ("shop.orders", "shop.lines", "other.orders"))
    assert (orders.breaking, orders.dropped, orders.rewrite_max_bytes) == ("queue", "audit", 0)
    assert (lines.breaking, lines.dropped) == ("audit", "stop")
    assert other == settings
    with pytest.raises(ValidationError, match="no regular expression"):
        EvolutionRule(tables="(")


def test_an_indexs_name_tells_what_was_wished() -> None:
    names = {index_name(IndexSettings(table=name, columns=columns, method=method))
             for name, columns, method in (("s.t", ["a"], "btree"), ("s.t", ["a"], "gin"), ("s.t", ["a", "b"], "btree"),
                                           ("r.t", ["a"], "btree"), ("s." + "t" * 80, ["a"], "btree"))}  # fmt: skip
    assert len(names) == 5
    assert all(len(name) <= 63 for name in names)


CELLS = Rules(cells=True)


@given(KINDS, KINDS)
def test_a_column_takes_cells_of_its_own_type_and_of_narrower_numbers_only(column: str, event: str) -> None:
    assert takes_cells(column, column)
    if takes_cells(column, event):
        assert contains(column, event)
        assert is_same(column, event) or widened(event, column) is not None


@pytest.mark.parametrize(("present", "event", "grows"), [
    ("integer", "bigint", "bigint"), ("integer", "numeric", "numeric"), ("real", "double precision", "double precision"),
    ("integer", "real", "double precision"), ("integer[]", "bigint[]", "bigint[]"),
    ("text", "integer", None), ("date", "timestamp with time zone", None), ("character varying(4)", "text", None),
    ("time without time zone", "interval", None),
])  # fmt: skip
def test_cells_widen_numbers_and_nothing_else(present: str, event: str, grows: str | None) -> None:
    found = classify([KEY, Wanted("v", event)], table(Present("v", present)), rules=CELLS)
    assert [each.new for each in found.widenings] == ([grows] if grows else [])
    assert [each.kind for each in found.breaking] == ([] if grows else [Kind.TYPE])


def test_cells_never_widen_a_key_and_are_never_cast() -> None:
    wider = classify([Wanted("id", "numeric", key=True)], table(), rules=CELLS)
    assert [(each.kind, each.column, each.blocks) for each in wider.breaking] == [(Kind.TYPE, "id", True)]
    narrower = classify([Wanted("id", "integer", key=True)], table(), rules=replace(CELLS, coerce=True))
    assert [each.kind for each in narrower.breaking] == [Kind.TYPE]
    assert not classify([KEY, Wanted("v", "integer")], table(Present("v", "bigint")), rules=CELLS).breaking


@pytest.mark.parametrize(("moment", "gone"), [(60_005, frozenset()), (60_006, frozenset({"v"}))])
def test_a_column_is_gone_once_events_lack_it_that_are_newer_by_more_than_a_source_may_lag(
    moment: int, gone: frozenset[str]
) -> None:
    seen: Seen = {"v": {"type": "text", "since": 5, "at": 5}}
    assert look(table(Present("v", "text")), seen, [KEY], moment, CELLS, lambda: True, 60_000).gone == gone
