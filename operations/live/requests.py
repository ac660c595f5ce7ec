"""The questions that librdkafka has no call for: quotas, sizes of logs, and whether a transaction is open.

Versions are those that every broker from Kafka 2.8 on speaks, and transactions from 3.0 on.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from operations.live.kafka import ANSWER_SECONDS, Settings, UnreachableError
from operations.live.observed import Broker, Entity
from operations.live.wire import Connection, Reader, UnsupportedError, Writer

_FIND_COORDINATOR, _LOG_DIRS, _DESCRIBE_QUOTAS, _ALTER_QUOTAS, _TRANSACTIONS = 10, 35, 48, 49, 65
_TRANSACTION = 1
_PASSING = {14, 15, 16}
"""A coordinator that loads, is not there yet, or is another one by now."""
_PAUSE_SECONDS = 0.1
_CLUSTER_REFUSED, _TRANSACTION_REFUSED, _NO_TRANSACTION = 31, 53, 105
_DEFAULT_PORT = 9092
_WORDS = {
    5: "it has no leader now",
    6: "it has another leader now",
    14: "its coordinator loads",
    15: "it has no coordinator now",
    16: "it has another coordinator now",
    29: "the user may not use that topic",
    30: "the user may not use that group",
    _CLUSTER_REFUSED: "the user may not do that on the cluster",
    41: "the controller has changed",
    42: "the request is not valid",
    _TRANSACTION_REFUSED: "the user may not use that transactional id",
}


class AnswerError(UnreachableError):
    """A broker's refusal, with Kafka's own number of it."""

    def __init__(self, what: str, code: int, message: str | None) -> None:
        super().__init__(f"{what}: {message or _WORDS.get(code, f'error {code}')}\n      → look at the user's rights")
        self.code = code

    @property
    def forbidden(self) -> bool:
        """Whether an ACL is missing."""
        return self.code in {_CLUSTER_REFUSED, _TRANSACTION_REFUSED}


@dataclass(frozen=True, slots=True)
class QuotaChange:
    """Quotas of one entity to be set; ``None`` takes one away."""

    entity: Entity
    values: Mapping[str, float | None]


def connect(settings: Settings) -> Connection:
    """To the first bootstrap server that answers."""
    failure: UnreachableError | None = None
    for address in settings["bootstrap.servers"].split(","):
        try:
            return Connection(_address(address.strip()), settings)
        except UnreachableError as error:
            failure = error
    raise failure or UnreachableError("bootstrap.servers names nobody\n      → name a broker")


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition("://")[2].rpartition(":")
    return (host.strip("[]"), int(port)) if host and port.isdecimal() else (text, _DEFAULT_PORT)


def probe(settings: Settings) -> None:
    """Raises :class:`UnreachableError` that says why, where nobody answers or lets us in: librdkafka only waits, and says that
    it has waited."""
    with suppress(UnsupportedError), connect(settings):
        pass


def quotas(connection: Connection) -> dict[Entity, dict[str, float]]:
    """Every quota of every entity. Needs DescribeConfigs on the cluster."""
    body = Writer().array([], lambda _: None).pack("?", False).tags()
    answer = connection.ask(_DESCRIBE_QUOTAS, 1, body.bytes())
    answer.unpack("i")
    _check("quotas", answer.unpack("h"), answer.text())

    def part() -> tuple[str, str | None]:
        found = answer.name(), answer.text()
        answer.tags()
        return found

    def value() -> tuple[str, float]:
        found = answer.name(), float(answer.unpack("d"))
        answer.tags()
        return found

    def entry() -> tuple[Entity, dict[str, float]]:
        entity = tuple(sorted(answer.array(part), key=str))
        values = dict(answer.array(value))
        answer.tags()
        return entity, values

    return dict(answer.array(entry))


def set_quotas(connection: Connection, changes: Sequence[QuotaChange]) -> None:
    """Change them. Raises :class:`AnswerError` for the first entity that is refused. Needs AlterConfigs on the cluster."""
    body = Writer()

    def part(named: tuple[str, str | None]) -> None:
        body.text(named[0]).text(named[1]).tags()

    def value(entry: tuple[str, float | None]) -> None:
        key, figure = entry
        body.text(key).pack("d?", 0.0 if figure is None else figure, figure is None).tags()

    def entry(change: QuotaChange) -> None:
        body.array(change.entity, part).array(sorted(change.values.items()), value).tags()

    body.array(changes, entry).pack("?", False).tags()
    answer = connection.ask(_ALTER_QUOTAS, 1, body.bytes())
    answer.unpack("i")

    def part_of() -> tuple[str, str | None]:
        found = answer.name(), answer.text()
        answer.tags()
        return found

    def verdict() -> tuple[int, str | None, list[str]]:
        code, message = answer.unpack("h"), answer.text()
        names = [f"{kind} {name or '(default)'}" for kind, name in answer.array(part_of)]
        answer.tags()
        return code, message, names

    for code, message, names in answer.array(verdict):
        _check(f"quota of {', '.join(names)}", code, message)


def log_sizes(brokers: Iterable[Broker], settings: Settings, topics: Mapping[str, int]) -> dict[str, int]:
    """Bytes that one set of replicas of each topic (named with its number of partitions) takes, the largest replica of each
    partition counted. Needs Describe on the cluster."""

    def of(broker: Broker) -> dict[tuple[str, int], int]:
        with Connection((broker.host, broker.port), settings) as connection:
            return _sizes(connection, topics)

    largest: dict[tuple[str, int], int] = {}
    with ThreadPoolExecutor(8) as workers:
        for found in workers.map(of, brokers):
            for place, size in found.items():
                largest[place] = max(size, largest.get(place, 0))
    totals = dict.fromkeys(topics, 0)
    for (topic, _), size in largest.items():
        totals[topic] += size
    return totals


def _sizes(connection: Connection, topics: Mapping[str, int]) -> dict[tuple[str, int], int]:
    body = Writer()

    def topic(name: str) -> None:
        body.text(name).array(range(topics[name]), lambda number: body.pack("i", number)).tags()

    body.array(sorted(topics), topic).tags()
    answer = connection.ask(_LOG_DIRS, 2, body.bytes())
    answer.unpack("i")
    found: dict[tuple[str, int], int] = {}

    def partition() -> tuple[int, int, bool]:
        read = answer.unpack("i"), answer.unpack("q"), (answer.unpack("q"), answer.unpack("?"))[1]
        answer.tags()
        return read

    def one_topic() -> None:
        name = answer.name()
        for number, size, is_future in answer.array(partition):
            if not is_future:
                found[name, number] = size
        answer.tags()

    def folder() -> None:
        _check("sizes of logs", answer.unpack("h"), None)
        answer.name()
        answer.array(one_topic)
        answer.tags()

    answer.array(folder)
    return found


def open_transaction(connection: Connection, settings: Settings, transactional_id: str) -> bool:
    """Whether somebody has one open under that id. Needs Describe on it. A cluster that never had a transaction makes its
    topic for them first, and a coordinator loads what it is to know."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            return _is_open(connection, settings, transactional_id)
        except AnswerError as error:
            if error.code not in _PASSING or time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE_SECONDS)


