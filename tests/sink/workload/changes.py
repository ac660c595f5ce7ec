"""Random histories of one table of orders, and the model that applies them one event at a time.

The model knows nothing of batches, partitions or compaction: it is the judge of a worker that does all of those.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple

Operation = Literal["c", "u", "d", "r"]
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
STATUSES = ("new", "paid", "packed", "shipped", "returned", "cancelled")
NUL_NOTE = "a NUL \x00 that PostgreSQL cannot store"


class Order(NamedTuple):
    """One row, in PostgreSQL's values: ten columns, the first is the key."""

    id: int
    customer_id: int
    status: str
    amount: Decimal
    quantity: int
    express: bool
    weight: float
    note: str | None
    created_at: datetime
    updated_at: datetime


class Change(NamedTuple):
    """One event. A delete has no ``after``; where ``tombstone`` holds a record without a value follows it."""

    op: Operation
    before: Order | None
    after: Order | None
    tombstone: bool
    poison: bool

    @property
    def key(self) -> int:
        """The key of the row it is about."""
        row = self.after or self.before
        assert row is not None
        return row.id


@dataclass(frozen=True)
class Mix:
    """What a history is made of. Shares add up to one; ``poison`` is the share of updates that hold a NUL."""

    events: int
    keys: int
    inserts: float = 0.3
    updates: float = 0.6
    deletes: float = 0.1
    poison: float = 0.0
    reuse_keys: bool = False
    """Whether a deleted key may be inserted again."""


def history(seed: int, mix: Mix) -> Iterator[Change]:
    """A history that a database could have: no update of a row that is not there. The same seed, the same history."""
    source = random.Random(seed)
    live: list[Order] = []
    unused = list(range(mix.keys, 0, -1))
    for step in range(mix.events):
        moment = EPOCH + timedelta(microseconds=step * 977)
        draw = source.random()
        if unused and (draw < mix.inserts or not live):
            live.append(_new(source, unused.pop(), moment))
            yield Change("c", None, live[-1], False, False)
            continue
        if not live:
            return
        place = source.randrange(len(live))
        before = live[place]
        if draw >= 1 - mix.deletes:
            live[place] = live[-1]
            live.pop()
            if mix.reuse_keys:
                unused.append(before.id)
            yield Change("d", before, None, True, False)
            continue
        after = _changed(source, before, moment)
        poison = bool(mix.poison) and source.random() < mix.poison
        live[place] = after
        yield Change("u", before, after._replace(note=NUL_NOTE) if poison else after, False, poison)


def _new(source: random.Random, key: int, moment: datetime) -> Order:
    return Order(
        id=key,
        customer_id=source.randrange(50_000),
        status="new",
        amount=Decimal(source.randrange(10_000_000)).scaleb(-2),
        quantity=source.randrange(1, 100),
        express=source.random() < 0.2,
        weight=source.random() * 40,
        note=None if source.random() < 0.5 else f"Leave it with number {source.randrange(1_000)} — señor Ñ",
        created_at=moment.replace(tzinfo=None),
        updated_at=moment.replace(microsecond=0),
    )


def _changed(source: random.Random, row: Order, moment: datetime) -> Order:
    return row._replace(
        status=source.choice(STATUSES),
        amount=Decimal(source.randrange(-1_000_000, 10_000_000)).scaleb(-2),
        quantity=source.randrange(1, 100),
        updated_at=moment.replace(microsecond=0),
    )


class Model:
    """The table's rows by key, after every event so far."""

    def __init__(self) -> None:
        self.rows: dict[int, Order] = {}

    def apply(self, change: Change) -> None:
        """One event. A poison event leaves the table as it was."""
        if change.poison:
            return
        if change.after is None:
            self.rows.pop(change.key, None)
        else:
            self.rows[change.key] = change.after

    def apply_all(self, changes: Iterable[Change]) -> "Model":
        """All of them, in order; returns itself."""
        for change in changes:
            self.apply(change)
        return self
