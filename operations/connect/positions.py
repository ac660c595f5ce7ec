"""Which of two positions in a source is further. Pure.

A position only grows while a connector runs, so of two copies the further one is the truth: that is what lets an interrupted
switch be finished from what the two clusters have, with no notes of its own.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from operations.connect.cluster import Offsets

Order = Literal["same", "behind", "ahead", "unknown"]

FENCE = {"server": "cdc.fence"}
"""A partition that no connector reads. Writing it to a stopped connector locks out what may be left of its old tasks, and
changes nothing else. It has a value because Connect 4.3 never ends writing a tombstone to an exactly-once connector that keeps
its offsets in a topic of its own: the transaction is committed before the tombstone is sent."""

FENCE_OFFSETS: Offsets = ({"partition": FENCE, "offset": {"file": "none", "pos": 0}},)

_WITHIN = ("event", "row")

_UUID_RANGE = re.compile(r"^([0-9a-fA-F-]{36}(?::[A-Za-z_][\w]*)?):([0-9:-]+)$")
_MARIADB = re.compile(r"^(\d+)-(\d+)-(\d+)$")


def real(offsets: Offsets) -> Offsets:
    """Without the fence, in one order."""
    return tuple(sorted((entry for entry in offsets if entry["partition"] != FENCE), key=str))


def in_snapshot(offsets: Offsets) -> bool:
    """Whether a first snapshot has begun and is not finished: a connector that starts there begins it anew."""
    return any(entry["offset"].get("snapshot") not in {None, False, "false"} for entry in real(offsets))


def order(one: Offsets, other: Offsets) -> Order:
    """Where ``one`` is, seen from ``other``. Nothing is behind everything."""
    mine, theirs = (_by_partition(offsets) for offsets in (one, other))
    if mine == theirs:
        return "same"
    found = {_order(mine.get(partition), theirs.get(partition)) for partition in mine.keys() | theirs.keys()} - {"same"}
    return found.pop() if len(found) == 1 else "same" if not found else "unknown"


def begins_transaction_anew(one: Offsets, other: Offsets) -> bool:
    """Whether ``one`` is behind ``other`` by no more than events of the transaction that both are in.

    A Debezium connector that starts inside a transaction reads it again from its begin and skips what it has sent; a heartbeat
    in between says how far it has read.
    """
    return order(one, other) == "behind" and order(_of_transactions(one), _of_transactions(other)) == "same"


def _of_transactions(offsets: Offsets) -> Offsets:
    return tuple(
        {**entry, "offset": {key: value for key, value in entry["offset"].items() if key not in _WITHIN}}
        for entry in real(offsets)
    )


def _by_partition(offsets: Offsets) -> dict[str, Mapping[str, Any]]:
    return {str(sorted(entry["partition"].items())): entry["offset"] for entry in real(offsets)}


def _order(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> Order:
    if one is None or other is None:
        return "behind" if one is None else "ahead"
    if "kafka_offset" in one and "kafka_offset" in other:
        return _compared(one["kafka_offset"], other["kafka_offset"])
    if one.get("gtids") and other.get("gtids"):
        found = _gtid_order(str(one["gtids"]), str(other["gtids"]))
        return _compared(_within(one), _within(other)) if found == "same" else found
    if "file" in one and "file" in other:
        return _compared(
            (_number(one["file"]), one.get("pos", 0), *_within(one)),
            (_number(other["file"]), other.get("pos", 0), *_within(other)),
        )
    return "unknown"


def _within(offset: Mapping[str, Any]) -> tuple[int, int]:
    """Events and rows that were read after the position itself."""
    event, row = (int(offset.get(key, 0)) for key in _WITHIN)
    return event, row


def _number(file: object) -> tuple[int, str]:
    """``binlog.000012`` → 12: names are compared by their number, which grows beyond its six digits."""
    digits = str(file).rpartition(".")[2]
    return (int(digits), "") if digits.isdigit() else (-1, str(file))


def _compared(one: Any, other: Any) -> Order:
    return "same" if one == other else "ahead" if one > other else "behind"


def _gtid_order(one: str, other: str) -> Order:
    """MariaDB: the sequence of each domain. MySQL: how many transactions of each server."""
    mine, theirs = _gtids(one), _gtids(other)
    found = {_compared(mine.get(key, 0), theirs.get(key, 0)) for key in mine.keys() | theirs.keys()} - {"same"}
    return "same" if not found else found.pop() if len(found) == 1 else "unknown"


def _gtids(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in filter(None, (word.strip() for word in text.split(","))):
        mariadb, mysql = _MARIADB.match(part), _UUID_RANGE.match(part)
        if mariadb is not None:
            found[mariadb[1]] = int(mariadb[3])
        elif mysql is not None:
            found[mysql[1]] = found.get(mysql[1], 0) + _count(mysql[2].split(":"))
    return found


def _count(intervals: Iterable[str]) -> int:
    total = 0
    for interval in filter(None, intervals):
        first, _, last = interval.partition("-")
        total += int(last or first) - int(first) + 1
    return total
