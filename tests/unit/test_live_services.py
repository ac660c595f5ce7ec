"""A registry and a Connect that do not answer, or break off half-way, beside a Kafka that does: what is planned and made."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import typer

from components.core.errors import CdcError
from components.environment import EnvironmentSpec
from components.loading import build_environment
from operations.connect.cluster import ConnectError, State
from operations.connect.planning import Planned as PlannedConnector
from operations.live.apply import Applier, _broken_off
from operations.live.changes import ChangeConnector, Delete, Object, Planned, RegisterSchema, SetLevel
from operations.live.desired import Desired, desired
from operations.live.observe import Sources, attempt
from operations.live.observed import Gap, Observed, ObservedConnector, ObservedKafka
from operations.live.ownership import Ownership
from operations.live.plan import Judged, Words, plan
from operations.live.registry import Access, Registry, RegistryError
from operations.live.report import markdown, record, summary
from operations.live.session import Look, judge
from operations.plan import refuse_gaps
from operations.schema_changes import Changes, Finding, Level

GAP = Gap("registry", "http://r: the schema registry cannot be reached", "name its address with --registry")
KAFKA = ObservedKafka("id", 0, (), {}, {}, frozenset(), {}, {})
NOTHING = Desired("test", False, True, {}, {}, {})


def environment(**changes: Any) -> EnvironmentSpec:
    """A small environment with a connector."""
    values: dict[str, Any] = {
        "tier": "development",
        "target": "docker",
        "kafka": {"controllers": 0, "brokers": 1, "listeners": [{"name": "clients", "port": 9093, "tls": False}]},
        "connect": {"replicas": 1},
        "tenants": [{"name": "shop", "owner": "team-shop"}],
        "pipelines": [
            {
                "name": "orders",
                "tenant": "shop",
                "source": {"mariadb": {"host": "db", "password": "secret:db#password", "tables": ["shop.orders"]}},
                "sink": {"postgres": {"database": "rows", "password": "secret:rows#password"}},
            }
        ],
    }
    return build_environment({**values, **changes}, "test", "Pulumi.test.yaml")


def look(gaps: tuple[Gap, ...] = (), judged: Judged | None = None) -> Look:
    found = judged or Judged()
    planned = tuple(plan(NOTHING, Observed(KAFKA), Ownership(), Words(), found))
    return Look(NOTHING, Observed(KAFKA, gaps=gaps), Ownership(), found, Words(), planned, "", "")


# What does not answer


def test_whoever_does_not_answer_is_a_gap_with_what_to_do() -> None:
    def silent() -> int:
        raise ConnectError("blue: no worker answers\n      → start it")

    assert attempt("x", lambda: 1) == (1, ())
    assert attempt("Connect blue", silent) == (None, (Gap("Connect blue", "blue: no worker answers", "start it"),))


def test_a_plan_with_gaps_says_so_everywhere_and_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    found = look((GAP,))
    assert summary(found) == "nothing to do in what could be looked at"
    assert "- **not looked at**: registry: http://r" in markdown(found)
    assert record(found)["notLookedAt"][0]["what"] == "registry"
    with pytest.raises(
        CdcError, match=r"(?s)could be looked at; nothing was changed\nregistry: .*→ name its address"
    ) as raised:
        refuse_gaps(found, "nothing was changed")
    assert raised.value.exit_code == 2
    with pytest.raises(typer.Exit) as ended:
        refuse_gaps(found, "nothing was changed", as_json=True)
    said = capsys.readouterr()
    assert (ended.value.exit_code, said.out, "nothing was changed" in said.err) == (2, "", True)
    refuse_gaps(look(), "nothing was changed")


def connector(name: str, lives: str) -> ObservedConnector:
    return ObservedConnector(name, cast("Any", State(cast("Any", lives), 1)), {})


@pytest.mark.parametrize(
    ("there", "judged_at_all"),
    [({"blue": {}, "green": {}}, True), ({"blue": {}}, False), ({"green": {}}, False), ({}, False)],
    ids=["both", "no standby", "no active", "neither"],
)
def test_nothing_is_said_of_connectors_where_one_colour_does_not_answer(
    there: Mapping[str, Mapping[str, ObservedConnector]], judged_at_all: bool
) -> None:
    """They may run on the other one: made here as well, each change would be in Kafka twice."""
    sources = Sources(cast("Any", None), {}, None, cast("Any", {"blue": None, "green": None}))
    judged, gaps = judge(environment(), Path(), sources, Observed(KAFKA, None, there))
    assert (judged.connectors is not None, gaps) == (judged_at_all, ())


def test_one_colour_that_was_left_out_by_word_is_no_gap() -> None:
    sources = Sources(cast("Any", None), {}, None, cast("Any", {"blue": None}))
    judged, _ = judge(environment(), Path(), sources, Observed(KAFKA, None, {"blue": {}}))
    assert judged.connectors == (PlannedConnector("orders-source", "create"),)


# What somebody has halted


@pytest.mark.parametrize("lives", ["paused", "stopped"])
def test_a_connector_that_somebody_has_halted_is_told_and_left(lives: str) -> None:
    kept = Judged(connectors=(PlannedConnector("orders-source", "keep"),), active="blue", halted={"orders-source": lives})
    [found] = look(judged=kept).plan
    assert (found.change, found.hold) == (ChangeConnector("orders-source", "blue", "start", (), f"is {lives}"), "manual")
    changed = replace(kept, connectors=(PlannedConnector("orders-source", "change", ("x",)),))
    assert [one.hold for one in look(judged=changed).plan] == ["manual", ""]
    assert look(judged=replace(kept, halted={})).plan == ()


def test_what_is_halted_is_seen_on_the_active_colour_only() -> None:
    sources = Sources(cast("Any", None), {}, None, cast("Any", {"blue": None, "green": None}))
    there = {"blue": {"orders-source": connector("orders-source", "paused")}, "green": {"other": connector("other", "stopped")}}
    assert judge(environment(), Path(), sources, Observed(KAFKA, None, there))[0].halted == {"orders-source": "paused"}


# What breaks off


def test_of_a_batch_that_breaks_off_what_was_made_counts_as_made() -> None:
    batch = [Planned(Object("subject", name), Delete(Object("subject", name), "x")) for name in "abc"]
    outcome = _broken_off(batch, {id(batch[0])}, CdcError("no answer\n      → wait"))
    assert ([one.object.name for one in outcome.made], outcome.failed[0].planned) == (["a"], batch[1])
    assert (outcome.failed[0].why, outcome.failed[0].remedy) == ("no answer", "wait")
    everything = _broken_off(batch, {id(one) for one in batch}, CdcError("then it died"))
    assert (everything.made, everything.failed[0].planned) == (batch[:2], batch[2])


class HalfDeaf:
    """A registry that takes so many writes."""

    def __init__(self, takes: int) -> None:
        self.left = takes

    def _take(self) -> None:
        if self.left == 0:
            raise RegistryError("no answer")
        self.left -= 1

    def set_compatibility(self, _level: str, _subject: str | None = None) -> None:
        self._take()

    def register(self, *_: str) -> int:
        self._take()
        return 1

    def latest(self, _subject: str) -> None:
        return None

    def find(self, *_: str) -> None:
        return None

    def objections(self, *_: str) -> tuple[str, ...]:
        return ()


@pytest.mark.parametrize("takes", range(5))
def test_levels_and_schemas_that_a_registry_has_taken_count_as_made(takes: int) -> None:
    """The level of all, two schemas, and the level of the new one, which comes last."""
    changes = Changes(
        (Level(None, "NONE", "FULL"), Level("b", None, "FULL")),
        (Finding("a", "next", "{}"), Finding("b", "new", "{}")),
    )
    batch = [
        Planned(Object("subject", "(all)"), SetLevel(None, "NONE", "FULL")),
        Planned(Object("subject", "b"), SetLevel("b", None, "FULL")),
        Planned(Object("subject", "a"), RegisterSchema("a", "AVRO", True)),
        Planned(Object("subject", "b"), RegisterSchema("b", "AVRO", False)),
    ]
    sources = Sources(cast("Any", None), {}, cast("Registry", HalfDeaf(takes)))
    nobody = cast("Any", None)
    applier = Applier(environment(), sources, nobody, nobody, None, 1, lambda *_: None)
    outcome = applier._make(nobody, batch, replace(look(), judged=Judged(changes)))
    order = [batch[0], batch[2], batch[3], batch[1]]
    assert {id(one) for one in outcome.made} == {id(one) for one in order[:takes]}
    assert [one.planned not in outcome.made for one in outcome.failed] == ([True] if takes < 4 else [])


# How to get there


def test_a_registry_names_the_options_that_its_command_has() -> None:
    names = ("url", "user", "password-file", "ca-file")
    assert [Access("http://r").option(name) for name in names] == ["--url", "--user", "--password-file", "--ca-file"]
    combined = Access("http://r", user="x", prefix="registry")
    assert [combined.option(name) for name in names] == [
        "--registry",
        "--registry-user",
        "--registry-password-file",
        "--registry-ca-file",
    ]
    with pytest.raises(CdcError, match="--registry-user and --registry-password-file go together"):
        Registry(combined)


# Passwords


@pytest.mark.parametrize(
    ("listeners", "wanted"),
    [
        ([{"name": "clients", "port": 9093, "tls": False}], True),
        ([{"name": "open", "port": 9092, "tls": False, "authentication": "none"}], False),
        ([{"name": "mutual", "port": 9094, "authentication": "tls"}], False),
    ],
    ids=["passwords", "open", "certificates"],
)
def test_nobody_is_to_have_a_password_where_no_listener_takes_one(listeners: list[dict[str, Any]], wanted: bool) -> None:
    kafka = {"controllers": 0, "brokers": 1, "listeners": listeners, "authorization": {"type": "none"}}
    spec = environment(kafka={**kafka, "users": [{"name": "bob", "tenant": "shop"}]}, connect=None, pipelines=[])
    assert {user.scram for user in desired(spec).users.values()} == {wanted}


def test_strimzi_gives_everybody_a_password_whatever_the_listeners() -> None:
    kafka = {"listeners": [{"name": "mutual", "port": 9094, "authentication": "tls"}]}
    users = [{"name": "bob", "tenant": "shop"}]
    spec = environment(target="kubernetes", kafka={**kafka, "users": users}, connect=None, pipelines=[])
    assert {user.scram for user in desired(spec).users.values()} == {True}
