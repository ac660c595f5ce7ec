"""Moves connectors with their positions from one Connect cluster to the other, and back where that fails.

No notes are kept: what is to be done next follows from what both clusters have (:func:`next_step`), so a run that was
interrupted anywhere is finished by the next one, and going back is the same with the clusters exchanged. At no moment does a
connector run on both.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from components.connect.connectors import Connector
from operations.connect.cluster import Cluster, ConnectError, NotRead, Offsets, State
from operations.connect.positions import FENCE_OFFSETS, begins_transaction_anew, in_snapshot, order, real

Step = Literal["create", "stop", "copy", "start", "compare", "verify", "none", "absent"]
Say = Callable[[str], None]

_PAUSE_SECONDS = 0.2
STOP_SECONDS = 120
"""A task that is asked to stop first finishes the batch that it is at."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A connector by its name on the cluster that it leaves, and as it is on the other."""

    leaving: str
    arriving: Connector


@dataclass(frozen=True, slots=True)
class Seen:
    """One connector on one cluster. Positions matter only where it is stopped; ``None`` where they were not to be read."""

    state: State
    offsets: Offsets | None = ()


def next_step(name: str, old: Seen | None, new: Seen | None) -> Step:
    """What brings the connector nearer to the new cluster. ``verify`` is asked for until the old one is gone; ``compare`` is
    said where positions, which were not read, decide.

    Raises :class:`ConnectError` for what a switch never makes: it runs on both, or its positions cannot be compared.
    """
    if old is None:
        return "absent" if new is None else "none"
    if new is None:
        return "create"
    stopped = old.state.lives == "stopped"
    if new.state.lives != "stopped":
        if not stopped:
            raise ConnectError(
                f"{name} runs on both clusters\n      → stop it where it should not: PUT /connectors/{name}/stop"
            )
        return "verify"
    if not stopped:
        return "stop"
    if new.offsets is None or old.offsets is None:
        return "compare"
    found = order(new.offsets, old.offsets)
    if found == "unknown":
        raise ConnectError(
            f"{name} is stopped on both clusters, and which one is further cannot be told: "
            f"{real(old.offsets)}, {real(new.offsets)}"
            "\n      → delete it on the cluster that is behind"
        )
    return "copy" if found == "behind" else "start"