def _is_open(connection: Connection, settings: Settings, transactional_id: str) -> bool:
    body = Writer().text(transactional_id).pack("b", _TRANSACTION).tags()
    answer = connection.ask(_FIND_COORDINATOR, 3, body.bytes())
    answer.unpack("i")
    _check(f"transactional id {transactional_id}", answer.unpack("h"), answer.text())
    answer.unpack("i")
    with Connection((answer.name(), answer.unpack("i")), settings) as coordinator:
        body = Writer()
        body.array([transactional_id], body.text).tags()
        answer = coordinator.ask(_TRANSACTIONS, 0, body.bytes())
    return any(_transaction_states(answer))


def _transaction_states(answer: Reader) -> list[bool]:
    answer.unpack("i")

    def topic() -> None:
        answer.name()
        answer.array(lambda: answer.unpack("i"))
        answer.tags()

    def state() -> bool:
        code, name, found = answer.unpack("h"), answer.name(), answer.name()
        answer.unpack("i"), answer.unpack("q"), answer.unpack("q"), answer.unpack("h")
        answer.array(topic)
        answer.tags()
        if code == _NO_TRANSACTION:
            return False
        _check(f"transactional id {name}", code, None)
        return found == "Ongoing"

    return answer.array(state)


def _check(what: str, code: int, message: str | None) -> None:
    if code != 0:
        raise AnswerError(what, code, message)
