"""An endless history of users and orders, made up from a seed. Pure: the same seed gives the same statements on every machine.

Nothing here looks at the clock: times are counted from the beginning of 2026.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from components.core.errors import CdcError
from operations.mock_data.tables import DATABASE, Source, delete, insert, update

if TYPE_CHECKING:
    from faker import Faker

BEGINNING = datetime(2026, 1, 1)
STATUSES = ("new", "paid", "sent", "returned")
TTL_SECONDS = 86_400
MOST_ORDERS = 50


class MockDataError(CdcError):
    """Data cannot be made up, or not brought to the source."""


class Step(NamedTuple):
    """A statement, with its values in the order of their places."""

    statement: str
    values: tuple[Any, ...]


class Change(NamedTuple):
    """One transaction of a relational source, one statement or logged batch of Cassandra's."""

    kind: str
    steps: tuple[Step, ...]


def changes(source: Source, seed: int, database: str = DATABASE) -> Iterator[Change]:
    """The history, which begins with a user. It never writes a key that is there as new, nor changes one that is not."""
    history = _History(source, seed, database)
    while True:
        yield history.next()


def make_faker(seed: int) -> "Faker":
    """:class:`MockDataError` where Faker is not installed."""
    try:
        from faker import Faker
    except ModuleNotFoundError as error:
        raise MockDataError("Faker is not installed, which makes data up: install cdc-platform[mock]") from error
    made = Faker("en_US")
    made.seed_instance(seed)
    return made


class _History:
    def __init__(self, source: Source, seed: int, database: str) -> None:
        self._source = source
        self._random = random.Random(seed)  # noqa: S311 - nothing secret, and it must be the same again
        self._faker = make_faker(seed)
        self._users, self._orders = f"{database}.users", f"{database}.orders"
        self._living: dict[UUID, set[int]] = {}
        self._seconds = 0
        self._makers: Mapping[Callable[[], Change], int] = {
            self._new_user: 15,
            self._changed_user: 20,
            self._gone_user: 3,
            self._new_order: 30,
            self._changed_order: 25,
            self._gone_order: 5,
            self._several_orders: 5,
            **({self._passing_order: 4, self._gone_range: 3} if source is Source.cassandra else {}),
        }

    def next(self) -> Change:
        """The next change that can be made."""
        self._seconds += self._random.randrange(1, 60)
        if not self._living:
            return self._new_user()
        [maker] = self._random.choices(list(self._makers), weights=list(self._makers.values()))
        return maker()

    def _new_user(self) -> Change:
        user = self._faker.uuid4(cast_to=None)
        self._living[user] = set()
        row = {"user_id": self._id(user), **self._user()}
        return Change("insert", (Step(insert(self._source, self._users, row), tuple(row.values())),))

    def _changed_user(self) -> Change:
        """Some columns, one of them at times taken away."""
        key, row = {"user_id": self._id(self._some_user())}, self._user()
        names = self._random.sample(sorted(row), self._random.randrange(1, 3))
        values = {name: None if self._random.random() < 0.15 else row[name] for name in names}
        return Change("update", (self._update(self._users, key, values),))

    def _gone_user(self) -> Change:
        """With all of their orders: on Cassandra a whole partition."""
        user = self._some_user()
        del self._living[user]
        key = {"user_id": self._id(user)}
        return Change("delete", tuple(Step(delete(self._source, table, key), tuple(key.values())) for table in self._tables))

    def _new_order(self) -> Change:
        return Change("insert", (self._order(self._some_user()),))

    def _several_orders(self) -> Change:
        user = self._some_user()
        return Change("batch", tuple(self._order(user) for _ in range(self._random.randrange(2, 5))))

    def _passing_order(self) -> Change:
        """It goes by itself after a day, and no change says so."""
        step = self._order(self._some_user())
        return Change("ttl", (Step(f"{step.statement} USING TTL {TTL_SECONDS}", step.values),))

    def _changed_order(self) -> Change:
        key = self._some_order()
        if key is None:
            return self._new_order()
        value = None if self._random.random() < 0.05 else self._random.choice(STATUSES)
        return Change("update", (self._update(self._orders, key, {"status": value}),))

    def _gone_order(self) -> Change:
        key = self._some_order()
        if key is None:
            return self._new_order()
        self._living[UUID(str(key["user_id"]))].discard(key["order_id"])
        return Change("delete", (Step(delete(self._source, self._orders, key), tuple(key.values())),))

    def _gone_range(self) -> Change:
        """All orders of a user from one on, and before another."""
        user = self._some_user()
        first = self._random.randrange(MOST_ORDERS)
        last = first + self._random.randrange(1, 5)
        self._living[user] -= set(range(first, last))
        more = " AND order_id >= ? AND order_id < ?"
        key = {"user_id": self._id(user)}
        return Change("range", (Step(delete(self._source, self._orders, key, more), (*key.values(), first, last)),))

    @property
    def _tables(self) -> tuple[str, str]:
        return self._orders, self._users

    def _order(self, user: UUID) -> Step:
        """A new order, or an old number once more where it has gone, as shops do that count in circles; with all numbers
        taken an order is written over, which on a relational source is an update."""
        taken = self._living[user]
        number = self._random.randrange(MOST_ORDERS)
        row = {
            "user_id": self._id(user),
            "order_id": number,
            "product": self._faker.catch_phrase(),
            "amount": Decimal(self._random.randrange(1, 1_000_000)).scaleb(-2),
            "status": STATUSES[0],
            "placed_at": self._now(),
        }
        if number in taken and self._source is not Source.cassandra:
            key = {name: row.pop(name) for name in ("user_id", "order_id")}
            return self._update(self._orders, key, row)
        taken.add(number)
        return Step(insert(self._source, self._orders, row), tuple(row.values()))

    def _update(self, table: str, key: Mapping[str, Any], values: Mapping[str, Any]) -> Step:
        return Step(update(self._source, table, key, values), (*values.values(), *key.values()))

    def _user(self) -> dict[str, Any]:
        fake = self._faker
        parts = (fake.street_address(), fake.city(), fake.zipcode())
        relational = json.dumps(dict(zip(("street", "city", "zipcode"), parts, strict=True)))
        return {
            "email": fake.email(),
            "name": fake.name(),
            "age": fake.random_int(18, 80),
            "created_at": self._now(),
            "address": parts if self._source is Source.cassandra else relational,
        }

    def _some_user(self) -> UUID:
        return self._random.choice(list(self._living))

    def _some_order(self) -> dict[str, Any] | None:
        user = self._some_user()
        taken = sorted(self._living[user])
        return {"user_id": self._id(user), "order_id": self._random.choice(taken)} if taken else None

    def _id(self, user: UUID) -> UUID | str:
        return user if self._source is Source.cassandra else str(user)

    def _now(self) -> datetime:
        return BEGINNING + timedelta(seconds=self._seconds, milliseconds=self._random.randrange(1000))