@dataclass
class Mover:
    """Moves from ``old`` to ``new``. ``patience`` is how long, in seconds, a connector may take to run, and how long one whose
    source rests is watched."""

    old: Cluster
    new: Cluster
    say: Say
    patience: float
    started: set[str] = field(default_factory=set)
    """What was started on the new cluster."""

    unread: frozenset[str] = frozenset()
    """Connectors of the old cluster that have no positions of their own there, if they cannot be read."""

    def look(self, pair: Pair, states: tuple[Mapping[str, State], Mapping[str, State]]) -> tuple[Seen | None, Seen | None]:
        """The connector on both clusters."""
        return self._seen(self.old, pair.leaving, states[0]), self._seen(self.new, pair.arriving.name, states[1])

    def _seen(self, cluster: Cluster, name: str, states: Mapping[str, State]) -> Seen | None:
        if name not in states:
            return None
        state = states[name]
        if state.lives != "stopped":
            return Seen(state)
        try:
            return Seen(state, cluster.offsets(name))
        except NotRead:
            return Seen(state, None)
        except ConnectError:
            if cluster is self.old and name in self.unread:
                return Seen(state)
            raise

    def steps(self, pairs: Sequence[Pair]) -> dict[str, Step]:
        """What would be done next for each."""
        states = self.old.states(), self.new.states()
        return {pair.arriving.name: next_step(pair.arriving.name, *self.look(pair, states)) for pair in pairs}

    def prepare(self, pairs: Sequence[Pair]) -> None:
        """Make them on the new cluster, not started: what it refuses is known before anything stops."""
        for pair in pairs:
            if self._next(pair) == "create":
                self._do("create", pair)

    def move(self, pair: Pair) -> None:
        """Until it is started on the new cluster from where it was; it is left, stopped, on the old one."""
        while (step := self._next(pair)) not in {"verify", "none", "absent"}:
            self._do(step, pair)

    def _next(self, pair: Pair) -> Step:
        return next_step(pair.arriving.name, *self.look(pair, (self.old.states(), self.new.states())))

    def _do(self, step: Step, pair: Pair) -> None:
        name = pair.arriving.name
        if step == "create":
            refused = self.new.refusals(name, pair.arriving.config)
            if refused:
                raise ConnectError(f"{name}: {self.new.name} refuses its configuration:\n  " + "\n  ".join(refused))
            self.new.create_stopped(name, pair.arriving.config)
            self.say(f"{name}: made on {self.new.name}, not started")
            self._wait(self.new, name, "stopped", STOP_SECONDS)
        elif step == "stop":
            self._refuse_unfinished(pair)
            self.old.stop(pair.leaving)
            self._wait(self.old, pair.leaving, "stopped", STOP_SECONDS)
            self.say(f"{name}: stopped on {self.old.name}")
        elif step == "copy":
            self._copy(pair)
        elif step == "start":
            self.started.add(name)
            self.new.resume(name)
            self.say(f"{name}: started on {self.new.name}")
            self._until_not_stopped(name)

    def _refuse_unfinished(self, pair: Pair) -> None:
        """A source in its first snapshot would begin it anew; a failed one may be moved to be healed."""
        state = self.old.states()[pair.leaving]
        if pair.arriving.role == "source" and state.lives != "failed":
            offsets = self.old.offsets(pair.leaving)
            if not real(offsets) or in_snapshot(offsets):
                raise ConnectError(
                    f"{pair.arriving.name} has not finished its first snapshot: it would begin anew on {self.new.name}"
                    "\n      → wait until it streams"
                )

    def _copy(self, pair: Pair) -> None:
        """Positions are read once nothing of the old tasks can write any more, and read back."""
        name = pair.arriving.name
        if pair.arriving.role == "source":
            self.old.write_offsets(pair.leaving, FENCE_OFFSETS)
        offsets = real(self.old.offsets(pair.leaving))
        self.new.write_offsets(name, offsets)
        if order(self.new.offsets(name), offsets) != "same":
            raise ConnectError(f"{name}: {self.new.name} has other positions than were written to it")
        self.say(f"{name}: positions of {self.old.name} written to {self.new.name} and read back")

    def verify(self, pairs: Sequence[Pair]) -> None:
        """All run, and go on from where they were: a position has grown, or stays for as long as we watch."""
        states = self.old.states(), self.new.states()
        began: dict[str, Offsets] = {}
        for pair in pairs:
            old, new = self.look(pair, states)
            if next_step(pair.arriving.name, old, new) == "verify" and old is not None and old.offsets is not None:
                began[pair.arriving.name] = old.offsets
        deadline = time.monotonic() + self.patience
        while began and time.monotonic() < deadline:
            found = self.new.states()
            began = {name: offsets for name, offsets in began.items() if not self._moves_on(name, found.get(name), offsets)}
            time.sleep(_PAUSE_SECONDS)
        found = self.new.states()
        for name in began:
            if found[name].lives != "running":
                raise ConnectError(f"{name} does not run on {self.new.name} within {self.patience:g} s")
            self.say(f"{name}: runs on {self.new.name}; nothing has changed in its source since")

    def _moves_on(self, name: str, state: State | None, began: Offsets) -> bool:
        """Whether it has. An error where it fails, or goes on from anywhere else."""
        if state is None or state.lives == "failed":
            raise ConnectError(f"{name} fails on {self.new.name}: {'it is gone' if state is None else state.why}")
        offsets = self.new.offsets(name)
        found = order(offsets, began)
        astray = found in {"behind", "unknown"} and not begins_transaction_anew(offsets, began)
        if astray or in_snapshot(offsets):
            raise ConnectError(
                f"{name} does not go on on {self.new.name} from where it was on {self.old.name}: "
                f"it was at {real(began)} and is at {real(offsets)}"
            )
        if state.lives == "running" and found == "ahead":
            self.say(f"{name}: runs on {self.new.name} and moves on")
            return True
        return False

    def drop(self, pairs: Sequence[Pair]) -> None:
        """Remove them from the old cluster, which they have left."""
        states = self.old.states()
        for pair in pairs:
            if pair.leaving in states:
                self.old.delete(pair.leaving)
                self.say(f"{pair.arriving.name}: removed from {self.old.name}")

    def _wait(self, cluster: Cluster, name: str, lives: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (state := cluster.states().get(name)) is None or state.lives != lives:
            if time.monotonic() > deadline:
                raise ConnectError(f"{name} is not {lives} on {cluster.name} within {seconds:g} s")
            time.sleep(_PAUSE_SECONDS)

    def _until_not_stopped(self, name: str) -> None:
        """What was asked for is known to all workers a moment later."""
        deadline = time.monotonic() + self.patience
        while self.new.states().get(name, State("stopped")).lives == "stopped":
            if time.monotonic() > deadline:
                raise ConnectError(f"{name} does not start on {self.new.name} within {self.patience:g} s")
            time.sleep(_PAUSE_SECONDS)
