"""Topic → table, and names within 63 bytes that stay different."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sink_worker.routing import IDENTIFIER_BYTES, Router, fit_identifier
from sink_worker.settings import RouteRule, RoutingSettings

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=120)


@given(names)
def test_a_name_fits_and_stays_itself_where_it_can(name: str) -> None:
    fitted = fit_identifier(name)
    assert len(fitted.encode()) <= IDENTIFIER_BYTES
    assert fitted == name or len(name.encode()) > IDENTIFIER_BYTES


@given(
    st.text("aä語", min_size=60, max_size=80), st.text("xyz", min_size=1, max_size=5), st.text("xyz", min_size=1, max_size=5)
)
def test_long_names_with_one_beginning_do_not_become_one(beginning: str, one: str, other: str) -> None:
    assert (fit_identifier(beginning + one) == fit_identifier(beginning + other)) == (one == other)


@pytest.mark.parametrize(
    ("topic", "label"),
    [("srv.shop.orders", "public.orders"), ("monitor-4_orders", "public.monitor-4_orders"), ("shop.orders", "public.orders"),
     ("a.b.c.shop.orders", "public.orders")],
)  # fmt: skip
def test_a_debezium_topic_goes_to_its_table_by_default(topic: str, label: str) -> None:
    assert Router(RoutingSettings()).route(topic).label == label


def test_place_holders_and_groups_make_names() -> None:
    rule = RouteRule(topics=r"monitor-4_(?P<app>\w+?)_(.*)", db_schema="{app}", table="{2}", key=["id"])
    router = Router(RoutingSettings(db_schema="{database}", table="{prefix}_{table}", rules=[rule]))
    assert router.route("monitor-4_shop_order_lines").label == "shop.order_lines"
    assert router.route("monitor-4_shop_order_lines").key == ("id",)
    assert router.route("srv.shop.orders").label == "shop.srv_orders"


def test_the_first_rule_that_matches_the_whole_topic_wins() -> None:
    rules = [RouteRule(topics="a", table="one"), RouteRule(topics="a.*", table="two"), RouteRule(topics="ab", table="three")]
    router = Router(RoutingSettings(rules=rules))
    assert [router.route(topic).table for topic in ("a", "ab")] == ["one", "two"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (RoutingSettings(table="{tabel}"), "tabel"), (RoutingSettings(db_schema="{"), "no template"),
        (RoutingSettings(rules=[RouteRule(topics="(")]), "regular expression"),
        (RoutingSettings(rules=[RouteRule(topics="a(b)", table="{2}")]), "'2'"),
        (RoutingSettings(rules=[RouteRule(topics="a", key=["id"], append=True)]), "append"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_refused_before_anything_runs(settings: RoutingSettings, said: str) -> None:
    with pytest.raises(ValueError, match="routing") as refused:
        Router(settings)
    assert said in str(refused.value)


def test_a_topic_that_gets_no_name_is_refused() -> None:
    with pytest.raises(ValueError, match="gives it no table"):
        Router(RoutingSettings(db_schema="{database}")).route("orders")
