"""Looks at a live system, several questions at a time, and changes nothing. What it finds is a frozen :class:`Observed`."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from components.core.errors import CdcError
from operations.connect.cluster import Cluster
from operations.live import requests
from operations.live.kafka import Settings, UnreachableError
from operations.live.kafka_admin import KafkaAdmin, RefusedError
from operations.live.observed import (
    Acl,
    Credential,
    Entity,
    Gap,
    Observed,
    ObservedConnector,
    ObservedKafka,
    ObservedRegistry,
    ObservedTopic,
)
from operations.live.registry import Registry
from operations.live.rights import needed
from operations.live.wire import UnsupportedError

Found = TypeVar("Found")
_RIGHTS = {"quotas": "DescribeConfigs", "ACLs": "Describe", "SCRAM users": "Describe"}
AT_ONCE = 12
"""Requests to a registry or to Connect at the same time."""

REGISTRY = "registry"
"""What a registry is called among :class:`Gap` s."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The open interfaces of an environment; ``None`` for what is not to be looked at. ``connect`` is by colour."""

    kafka: KafkaAdmin
    settings: Settings
    registry: Registry | None = None
    connect: Mapping[str, Cluster] | None = None


def observe(sources: Sources) -> Observed:
    """Everything that answers. A registry or a colour of Connect that does not is a gap; a Kafka that does not raises
    :class:`UnreachableError`."""
    colours, gaps = sources.connect or {}, list[Gap]()
    with ThreadPoolExecutor(1 + len(colours)) as workers:
        registry = sources.registry and workers.submit(attempt, REGISTRY, partial(observe_registry, sources.registry))
        connect = {
            colour: workers.submit(attempt, f"Connect {colour}", partial(observe_connect, cluster))
            for colour, cluster in colours.items()
        }
        kafka, hidden = observe_kafka(sources.kafka, sources.settings)
        subjects, silent = registry.result() if registry else (None, ())
        gaps += [*hidden, *silent]
        connectors: dict[str, Mapping[str, ObservedConnector]] = {}
        for colour, future in connect.items():
            found, silent = future.result()
            gaps += silent
            if found is not None:
                connectors[colour] = found
    return Observed(kafka, subjects, None if sources.connect is None else connectors, tuple(gaps))


def attempt(what: str, question: Callable[[], Found]) -> tuple[Found | None, tuple[Gap, ...]]:
    """The answer, or why there is none."""
    try:
        return question(), ()
    except CdcError as error:
        why, _, remedy = str(error).partition("\n      → ")
        return None, (Gap(what, why, remedy or "look into its log"),)


def observe_kafka(admin: KafkaAdmin, settings: Settings) -> tuple[ObservedKafka, tuple[Gap, ...]]:
    """A cluster, and what of it this user may not see."""
    gaps: list[Gap] = []

    def ask(what: str, question: Callable[[], Found]) -> Found | None:
        try:
            return question()
        except (RefusedError, UnsupportedError, requests.AnswerError) as error:
            if isinstance(error, requests.AnswerError) and not error.forbidden:
                raise
            text = str(error) if isinstance(error, UnsupportedError) else needed(settings, _RIGHTS[what], "the cluster")
            why, _, remedy = text.partition("\n      → ")
            gaps.append(Gap(what, why, remedy))
            return None

    with ThreadPoolExecutor(3) as workers:
        cluster = admin.cluster()
        limits = workers.submit(ask, "quotas", lambda: _quotas(settings))
        acls = workers.submit(ask, "ACLs", admin.acls)
        users = workers.submit(ask, "SCRAM users", admin.scram_users)
        configs, defaults = admin.topic_configs(name for name, topic in cluster.topics.items() if topic.error is None)
        bindings, people, quotas = acls.result(), users.result(), limits.result()
    topics = {
        name: ObservedTopic(name, _assignment(topic.partitions), configs[name], name.startswith("__"))
        for name, topic in sorted(cluster.topics.items())
        if name in configs
    }
    found = ObservedKafka(
        cluster.id,
        cluster.controller,
        cluster.brokers,
        topics,
        defaults,
        None if bindings is None else frozenset(Acl(**binding) for binding in bindings),
        None if people is None else {name: _credentials(entries) for name, entries in people.items()},
        quotas,
    )
    return found, tuple(gaps)


def _quotas(settings: Settings) -> dict[Entity, dict[str, float]]:
    with requests.connect(settings) as connection:
        return requests.quotas(connection)


def _assignment(partitions: Mapping[int, Any]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(partitions[number].replicas) for number in sorted(partitions))


def _credentials(entries: list[dict[str, Any]]) -> tuple[Credential, ...]:
    spelt = (Credential(entry["mechanism"].replace("_", "-"), entry["iterations"]) for entry in entries)
    return tuple(sorted(spelt))


def observe_registry(registry: Registry) -> ObservedRegistry:
    """Levels, and the newest version of every subject."""
    with ThreadPoolExecutor(AT_ONCE) as workers:
        subjects = workers.map(registry.newest, registry.subjects())
        found = {subject.subject: subject for subject in subjects if subject is not None}
    return ObservedRegistry(registry.url, registry.compatibility() or "", dict(sorted(found.items())))


def observe_connect(cluster: Cluster) -> dict[str, ObservedConnector]:
    """Connectors of one colour, by name."""
    return dict(_connectors(cluster))


def _connectors(cluster: Cluster) -> Iterator[tuple[str, ObservedConnector]]:
    states = sorted(cluster.states().items())
    with ThreadPoolExecutor(AT_ONCE) as workers:
        configs = workers.map(lambda entry: cluster.config(entry[0]), states)
        for (name, state), config in zip(states, configs, strict=True):
            yield name, ObservedConnector(name, state, dict(config))


def observe_readers(admin: KafkaAdmin, topics: frozenset[str]) -> dict[str, tuple[str, ...]] | None:
    """Which consumer groups stand somewhere in each topic; ``None`` where the user may not ask for groups."""
    if not topics:
        return {}
    found: dict[str, list[str]] = {name: [] for name in topics}
    try:
        groups = admin.group_names()
        with ThreadPoolExecutor(AT_ONCE) as workers:
            for group, places in zip(groups, workers.map(lambda name: admin.committed(name, hidden={}), groups), strict=True):
                for topic in {topic for topic, _ in places} & topics:
                    found[topic].append(group)
    except RefusedError:
        return None
    return {name: tuple(sorted(readers)) for name, readers in found.items()}


def observe_sizes(settings: Settings, kafka: ObservedKafka, names: frozenset[str]) -> dict[str, int] | None:
    """Bytes that one replica set of each topic takes; ``None`` where they cannot be told."""
    asked = {name: kafka.topics[name].partitions for name in names if name in kafka.topics}
    if not asked:
        return {}
    try:
        return requests.log_sizes(kafka.brokers, settings, asked)
    except UnreachableError:
        return None
