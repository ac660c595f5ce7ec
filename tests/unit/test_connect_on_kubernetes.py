"""``cdc connect`` on Kubernetes: what is asked of Strimzi's operator, and what becomes of it wherever that ends."""

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any

import pytest

from components.connect.connectors import Connector
from operations.connect import kubernetes, moving
from operations.connect.cluster import ConnectError, NotRead, Silent, State
from operations.connect.kubectl import CONNECTORS, RIGHTS, Body, missing
from operations.connect.kubernetes import HARMLESS, OFFSETS_ANNOTATION, KubernetesCluster
from operations.connect.moving import Mover
from operations.connect.objects import NOT_ARMED, state_of_object
from operations.connect.switching import Colours, RolledBack, switch
from tests.doubles.connect import FakeCluster, Killed, Source, idle
from tests.doubles.kubernetes import FakeApi
from tests.doubles.strimzi import FakeOperator

NAMES = ("invoices", "orders")
MOST_REQUESTS = 2000
PATIENCE = 0.02


def object_of(name: str, colour: str) -> Body:
    """As it is rendered."""
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaConnector",
        "metadata": {"name": name, "namespace": "cdc", "labels": {"strimzi.io/cluster": f"cdc-connect-{colour}"}},
        "spec": {"class": "SourceConnector", "tasksMax": 1, "config": {"database.server.name": name}},
    }


def connectors_of(colour: str) -> list[Connector]:
    config = {"connector.class": "SourceConnector", "tasks.max": "1"}
    names = [f"{name}-{colour}" for name in NAMES]
    return [Connector(name, name, "source", 0, {**config, "database.server.name": name}) for name in names]


COLOURS = Colours(connectors_of("blue"), connectors_of("green"))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "_PAUSE_SECONDS", 0)
    monkeypatch.setattr(kubernetes, "POLL_SECONDS", 0)
    monkeypatch.setattr(kubernetes, "LOOK_SECONDS", 0)


class World:
    """Two Connect clusters, an operator and an API server; sources get a change at every request, and all runs on blue."""

    def __init__(self, *, starts_first: bool = True) -> None:
        self.sources = {name: Source(end=5) for name in NAMES}
        by_connector = {f"{name}-{colour}": self.sources[name] for name in NAMES for colour in ("blue", "green")}
        self.connects = {colour: FakeCluster(colour, by_connector) for colour in ("blue", "green")}
        self.api = FakeApi()
        clusters = {f"cdc-connect-{colour}": connect for colour, connect in self.connects.items()}
        self.operator = FakeOperator(self.api, clusters, starts_first=starts_first)
        self.there = True
        self.interrupt: Callable[[str, int], None] = lambda _request, _number: None
        self._numbers: Iterator[int] = count()
        self.api.after = self._operate
        for name in NAMES:
            self.api.apply(object_of(f"{name}-blue", "blue"))
        self.api.before = self._before
        self.said: list[str] = []

    def cluster(self, colour: str, *, acts: bool = True) -> KubernetesCluster:
        rendered = {f"{name}-{colour}": object_of(f"{name}-{colour}", colour) for name in NAMES}
        return KubernetesCluster(colour, self.api, f"cdc-connect-{colour}", rendered, PATIENCE, acts)

    def _operate(self) -> None:
        if self.there:
            self.operator.step()

    def _before(self, request: str) -> None:
        for source in self.sources.values():
            source.end += 1
        self.interrupt(request, next(self._numbers))
        working = [{name.rpartition("-")[0] for name in self.working(colour)} for colour in ("blue", "green")]
        assert not working[0] & working[1], request

    def working(self, colour: str) -> list[str]:
        """What runs there in earnest."""
        connect = self.connects[colour]
        return sorted(name for name, lives in connect.lives.items() if lives == "running" and not idle(connect.configs[name]))

    def objects(self) -> list[str]:
        return sorted(name for kind, name in self.api.objects if kind == CONNECTORS)

    def switch(self, to: str = "green") -> None:
        forth = to == "green"
        colours = COLOURS if forth else Colours(COLOURS.arriving, COLOURS.leaving)
        old, new = (self.cluster(colour) for colour in (("blue", "green") if forth else ("green", "blue")))
        switch(old, new, colours, self.said.append, PATIENCE)

    def kill_at(self, number: int) -> None:
        """At that request from now on, and never again."""
        self._numbers = count()

        def interrupt(_request: str, now: int) -> None:
            if now == number:
                self.interrupt = lambda _request, _number: None
                raise Killed

        self.interrupt = interrupt

    def judge(self, colour: str) -> None:
        """All run there as they are rendered, and have written each change once."""
        names = [f"{name}-{colour}" for name in NAMES]
        for connect in self.connects.values():
            connect.run()
        assert (self.working(colour), self.objects()) == (names, names)
        for name in names:
            live = self.api.objects[CONNECTORS, name]
            assert live["spec"]["config"] == object_of(name, colour)["spec"]["config"]
            assert not {NOT_ARMED, OFFSETS_ANNOTATION} & set(live["metadata"].get("annotations", {}))
        for source in self.sources.values():
            assert source.written == list(range(source.end))


