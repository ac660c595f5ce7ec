"""Asks each source again and again, each in a thread of its own, so that one that is slow holds up none of the others."""

import http.client
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from components.core.errors import CdcError
from operations.live.kafka import Cluster as Kafka
from operations.live.kafka import Partition, UnreachableError
from operations.live.wire import UnsupportedError
from operations.watching.offsets import EARLIEST, LATEST, NEWEST, Address, Offsets, by_topic
from operations.watching.state import KafkaSeen, Plan, Sample, parse_metrics

Answer = TypeVar("Answer")
METRICS = frozenset({"cdc_dlq_size", "cdc_replication_lag_seconds", "cdc_circuit_breaker_state", "cdc_error_total"})
_RATE_SECONDS, _METRICS_SECONDS = 10, 3
_TOPICS_EVERY_SECONDS, _ALL_EVERY_SECONDS = 30, 10
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Source(Generic[Answer]):
    """``ask`` is called every ``interval`` seconds until it is stopped. ``answer`` and ``why`` are of the last time."""

    name: str
    ask: Callable[[], Answer]
    interval: float
    answer: Answer | None = None
    why: str = "has not answered yet"
    asked: int = 0
    history: "deque[Answer]" = field(default_factory=deque)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self, patience: float = 1) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(patience)

    def _run(self) -> None:
        while not self._ended.is_set():
            begun = time.monotonic()
            self.once()
            self._ended.wait(max(0.0, self.interval - (time.monotonic() - begun)))

    def once(self) -> None:
        """Asks; what goes wrong is told, and the source is asked again."""
        try:
            self.answer = self.ask()
            self.why = ""
            self.history.append(self.answer)
            while len(self.history) > max(2, int(_RATE_SECONDS / self.interval)):
                self.history.popleft()
        except CdcError as error:
            self.answer, self.why = None, str(error).partition("\n")[0]
            self.history.clear()
        self.asked += 1


class KafkaWatch:
    """Offsets of every pipeline. Asked each time are the ends, and the groups of pipelines in which something moves or waits;
    newest times where an end has moved; everything else now and then."""

    def __init__(self, kafka: Kafka, plans: Sequence[Plan]) -> None:
        self._kafka, self._plans = kafka, plans
        self._asking: Asking = Offsets(kafka.settings)
        self._known_at = self._all_at = float("-inf")
        self._leaders: dict[Partition, Address] = {}
        self._own: dict[str, list[Partition]] = {}
        self._begins: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._newest: dict[Partition, int] = {}
        self._stands: dict[str, dict[Partition, int]] = {}
        self._lag: dict[str, int] = {}

    def __call__(self) -> KafkaSeen:
        try:
            return self._look()
        except UnsupportedError:
            self._asking = ByClient(self._kafka)
            return self._look()
        except UnreachableError:
            self._known_at = float("-inf")
            raise

    def _look(self) -> KafkaSeen:
        now = time.monotonic()
        if now - self._known_at > _TOPICS_EVERY_SECONDS:
            self._find_topics()
            self._known_at, self._all_at = now, float("-inf")
        whole = now - self._all_at > _ALL_EVERY_SECONDS
        ends = {place: offset for place, (offset, _) in self._asking.at(self._leaders, LATEST).items()}
        moved = {place for place, offset in ends.items() if whole or self._ends.get(place) != offset}
        if whole:
            self._begins = {place: offset for place, (offset, _) in self._asking.at(self._leaders, EARLIEST).items()}
            self._all_at = now
        times = self._asking.at({place: self._leaders[place] for place in moved}, NEWEST)
        self._newest.update((place, moment) for place, (_, moment) in times.items() if moment >= 0)
        self._ends = ends
        self._stand(moved)
        return KafkaSeen(
            now,
            time.time_ns() // 1_000_000,
            by_topic(self._begins.items()),
            by_topic(ends.items()),
            _latest(self._newest),
            {plan.group: sum(self._at(plan).values()) for plan in self._plans},
            dict(self._lag),
        )

    def _stand(self, moved: "set[Partition]") -> None:
        """Where groups stand that may have gone on, and how far behind all of them are."""
        asked = [plan for plan in self._plans if self._lag.get(plan.group) != 0 or not moved.isdisjoint(self._own[plan.group])]
        self._stands.update(self._asking.committed([plan.group for plan in asked]))
        for plan in asked:
            self._lag[plan.group] = sum(max(0, self._ends[place] - offset) for place, offset in self._at(plan).items())

    def _at(self, plan: Plan) -> dict[Partition, int]:
        stands = self._stands.get(plan.group, {})
        return {place: max(stands.get(place, 0), self._begins.get(place, 0)) for place in self._own[plan.group]}

    def _find_topics(self) -> None:
        wanted = {name for plan in self._plans for name in (*plan.topics, plan.dlq, plan.heartbeat)}
        self._leaders = {place: address for place, address in self._kafka.leaders().items() if place[0] in wanted}
        places: dict[str, list[Partition]] = {}
        for place in self._leaders:
            places.setdefault(place[0], []).append(place)
        self._own = {plan.group: [place for topic in plan.topics for place in places.get(topic, ())] for plan in self._plans}


