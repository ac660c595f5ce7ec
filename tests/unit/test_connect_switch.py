"""``cdc connect switch``: wherever it is interrupted and whatever fails, each change is written once and nothing is lost."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from components.connect.connectors import Connector
from operations.connect import moving
from operations.connect.cluster import ConnectError, Offsets, State
from operations.connect.moving import Seen, next_step
from operations.connect.positions import FENCE_OFFSETS, begins_transaction_anew, in_snapshot, order, real
from operations.connect.switching import Colours, RolledBack, switch
from tests.doubles.connect import FakeCluster, Killed, Source

NAMES = ("orders", "invoices")
COLOURS = Colours(*([Connector(name, name, "source", 0, {"connector.class": "x"}) for name in NAMES] for _ in range(2)))
MOST_REQUESTS = 400
PATIENCE = 0.02


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "_PAUSE_SECONDS", 0)


class World:
    """Two clusters whose sources get a change at every request; all connectors run on blue."""

    def __init__(self) -> None:
        self.sources = {name: Source() for name in NAMES}
        self.blue = FakeCluster("blue", self.sources, self._before)
        self.green = FakeCluster("green", self.sources, self._before)
        self.interrupt: Callable[[str, int], None] = lambda _request, _number: None
        self._numbers: Iterator[int] = count()
        for name in NAMES:
            self.sources[name].end = 5
            self.blue.put(name, {})
        self.said: list[str] = []

    def _before(self, request: str) -> None:
        for source in self.sources.values():
            source.end += 1
        self.interrupt(request, next(self._numbers))
        running = set(self.running(self.blue)) & set(self.running(self.green))
        assert not running, f"{running} on both at {request}"

    def running(self, cluster: FakeCluster) -> list[str]:
        return sorted(name for name, lives in cluster.lives.items() if lives == "running")

    def switch(self, *, back: bool = False) -> None:
        old, new = (self.green, self.blue) if back else (self.blue, self.green)
        switch(old, new, COLOURS, self.said.append, PATIENCE)

    def kill_at(self, number: int) -> None:
        """At that request from now on, and never again."""
        self._numbers = count()

        def interrupt(_request: str, now: int) -> None:
            if now == number:
                self.interrupt = lambda _request, _number: None
                raise Killed

        self.interrupt = interrupt

    def judge(self) -> None:
        """Each change once, in order; what is there now is all that there was."""
        for cluster in (self.blue, self.green):
            cluster.run()
        for source in self.sources.values():
            assert source.written == list(range(source.end))


def test_every_connector_moves_and_nothing_is_lost_or_written_twice() -> None:
    world = World()
    world.switch()
    assert (world.running(world.green), world.blue.configs) == (sorted(NAMES), {})
    world.judge()
    world.switch(back=True)
    assert (world.running(world.blue), world.green.configs) == (sorted(NAMES), {})
    world.judge()


@pytest.mark.parametrize("back", [False, True], ids=["again", "back"])
def test_killed_at_any_request_another_run_in_either_direction_finishes_it(back: bool) -> None:
    for number in range(MOST_REQUESTS):
        world = World()
        world.kill_at(number)
        try:
            world.switch()
        except Killed:
            world.switch(back=back)
        else:
            break
        new, old = (world.blue, world.green) if back else (world.green, world.blue)
        assert (world.running(new), old.configs) == (sorted(NAMES), {}), number
        world.judge()
    assert 20 < number < MOST_REQUESTS - 1


def test_killed_twice_at_any_requests_it_is_finished_all_the_same() -> None:
    for first in range(0, 60, 3):
        for second in range(0, 40, 4):
            world = World()
            for number in (first, second):
                world.kill_at(number)
                try:
                    world.switch()
                except Killed:
                    continue
            world.interrupt = lambda _request, _number: None
            world.switch()
            world.judge()
            assert world.running(world.green) == sorted(NAMES)


def test_positions_left_from_an_earlier_switch_are_not_begun_from() -> None:
    world = World()
    world.green.positions = dict.fromkeys(NAMES, 2)
    world.switch()
    world.judge()


def test_what_fails_on_the_new_colour_takes_all_of_them_back() -> None:
    world = World()
    world.green.fails = {"invoices"}
    with pytest.raises(RolledBack, match=r"(?s)it is broken here.*runs on blue again"):
        world.switch()
    assert (world.running(world.blue), world.green.configs) == (sorted(NAMES), {})
    world.judge()


@pytest.mark.parametrize("transactions", [0, 1])
def test_a_start_in_a_transaction_is_no_failure_and_one_before_it_is(transactions: int) -> None:
    """What the new colour says right after its start: the same transaction with fewer of its events, or an earlier one."""
    world = World()
    seen: set[str] = set()

    def offsets(connector: str) -> Offsets:
        if world.green.lives[connector] == "stopped" or connector in seen:
            return FakeCluster.offsets(world.green, connector)
        seen.add(connector)
        position = world.blue.positions[connector] - transactions
        return ({"partition": {"server": connector}, "offset": {"file": "binlog.000001", "pos": position, "event": 1}},)

    world.green.offsets = offsets  # type: ignore[method-assign]
    if transactions:
        with pytest.raises(RolledBack, match=r"does not go on on green from where it was on blue: it was at .*'pos': "):
            world.switch()
    else:
        world.switch()
    assert world.running(world.blue if transactions else world.green) == sorted(NAMES)
    world.judge()


def test_a_configuration_that_is_refused_stops_nothing() -> None:
    world = World()
    world.green.refuses = {"invoices"}
    stopped = []
    world.interrupt = lambda request, _: stopped.append(request) if request == "blue stop" else None
    with pytest.raises(RolledBack, match="a: is wrong"):
        world.switch()
    assert (stopped, world.running(world.blue), world.green.configs) == ([], sorted(NAMES), {})
    world.judge()


def test_positions_that_cannot_be_written_leave_them_where_they_were() -> None:
    """Nor can they be read: the credentials are wrong on the new colour."""
    world = World()

    def refuse(request: str, _number: int) -> None:
        if request in {"green write", "green offsets"}:
            raise ConnectError("credentials are wrong")

    world.interrupt = refuse
    with pytest.raises(RolledBack, match="credentials"):
        world.switch()
    assert (world.running(world.blue), world.green.configs) == (sorted(NAMES), {})
    world.judge()


def gone_after(world: World, request: str) -> None:
    """Green answers nothing any more after ``request``."""
    gone: list[bool] = []

    def interrupt(asked: str, _number: int) -> None:
        if gone and asked.startswith("green"):
            raise ConnectError("green: no worker answers")
        if asked == request:
            gone.append(True)

    world.interrupt = interrupt


def test_a_new_colour_that_dies_before_anything_ran_there_leaves_all_running_on_the_old() -> None:
    world = World()
    gone_after(world, "green write")
    with pytest.raises(RolledBack):
        world.switch()
    assert world.running(world.blue) == sorted(NAMES)


def test_a_new_colour_that_dies_while_it_runs_is_not_overtaken_by_the_old() -> None:
    world = World()
    gone_after(world, "green resume")
    with pytest.raises(ConnectError, match=r"cdc connect switch --to blue") as raised:
        world.switch()
    assert not isinstance(raised.value, RolledBack)
    world.interrupt = lambda _request, _number: None
    world.switch(back=True)
    assert world.running(world.blue) == sorted(NAMES)
    world.judge()


def test_a_connector_that_runs_on_both_is_left_alone() -> None:
    seen = Seen(State("running", 1))
    with pytest.raises(ConnectError, match="runs on both"):
        next_step("orders", seen, seen)


# Positions


def at(**offset: object) -> Offsets:
    return ({"partition": {"server": "s"}, "offset": offset},)


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        (at(file="binlog.000002", pos=4), at(file="binlog.000001", pos=900), "ahead"),
        (at(file="binlog.1000000", pos=4), at(file="binlog.999999", pos=4), "ahead"),
        (at(file="binlog.000001", pos=4), at(file="binlog.000001", pos=5), "behind"),
        (at(file="b.1", pos=4, event=2, row=1), at(file="b.1", pos=4, event=2), "ahead"),
        (at(file="b.1", pos=4), at(file="b.1", pos=4), "same"),
        (at(file="b.1", pos=4, gtids="0-1-8"), at(file="b.1", pos=900, gtids="0-1-7"), "ahead"),
        (at(file="b.1", pos=4, gtids="0-1-7,1-2-9"), at(file="b.1", pos=4, gtids="0-1-8,1-2-3"), "unknown"),
        (at(file="b.9", pos=4, gtids=f"{'a' * 36}:1-5"), at(file="b.9", pos=4, gtids=f"{'a' * 36}:1-4"), "ahead"),
        (
            at(file="b.1", pos=4, gtids=f"{'a' * 36}:1-5,{'b' * 36}:1-2:5"),
            at(file="b.2", pos=4, gtids=f"{'a' * 36}:1-5,{'b' * 36}:1-2"),
            "ahead",
        ),
        ((), at(file="b.1", pos=4), "behind"),
        (at(file="b.1", pos=4), (), "ahead"),
        (at(file="b.1", pos=4), (*at(file="b.1", pos=4), *FENCE_OFFSETS), "same"),
        (at(lsn=4), at(lsn=5), "unknown"),
        (at(kafka_offset=4), at(kafka_offset=5), "behind"),
    ],
)
def test_of_two_positions_one_is_further(one: Offsets, other: Offsets, wanted: str) -> None:
    assert order(one, other) == wanted


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        (at(file="b.1", pos=4, event=1), at(file="b.1", pos=4, event=2, row=1), True),
        (at(file="b.1", pos=4, gtids="0-1-7"), at(file="b.1", pos=4, gtids="0-1-7", event=2, row=1), True),
        (at(file="b.1", pos=4, gtids="0-1-6"), at(file="b.1", pos=4, gtids="0-1-7", event=2), False),
        (at(file="b.1", pos=3), at(file="b.1", pos=4, event=2), False),
        (at(file="b.1", pos=4), at(file="b.1", pos=4), False),
        ((), at(file="b.1", pos=4, event=2), False),
    ],
)
def test_a_connector_that_reads_its_transaction_again_has_not_lost_its_way(one: Offsets, other: Offsets, wanted: bool) -> None:
    assert begins_transaction_anew(one, other) is wanted


def test_a_first_snapshot_is_unfinished_until_the_source_is_streamed() -> None:
    assert in_snapshot(at(file="b.1", pos=4, snapshot="INITIAL"))
    assert not in_snapshot(at(file="b.1", pos=4))
    assert real((*FENCE_OFFSETS, *at(pos=1))) == at(pos=1)
