"""A small shop at work: random orders in MariaDB, placed, changed and taken back until it is closed."""

import random
import threading
from types import TracebackType
from typing import Any, Self

import pymysql

PAUSE_SECONDS = 0.01
STATES = ("open", "paid", "shipped", "returned")
ARTICLES = ("tea", "keyboard", "stickers", "señor's hat", "日本語 \\ 'quoted'")


class Shop:
    """One transaction after another on ``connection``, drawn from ``source``; ``done`` counts them."""

    def __init__(self, connection: "pymysql.Connection[Any]", source: random.Random) -> None:
        self.done = 0
        self.failure: BaseException | None = None
        self._connection, self._source = connection, source
        self._orders: list[int] = []
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closed.set()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        try:
            while not self._closed.wait(PAUSE_SECONDS):
                with self._connection.cursor() as cursor:
                    self._connection.begin()
                    self._step(cursor)
                    self._connection.commit()
                self.done += 1
        except BaseException as error:
            self.failure = error

    def _step(self, cursor: Any) -> None:
        source = self._source
        order = source.choice(self._orders) if self._orders else 0
        kind = source.choices(("place", "change", "take back", "renumber"), (5, 8, 2, 2))[0] if order else "place"
        if kind == "place":
            total = source.randrange(10**6) / 100
            cursor.execute("INSERT INTO orders (customer, status, total) VALUES (%s, 'open', %s)", (_customer(source), total))
            order = cursor.lastrowid
            lines = [(order, n, source.choice(ARTICLES), source.randrange(1, 9), total) for n in range(source.randrange(1, 5))]
            cursor.executemany("INSERT INTO order_lines VALUES (%s, %s, %s, %s, %s)", lines)
            self._orders.append(order)
        elif kind == "change":
            cursor.execute("UPDATE orders SET status = %s WHERE id = %s", (source.choice(STATES), order))
            cursor.execute("UPDATE order_lines SET quantity = quantity + 1 WHERE order_id = %s", (order,))
        elif kind == "take back":
            cursor.execute("DELETE FROM order_lines WHERE order_id = %s", (order,))
            cursor.execute("DELETE FROM orders WHERE id = %s", (order,))
            self._orders.remove(order)
        else:  # keys that change are a deletion and an insertion
            cursor.execute("UPDATE order_lines SET line = line + 100 WHERE order_id = %s ORDER BY line DESC", (order,))


def _customer(source: random.Random) -> str:
    return f"{source.getrandbits(48):x}@example.org"
