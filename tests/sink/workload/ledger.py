"""A random history of one table of Cassandra's, with every way that it knows of writing and of deleting. Pure."""

import random
from collections.abc import Callable, Iterator

ACCOUNTS = 12
ENTRIES = 10
SHORT_TTL_SECONDS = 3
"""Of cells that are to be gone when the histories are compared."""
COLUMNS = ("amount", "note", "day", "tags", "detail", "at")


class Ledger:
    """Statements on ``table (account, entry, amount, note, day, tags, detail, at)``, the same for the same seed."""

    def __init__(self, table: str, seed: int) -> None:
        self._table = table
        self._random = random.Random(seed)

    def statements(self, count: int) -> Iterator[str]:
        """So many, batches counted as one."""
        makers: dict[Callable[[], str], int] = {
            self._insert: 30,
            self._update: 25,
            self._null: 8,
            self._clear: 5,
            self._passing: 8,
            self._lasting: 4,
            self._delete_row: 8,
            self._delete_range: 5,
            self._delete_partition: 2,
            self._batch: 8,
            self._late: 6,
        }
        for _ in range(count):
            [maker] = self._random.choices(list(makers), weights=list(makers.values()))
            yield maker()

    def _insert(self, more: str = "") -> str:
        chosen = self._columns()
        names = "".join(f", {name}" for name in chosen)
        values = "".join(f", {self._value(name)}" for name in chosen)
        account, entry = self._account(), self._random.randrange(ENTRIES)
        return f"INSERT INTO {self._table} (account, entry{names}) VALUES ({account}, {entry}{values}){more}"

    def _update(self, more: str = "") -> str:
        values = ", ".join(f"{name} = {self._value(name)}" for name in self._columns(at_least=1))
        return f"UPDATE {self._table}{more} SET {values} WHERE {self._key()}"

    def _null(self) -> str:
        values = ", ".join(f"{name} = null" for name in self._columns(at_least=1))
        return f"UPDATE {self._table} SET {values} WHERE {self._key()}"

    def _clear(self) -> str:
        return f"DELETE {', '.join(self._columns(at_least=1))} FROM {self._table} WHERE {self._key()}"

    def _passing(self) -> str:
        if self._random.random() < 0.5:
            return self._insert(f" USING TTL {SHORT_TTL_SECONDS}")
        return self._update(" USING TTL 2")

    def _lasting(self) -> str:
        return self._insert(" USING TTL 100000")

    def _delete_row(self) -> str:
        return f"DELETE FROM {self._table} WHERE {self._key()}"

    def _delete_range(self) -> str:
        first = self._random.randrange(ENTRIES)
        last = first + self._random.randrange(1, 5)
        bounds = self._random.choice((f"entry >= {first} AND entry < {last}", f"entry > {first}", f"entry <= {first}"))
        return f"DELETE FROM {self._table} WHERE account = {self._account()} AND {bounds}"

    def _delete_partition(self) -> str:
        return f"DELETE FROM {self._table} WHERE account = {self._account()}"

    def _batch(self) -> str:
        """All at one time, as a batch without timestamps is: a deletion in it wins over its writes."""
        parts = [self._random.choice((self._insert, self._update, self._null))() for _ in range(self._random.randrange(2, 5))]
        return f"BEGIN BATCH {'; '.join(parts)}; APPLY BATCH"

    def _late(self) -> str:
        """With a time of its own, long before or between the others'."""
        moment = 1_700_000_000_000_000 + self._random.randrange(1_000)
        kind = self._random.randrange(3)
        if kind == 0:
            return self._insert(f" USING TIMESTAMP {moment}")
        if kind == 1:
            return self._update(f" USING TIMESTAMP {moment}")
        return f"DELETE FROM {self._table} USING TIMESTAMP {moment} WHERE {self._key()}"

    def _columns(self, at_least: int = 0) -> list[str]:
        return sorted(self._random.sample(COLUMNS, self._random.randrange(at_least, len(COLUMNS) + 1)))

    def _key(self) -> str:
        return f"account = {self._account()} AND entry = {self._random.randrange(ENTRIES)}"

    def _account(self) -> int:
        return self._random.randrange(ACCOUNTS)

    def _value(self, column: str) -> str:
        number = self._random.randrange(1_000)
        if self._random.random() < 0.05:
            return "null"
        return {
            "amount": f"{self._random.randrange(-(10**20), 10**20)}.{number:03d}",
            "note": f"'it''s {number} 🙂'",
            "day": f"'{self._random.randrange(1900, 2100)}-03-{self._random.randrange(1, 29):02d}'",
            "tags": "{" + ", ".join(f"'{tag}'" for tag in "abcdef"[: number % 6]) + "}",
            "detail": "{" + ", ".join(f"'{name}': {number}" for name in "xyz"[: number % 4]) + "}",
            "at": str(1_700_000_000_000 + number * 1_001),
        }[column]