@pytest.mark.parametrize("starts_first", [True, False])
def test_every_connector_moves_and_nothing_is_lost_or_written_twice(starts_first: bool) -> None:
    world = World(starts_first=starts_first)
    world.switch()
    world.judge("green")
    world.switch("blue")
    world.judge("blue")


@pytest.mark.parametrize(("to", "every"), [("green", 1), ("blue", 2)])
def test_killed_at_any_request_another_run_in_either_direction_finishes_it(to: str, every: int) -> None:
    for number in range(0, MOST_REQUESTS, every):
        world = World()
        world.kill_at(number)
        try:
            world.switch()
        except Killed:
            world.switch(to)
        else:
            break
        world.judge(to)
    assert 80 < number < MOST_REQUESTS - 1


def test_positions_that_are_refused_leave_all_where_they_were() -> None:
    world = World()
    world.operator.refuses = {"orders-green": "400 the offsets are not of this connector"}
    with pytest.raises(RolledBack, match=r"(?s)offsets are not of this connector.*runs on blue again"):
        world.switch()
    world.judge("blue")


def test_positions_that_are_refused_again_are_refused_though_the_operator_warns_of_nothing_new() -> None:
    world = World()
    world.operator.refuses = {"orders-green": "400 not these"}
    for _ in range(2):
        with pytest.raises(RolledBack, match="not these"):
            world.switch()
    green = world.cluster("green")
    green.create_stopped("orders-green", {})
    for _ in range(2):
        with pytest.raises(ConnectError, match="not these"):
            green.write_offsets("orders-green", ())


def test_a_configuration_that_is_refused_stops_nothing_and_leaves_nothing() -> None:
    world = World()
    world.connects["green"].refuses = {"orders-green"}
    stopped: list[str] = []
    world.connects["blue"].before = lambda request: stopped.append(request) if request == "blue stop" else None
    with pytest.raises(RolledBack, match="a: is wrong"):
        world.switch()
    assert stopped == []
    world.judge("blue")


def test_what_fails_on_the_new_colour_takes_all_of_them_back() -> None:
    world = World()
    world.connects["green"].fails = {"invoices-green"}
    with pytest.raises(RolledBack, match=r"(?s)it is broken here.*runs on blue again"):
        world.switch()
    world.judge("blue")


def test_what_does_not_start_at_all_on_the_new_colour_stops_nothing() -> None:
    world = World()
    world.operator.broken = {"invoices-green"}
    with pytest.raises(RolledBack, match=r"(?s)invoices-green fails on green: it does not start.*runs on blue again"):
        world.switch()
    world.judge("blue")


def test_what_has_failed_as_a_whole_is_moved_all_the_same() -> None:
    """The operator would leave it as it is: it is started again first."""
    world = World()
    world.operator.broken = {"orders-blue"}
    world.api.patch_connector("orders-blue", {"metadata": {"annotations": {"a": "look"}}})
    assert world.cluster("blue").states()["orders-blue"].lives == "failed"
    world.switch()
    world.judge("green")


def test_without_an_operator_nothing_is_changed_and_that_is_said() -> None:
    world = World()
    world.there = False
    with pytest.raises(ConnectError, match=r"(?s)operator has not looked.*Nothing was changed"):
        world.switch()
    world.there = True
    world.api.get(CONNECTORS, "orders-blue")
    world.judge("blue")


def test_an_operator_that_goes_away_leaves_word_of_what_was_done_and_another_run_finishes_it() -> None:
    world = World()

    def say(line: str) -> None:
        world.said.append(line)
        world.there = "orders-green: stopped" not in line

    with pytest.raises(ConnectError, match=r"(?s)has not .*Done before that.*orders-green: stopped on blue") as raised:
        switch(world.cluster("blue"), world.cluster("green"), COLOURS, say, PATIENCE)
    assert not isinstance(raised.value, RolledBack)
    world.there = True
    world.switch()
    world.judge("green")


def test_a_request_that_the_operator_does_not_see_is_taken_back() -> None:
    world = World()
    blue = world.cluster("blue")
    world.there = False
    with pytest.raises(Silent):
        blue.stop("orders-blue")
    world.there = True
    assert blue.states()["orders-blue"].lives == "running"


def test_a_user_who_may_not_change_the_old_colour_has_changed_nothing() -> None:
    world = World()

    def interrupt(request: str, _number: int) -> None:
        if request.startswith(("apply", "patch")):
            raise ConnectError("kafkaconnectors.kafka.strimzi.io is forbidden")

    world.interrupt = interrupt
    with pytest.raises(RolledBack, match="forbidden"):
        world.switch()
    world.interrupt = lambda _request, _number: None
    world.judge("blue")


def test_to_show_what_would_be_done_changes_nothing() -> None:
    world = World()
    world.kill_at(60)
    with pytest.raises(Killed):
        world.switch()
    before = {key: body["metadata"]["resourceVersion"] for key, body in world.api.objects.items() if key[0] == CONNECTORS}
    mover = Mover(world.cluster("blue", acts=False), world.cluster("green", acts=False), world.said.append, PATIENCE)
    steps = mover.steps(COLOURS.forth())
    assert set(steps) == {"invoices-green", "orders-green"}
    after = {key: body["metadata"]["resourceVersion"] for key, body in world.api.objects.items() if key[0] == CONNECTORS}
    assert after == before
    with pytest.raises(NotRead):
        world.cluster("blue", acts=False).offsets("orders-blue")


