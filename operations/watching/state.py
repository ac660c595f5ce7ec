"""From what the sources told to one row for each pipeline. Pure."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from operations.connect.cluster import State

Sample = tuple[str, Mapping[str, str], float]
"""A metric's name, its labels and its value."""
_LABEL, _ESCAPED = re.compile(r'([a-zA-Z_]+)="((?:[^"\\]|\\.)*)"'), re.compile(r"\\(.)")
_BREAKERS = {1.0: "half-open", 2.0: "open"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What the spec lets one pipeline be known by. ``connector`` is empty where Connect has none of it."""

    name: str
    tenant: str
    topics: tuple[str, ...]
    dlq: str
    heartbeat: str
    group: str
    connector: str


@dataclass(frozen=True, slots=True)
class KafkaSeen:
    """At ``at`` (seconds, monotonic) and ``clock`` (milliseconds since 1970): sums of offsets by topic, of the begins, the ends
    and what each group has committed; ``newest`` record's time by topic. ``lag`` is by group."""

    at: float
    clock: int
    begins: Mapping[str, int]
    ends: Mapping[str, int]
    newest: Mapping[str, int]
    committed: Mapping[str, int]
    lag: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Told:
    """The last answer of each source: ``None`` before the first one, or where it does not answer. ``before`` is an earlier
    answer of Kafka's, for rates. ``workers`` are samples by pipeline."""

    kafka: KafkaSeen | None = None
    before: KafkaSeen | None = None
    connect: Mapping[str, State] | None = None
    workers: Mapping[str, Sequence[Sample]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """One pipeline; ``None`` is not known. ``source_age`` and ``behind`` are seconds, rates are events a second."""

    pipeline: str
    tenant: str
    source: str
    tasks: int
    source_age: float | None
    lag: int | None
    behind: float | None
    rate_in: float | None
    rate_out: float | None
    dead_letters: int | None
    breakers: tuple[str, ...] | None
    error: str

    @property
    def healthy(self) -> bool:
        return self.source not in {"failed", "missing"} and not self.breakers and not self.error


def rows(plans: Sequence[Plan], told: Told) -> list[Row]:
    """One for each pipeline, in the spec's order."""
    return [_row(plan, told) for plan in plans]


def _row(plan: Plan, told: Told) -> Row:
    state = None if told.connect is None else told.connect.get(plan.connector)
    samples = told.workers.get(plan.name, ())
    refused = _values(samples, "cdc_dlq_size")
    source = "" if not plan.connector else "unknown" if told.connect is None else "missing" if state is None else state.lives
    return Row(
        pipeline=plan.name,
        tenant=plan.tenant,
        source=source,
        tasks=0 if state is None else state.tasks,
        source_age=_age(plan, told.kafka),
        lag=None if told.kafka is None else told.kafka.lag.get(plan.group),
        behind=max(_values(samples, "cdc_replication_lag_seconds"), default=None),
        rate_in=_rate(told, lambda seen: _sum(seen.ends, plan.topics)),
        rate_out=_rate(told, lambda seen: seen.committed.get(plan.group)),
        dead_letters=int(sum(refused)) if refused else _dead_letters(plan, told.kafka),
        breakers=_breakers(samples),
        error=_error(state, samples),
    )


def _values(samples: Sequence[Sample], name: str) -> list[float]:
    return [value for metric, _, value in samples if metric == name]


def _sum(offsets: Mapping[str, int], topics: Sequence[str]) -> int | None:
    found = [offsets[topic] for topic in topics if topic in offsets]
    return sum(found) if found else None


def _age(plan: Plan, seen: KafkaSeen | None) -> float | None:
    """How old the newest sign of life from the source is: a change, or its heartbeat."""
    if seen is None:
        return None
    times = [seen.newest[topic] for topic in (*plan.topics, plan.heartbeat) if topic in seen.newest]
    return max(0.0, (seen.clock - max(times)) / 1000) if times else None


def _dead_letters(plan: Plan, seen: KafkaSeen | None) -> int | None:
    return None if seen is None or plan.dlq not in seen.ends else seen.ends[plan.dlq] - seen.begins.get(plan.dlq, 0)


def _rate(told: Told, figure: Callable[[KafkaSeen], int | None]) -> float | None:
    if told.kafka is None or told.before is None or told.kafka.at <= told.before.at:
        return None
    now, then = figure(told.kafka), figure(told.before)
    return None if now is None or then is None else max(0.0, (now - then) / (told.kafka.at - told.before.at))


def _breakers(samples: Sequence[Sample]) -> tuple[str, ...] | None:
    if not _values(samples, "cdc_circuit_breaker_state"):
        return None
    found = {
        labels.get("service", "?"): _BREAKERS[value]
        for name, labels, value in samples
        if name == "cdc_circuit_breaker_state" and value in _BREAKERS
    }
    return tuple(f"{service} {state}" for service, state in sorted(found.items()))


def _error(state: State | None, samples: Sequence[Sample]) -> str:
    """What the connector failed of; else what the workers count most."""
    if state is not None and state.why:
        return state.why
    counted: Counter[str] = Counter()
    for name, labels, value in samples:
        if name == "cdc_error_total" and value > 0:
            counted[f"{labels.get('error_type', '?')} in {labels.get('table') or 'the worker'}"] += int(value)
    return "" if not counted else "{} ×{:,}".format(*counted.most_common(1)[0])


def parse_metrics(text: str, wanted: frozenset[str]) -> list[Sample]:
    """Prometheus' text form, of the ``wanted`` names only: a worker tells hundreds of lines a second."""
    found: list[Sample] = []
    for line in text.splitlines():
        name, brace, rest = line.partition("{")
        if not brace:
            name, _, rest = line.partition(" ")
        if name not in wanted:
            continue
        labels, _, value = rest.rpartition("} ") if brace else ("", "", rest)
        try:
            found.append(
                (name, {key: _ESCAPED.sub(r"\1", text) for key, text in _LABEL.findall(labels)}, float(value.split()[0]))
            )
        except (ValueError, IndexError):
            continue
    return found
