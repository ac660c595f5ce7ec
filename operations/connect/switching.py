"""The whole of a switch: every connector moved, then all removed from the old cluster; or all back, where one fails."""

from collections.abc import Sequence
from dataclasses import dataclass

from components.connect.connectors import Connector
from operations.connect.cluster import Cluster, ConnectError, Silent
from operations.connect.moving import Mover, Pair, Say


@dataclass(frozen=True, slots=True)
class Colours:
    """The connectors of an environment as they are on the colour that they leave, and on the other."""

    leaving: Sequence[Connector]
    arriving: Sequence[Connector]

    def forth(self) -> list[Pair]:
        """Pairs of the move to the new colour."""
        return [Pair(one.name, other) for one, other in zip(self.leaving, self.arriving, strict=True)]

    def back(self) -> list[Pair]:
        """Pairs of the move back."""
        return [Pair(other.name, one) for one, other in zip(self.leaving, self.arriving, strict=True)]


class RolledBack(ConnectError):
    """A connector could not be moved; all of them run where they ran before."""


def switch(old: Cluster, new: Cluster, colours: Colours, say: Say, patience: float) -> None:
    """Move every connector from ``old`` to ``new``. Raises :class:`RolledBack` when one fails there and all went back, and
    :class:`ConnectError` when they could not: what is then left is finished by another run, in either direction."""
    done: list[str] = []

    def tell(line: str) -> None:
        done.append(line)
        say(line)

    mover = Mover(old, new, tell, patience)
    try:
        mover.prepare(colours.forth())
        for pair in colours.forth():
            mover.move(pair)
        mover.verify(colours.forth())
    except Silent as error:
        raise ConnectError(f"{error}\n{_so_far(done)}") from None
    except ConnectError as error:
        say(f"failed: {error}")
        _go_back(mover, colours, error)
        raise RolledBack(f"{error}\nEvery connector runs on {old.name} again, from where it was.") from None
    mover.drop(colours.forth())


def _so_far(done: Sequence[str]) -> str:
    """What was done before nothing more could be, going back included."""
    if not done:
        return "Nothing was changed: every connector is where it was."
    return (
        "Done before that, and left so:\n  " + "\n  ".join(done) + "\nRun it again, in either direction: it goes on from there."
    )


def _go_back(mover: Mover, colours: Colours, failure: ConnectError) -> None:
    """The same with the clusters exchanged. What was not started there has no positions of its own there."""
    old, new, say = mover.old, mover.new, mover.say
    unread = frozenset(pair.leaving for pair in colours.back() if pair.leaving not in mover.started)
    back = Mover(new, old, say, mover.patience, unread=unread)
    try:
        new.states()
    except ConnectError as error:
        _resume_old(old, colours, unread, say)
        if mover.started:
            raise ConnectError(
                f"{failure}\n{error}\nWhat has run on {new.name} stays stopped on {old.name}: only {new.name} knows how far it "
                "came."
                f"\n      → once it answers, run: cdc connect switch --to {old.name}"
            ) from None
        return
    try:
        for pair in colours.back():
            back.move(pair)
        back.verify(colours.back())
        back.drop(colours.back())
    except ConnectError as error:
        raise ConnectError(
            f"{failure}\nand going back failed: {error}\n      → run cdc connect switch --to {old.name} once that is mended"
        ) from None


def _resume_old(old: Cluster, colours: Colours, unread: frozenset[str], say: Say) -> None:
    """The new cluster does not answer: what never ran there goes on where it was stopped."""
    states = old.states()
    for pair in colours.back():
        if pair.leaving in unread and pair.arriving.name in states and states[pair.arriving.name].lives == "stopped":
            old.resume(pair.arriving.name)
            say(f"{pair.arriving.name}: goes on on {old.name}")
