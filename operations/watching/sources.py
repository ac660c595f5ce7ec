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
from typing import Any, Generic, TypeVar

from components.core.errors import CdcError
from operations.live.kafka import Cluster as Kafka
from operations.live.kafka import Partition
from operations.watching.state import KafkaSeen, Plan, Sample, parse_metrics

Answer = TypeVar("Answer")
METRICS = frozenset({"cdc_dlq_size", "cdc_replication_lag_seconds", "cdc_circuit_breaker_state", "cdc_error_total"})
_RATE_SECONDS, _METRICS_SECONDS = 10, 3
_TOPICS_EVERY_SECONDS = 30
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
    """Offsets of every pipeline, in a few requests. How many partitions topics have is asked now and then only."""

    def __init__(self, kafka: Kafka, plans: Sequence[Plan]) -> None:
        self._kafka, self._plans = kafka, plans
        self._places: dict[str, list[Partition]] = {}
        self._known_at = float("-inf")

    def __call__(self) -> KafkaSeen:
        now = time.monotonic()
        if now - self._known_at > _TOPICS_EVERY_SECONDS:
            self._places, self._known_at = self._partitions(), now
        changes = [place for plan in self._plans for topic in plan.topics for place in self._places.get(topic, ())]
        dead = [place for plan in self._plans for place in self._places.get(plan.dlq, ())]
        signs = [place for plan in self._plans for place in self._places.get(plan.heartbeat, ())]
        begins, ends = self._kafka.begin_offsets([*changes, *dead]), self._kafka.end_offsets([*changes, *dead])
        newest: dict[str, int] = {}
        for (topic, _), moment in self._kafka.latest_times([*changes, *signs]).items():
            newest[topic] = max(moment, newest.get(topic, 0))
        committed: dict[str, int] = {}
        lag: dict[str, int] = {}
        for plan in self._plans:
            stands = self._kafka.committed(plan.group)
            mine = [place for topic in plan.topics for place in self._places.get(topic, ())]
            at = {place: max(stands.get(place, 0), begins[place]) for place in mine}
            lag[plan.group] = sum(max(0, ends[place] - at[place]) for place in mine)
            committed[plan.group] = sum(at.values())
        return KafkaSeen(now, time.time_ns() // 1_000_000, _by_topic(begins), _by_topic(ends), newest, committed, lag)

    def _partitions(self) -> dict[str, list[Partition]]:
        wanted = {name for plan in self._plans for name in (*plan.topics, plan.dlq, plan.heartbeat)}
        counts = self._kafka.partitions()
        return {name: [(name, number) for number in range(count)] for name, count in counts.items() if name in wanted}


def _by_topic(offsets: Mapping[Partition, int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for (topic, _), offset in offsets.items():
        found[topic] = found.get(topic, 0) + offset
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
