"""Offsets of very many partitions and groups: one request to each broker, over connections that are kept.

librdkafka makes an object for each partition of each answer, and asks for one group at a time, which for a hundred pipelines
takes a fifth of a core. Versions are those that every broker from Kafka 3.0 on speaks.
"""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence

from operations.live import requests
from operations.live.kafka import Partition, Settings, UnreachableError
from operations.live.requests import AnswerError
from operations.live.wire import Connection, Reader, Writer

Address = tuple[str, int]
LATEST, EARLIEST, NEWEST = -1, -2, -3
"""The end, the begin, and the record with the latest time of a partition."""

_LIST_OFFSETS, _OFFSET_FETCH, _FIND_COORDINATOR, _GROUP = 2, 9, 10, 0
_ENTRY = struct.Struct(">ihqqib")
"""A partition's number, error, time, offset and leader epoch, and that no tags follow."""


class Offsets:
    """Asks brokers. Raises :class:`UnreachableError`; whatever is asked next then begins with new connections."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: dict[Address, Connection] = {}
        self._coordinators: dict[str, Address] = {}

    def at(self, leaders: Mapping[Partition, Address], moment: int) -> dict[Partition, tuple[int, int]]:
        """``(offset, time)`` of each partition at :data:`LATEST`, :data:`EARLIEST` or :data:`NEWEST`."""
        found: dict[Partition, tuple[int, int]] = {}
        for address, places in _grouped(leaders).items():
            self._try(lambda address=address, places=places: self._at(address, places, moment, found))  # type: ignore[misc]
        return found

    def _at(self, address: Address, places: list[Partition], moment: int, found: dict[Partition, tuple[int, int]]) -> None:
        numbers: dict[str, list[int]] = {}
        for topic, number in places:
            numbers.setdefault(topic, []).append(number)
        body = Writer().pack("ib", -1, 0)

        def topic_of(entry: tuple[str, list[int]]) -> None:
            body.text(entry[0]).array(entry[1], lambda number: body.pack("iiq", number, -1, moment).tags()).tags()

        body.array(list(numbers.items()), topic_of).tags()
        answer = self._to(address).ask(_LIST_OFFSETS, 7, body.bytes())
        answer.unpack("i")
        answer.array(lambda: _read_offsets(answer, found))

    def committed(self, groups: Sequence[str]) -> dict[str, dict[Partition, int]]:
        """Where each group stands, for partitions in which it stands anywhere."""
        found: dict[str, dict[Partition, int]] = {}
        if groups:
            self._try(lambda: self._find([group for group in groups if group not in self._coordinators]))
        places = {group: self._coordinators[group] for group in groups}
        for address, own in _grouped(places).items():
            self._try(lambda address=address, own=own: self._fetch(address, own, found))  # type: ignore[misc]
        return found

    def _find(self, groups: list[str]) -> None:
        """Which broker coordinates each group."""
        if not groups:
            return
        body = Writer().pack("b", _GROUP)
        body.array(groups, body.text).tags()
        with requests.connect(self._settings) as connection:
            answer = connection.ask(_FIND_COORDINATOR, 4, body.bytes())
        answer.unpack("i")

        def coordinator() -> None:
            group, _, host, port = answer.name(), answer.unpack("i"), answer.name(), answer.unpack("i")
            code, message = answer.unpack("h"), answer.text()
            answer.tags()
            if code:
                raise AnswerError(f"group {group}", code, message)
            self._coordinators[group] = (host, port)

        answer.array(coordinator)

    def _fetch(self, address: Address, groups: list[str], found: dict[str, dict[Partition, int]]) -> None:
        body = Writer()
        body.array(groups, lambda group: body.text(group).array(None, lambda _: None).tags()).pack("?", False).tags()
        answer = self._to(address).ask(_OFFSET_FETCH, 8, body.bytes())
        answer.unpack("i")

        def group() -> None:
            name, own = answer.name(), dict[Partition, int]()
            answer.array(lambda: _read_committed(answer, own))
            code = answer.unpack("h")
            answer.tags()
            if code:
                raise AnswerError(f"group {name}", code, None)
            found[name] = own

        answer.array(group)

    def _to(self, address: Address) -> Connection:
        if address not in self._open:
            self._open[address] = Connection(address, self._settings)
        return self._open[address]

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except UnreachableError:
            self.close()
            raise

    def close(self) -> None:
        """Hang up, and forget who coordinates what."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()
        self._coordinators.clear()


def _grouped(places: Mapping[Partition, Address] | Mapping[str, Address]) -> dict[Address, list]:  # type: ignore[type-arg]
    found: dict[Address, list] = {}  # type: ignore[type-arg]
    for place, address in places.items():
        found.setdefault(address, []).append(place)
    return found


def _read_offsets(answer: Reader, found: dict[Partition, tuple[int, int]]) -> None:
    """One topic. Its partitions are read at once: they are of one size, as long as no broker adds tags."""
    topic, count = answer.name(), answer.uvarint() - 1
    for number, code, time, offset, _, tags in _ENTRY.iter_unpack(answer.raw(count * _ENTRY.size)):
        if code or tags:
            raise AnswerError(f"topic {topic}", code, None if code else "an answer that is not understood")
        found[topic, number] = offset, time
    answer.tags()


def _read_committed(answer: Reader, found: dict[Partition, int]) -> None:
    topic = answer.name()

    def partition() -> None:
        number, offset, _ = answer.unpack("i"), answer.unpack("q"), answer.unpack("i")
        answer.text()
        code = answer.unpack("h")
        answer.tags()
        if code:
            raise AnswerError(f"topic {topic}", code, None)
        if offset >= 0:
            found[topic, number] = offset

    answer.array(partition)
    answer.tags()


def by_topic(offsets: Iterable[tuple[Partition, int]]) -> dict[str, int]:
    """Sums of the offsets of each topic's partitions."""
    found: dict[str, int] = {}
    for (topic, _), offset in offsets:
        found[topic] = found.get(topic, 0) + offset
    return found