def test_what_is_stopped_on_both_is_said_to_be_compared() -> None:
    world = World()
    world.switch()
    for name in NAMES:
        world.cluster("green").stop(f"{name}-green")
        world.cluster("blue").create_stopped(f"{name}-blue", {})
    mover = Mover(world.cluster("green", acts=False), world.cluster("blue", acts=False), world.said.append, PATIENCE)
    back = Colours(COLOURS.arriving, COLOURS.leaving)
    assert set(mover.steps(back.forth()).values()) == {"compare"}


def test_a_stopped_connector_never_works_before_it_has_its_positions() -> None:
    """The operator makes it running first: it is harmless until it is stopped."""
    world = World()
    world.cluster("green").create_stopped("orders-green", {})
    world.connects["green"].run()
    assert world.connects["green"].positions == {}
    config = world.api.objects[CONNECTORS, "orders-green"]["spec"]["config"]
    assert not set(HARMLESS) & set(config)


# Applied


def test_a_configuration_is_applied_once_the_operator_has_taken_it() -> None:
    world = World()
    blue = world.cluster("blue")
    blue.rendered["orders-blue"]["spec"]["config"]["a"] = "1"
    blue.put("orders-blue", {})
    assert blue.config("orders-blue")["a"] == world.connects["blue"].configs["orders-blue"]["a"] == "1"
    assert blue.config("orders-blue")["tasks.max"] == "1"
    del blue.rendered["orders-blue"]["spec"]["config"]["a"]
    blue.put("orders-blue", {})
    assert "a" not in blue.config("orders-blue")


def test_a_refused_configuration_is_refused_with_the_reason() -> None:
    world = World()
    world.connects["green"].refuses = {"orders-green"}
    with pytest.raises(ConnectError, match="a: is wrong"):
        world.cluster("green").put("orders-green", {})


def test_a_failed_connector_is_started_again_whole_and_a_failed_task_alone() -> None:
    world = World()
    world.there = False
    for status, annotation in (
        ({"connector": {"state": "FAILED"}, "tasks": []}, {"strimzi.io/restart": "true"}),
        ({"connector": {"state": "RUNNING"}, "tasks": [{"id": 2, "state": "FAILED"}]}, {"strimzi.io/restart-task": "2"}),
    ):
        world.api.apply(object_of("orders-blue", "blue"))
        world.api.set_status("orders-blue", {"connectorStatus": status})
        world.cluster("blue").restart_failed("orders-blue")
        annotations = world.api.objects[CONNECTORS, "orders-blue"]["metadata"]["annotations"]
        assert annotation.items() <= annotations.items()


def test_a_connector_is_started_again_with_its_tasks_once_the_operator_has_asked() -> None:
    world = World()
    world.cluster("blue").put("orders-blue", {})
    world.cluster("blue").restart("orders-blue")
    assert world.connects["blue"].restarted == ["orders-blue"]
    world.there = False
    with pytest.raises(Silent, match="started it again"):
        world.cluster("blue").restart("orders-blue")


def status_of(**status: Any) -> Body:
    return {**object_of("a", "blue"), "status": status}


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        ({}, State("starting")),
        ({"connectorStatus": {"connector": {"state": "STOPPED"}, "tasks": []}}, State("stopped")),
        (
            {"connectorStatus": {"connector": {"state": "RUNNING"}, "tasks": [{"id": 0, "state": "RUNNING"}]}},
            State("running", 1),
        ),
        (
            {"conditions": [{"type": "NotReady", "status": "True", "message": "no such class"}]},
            State("failed", 0, "no such class"),
        ),
    ],
)
def test_an_object_says_what_its_connector_does(status: Mapping[str, Any], wanted: State) -> None:
    assert state_of_object(status_of(**status)) == wanted


# Rights

EVERYTHING = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ([EVERYTHING], []),
        ([{"apiGroups": [group], "resources": [kind], "verbs": [*verbs]} for (group, kind), verbs in RIGHTS.items()], []),
        ([EVERYTHING | {"verbs": ["get", "list", "create", "patch"]}], ["delete kafkaconnectors.kafka.strimzi.io"]),
        ([EVERYTHING | {"resources": ["kafkaconnectors"]}], ["get configmaps", "create configmaps", "patch configmaps"]),
        ([EVERYTHING, {**EVERYTHING, "resourceNames": ["one"]}], []),
    ],
)
def test_missing_rights_are_known_beforehand(rules: list[Mapping[str, Any]], wanted: list[str]) -> None:
    assert list(missing(rules)) == wanted


def test_rights_to_single_objects_are_not_enough() -> None:
    assert len(list(missing([{**EVERYTHING, "resourceNames": ["one"]}]))) == sum(map(len, RIGHTS.values()))