class Asking(Protocol):
    """Who is asked for offsets: :class:`Offsets`, or librdkafka."""

    def at(self, leaders: Mapping[Partition, Address], moment: int) -> dict[Partition, tuple[int, int]]: ...

    def committed(self, groups: Sequence[str]) -> dict[str, dict[Partition, int]]: ...


@dataclass(frozen=True, slots=True)
class ByClient:
    """For those who enter in a way that only librdkafka knows."""

    kafka: Kafka

    def at(self, leaders: Mapping[Partition, Address], moment: int) -> dict[Partition, tuple[int, int]]:
        if moment == NEWEST:
            return {place: (0, at) for place, at in self.kafka.latest_times(list(leaders)).items()}
        ask = self.kafka.end_offsets if moment == LATEST else self.kafka.begin_offsets
        return {place: (offset, -1) for place, offset in ask(list(leaders)).items()}

    def committed(self, groups: Sequence[str]) -> dict[str, dict[Partition, int]]:
        return {group: self.kafka.committed(group) for group in groups}


def _latest(times: "Mapping[Partition, int]") -> dict[str, int]:
    """The latest time of each topic."""
    found: dict[str, int] = {}
    for (topic, _), moment in times.items():
        found[topic] = max(moment, found.get(topic, 0))
    return found


class SilentError(CdcError):
    """Metrics that cannot be read."""


@dataclass(frozen=True, slots=True)
class Workers:
    """The metrics of all workers of one pipeline, from each of them."""

    pipeline: str
    addresses: Sequence[str]

    def __call__(self) -> dict[str, list[Sample]]:
        return {self.pipeline: [sample for url in self.addresses for sample in parse_metrics(_read(url), METRICS)]}


@dataclass(frozen=True, slots=True)
class Prometheus:
    """The same of every pipeline, as Prometheus has last read them."""

    address: str

    def __call__(self) -> dict[str, list[Sample]]:
        query = urllib.parse.urlencode({"query": f'{{__name__=~"{"|".join(sorted(METRICS))}"}}'})
        found: dict[str, list[Sample]] = {}
        try:
            for one in json.loads(_read(f"{self.address}/api/v1/query?{query}"))["data"]["result"]:
                labels = one["metric"]
                sample = (str(labels["__name__"]), labels, float(one["value"][1]))
                found.setdefault(str(labels.get("pipeline", "")), []).append(sample)
        except (ValueError, KeyError, TypeError, IndexError):
            raise SilentError(f"{self.address}: is no Prometheus") from None
        return found


def _read(address: str) -> str:
    try:
        with _OPENER.open(address, timeout=_METRICS_SECONDS) as answer:
            return str(answer.read().decode(errors="replace"))
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason: Any = error.reason if isinstance(error, urllib.error.URLError) else error
        raise SilentError(f"{address.partition('?')[0]}: {reason}") from None
