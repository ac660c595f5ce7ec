"""When a change makes a connector read its tables again. Pure."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from operations.live.changes import ChangeConnector, Consequence

if TYPE_CHECKING:
    from operations.live.consequences import Facts

_SNAPSHOT_KEYS = frozenset({"topic.prefix", "database.hostname", "offsets.storage.topic", "name", "connector.class"})
"""A connector that has another one of these is another one to its source: its positions are not found any more."""

_CAPTURE_KEYS = frozenset({"table.include.list", "database.include.list"})


def first(change: ChangeConnector, facts: "Facts") -> Iterator[Consequence]:
    """What a new connector reads before it follows."""
    connector = facts.wanted.connectors.get(change.connector)
    if connector is None or connector.role != "source":
        return
    mode = connector.config.get("snapshot.mode", "initial")
    if mode not in {"initial", "always", "when_needed"}:
        return
    names = facts.wanted.pipelines[connector.pipeline].offsets
    sizes = [facts.size(name) for name in names if name in facts.seen.kafka.topics]
    if mode != "always" and any(sizes):
        yield Consequence("snapshot", "none, if its positions are still in its topic; else it reads every row", {"mode": mode})
    else:
        yield Consequence("snapshot", f"reads every row of its tables first (snapshot: {mode})", {"mode": mode})


def again(change: ChangeConnector) -> Iterator[Consequence]:
    """What other settings make of one that is there."""
    if _SNAPSHOT_KEYS & set(change.keys):
        yield Consequence("snapshot", "its source is another one to it: it takes a snapshot of every table")
    elif _CAPTURE_KEYS & set(change.keys):
        text = "tables that are new are read from now on; rows that are there come only with a snapshot that is asked for"
        yield Consequence("snapshot", text)


def missed(topic: str, facts: "Facts") -> Iterator[Consequence]:
    """A connector that runs, and whose own topic is made anew, has lost what stood in it."""
    running = {name for connectors in (facts.seen.connect or {}).values() for name in connectors}
    for connector in facts.wanted.connectors.values():
        lost = facts.wanted.pipelines[connector.pipeline]
        if connector.name not in running or connector.role != "source":
            continue
        if topic in lost.offsets:
            yield Consequence("snapshot", f"{connector.name} has lost its positions: it takes a snapshot when it starts next")
        elif topic == lost.history:
            yield Consequence("snapshot", f"{connector.name} has lost its schema history: it stops until it is recovered")
