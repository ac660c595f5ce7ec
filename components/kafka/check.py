"""What is wrong with a Kafka spec, and with the state derived from it, beyond its single fields. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator

from components.core.errors import Problem
from components.core.model import duplicates
from components.core.names import metric_name
from components.kafka.settings import OWNED_TOPIC_KEYS, owner_of_broker_key
from components.kafka.spec import KafkaSpec, TopicSpec
from components.kafka.state import KafkaState, Topic

_TOPIC = re.compile(r"^[a-zA-Z0-9._-]{1,249}$")
_DNS_SUBDOMAIN_LENGTH = 253
_USER_LENGTH = 63


def check_kafka(kafka: KafkaSpec, target: str) -> Iterator[Problem]:
    """Problems of the cluster itself; paths are relative to ``kafka``."""
    if kafka.brokers.replicas < 1:
        yield Problem("brokers.replicas", "a cluster needs at least one broker", "write 3, or 1 for development")
    yield from _check_replication(
        "topicDefaults", kafka.default_replicas, kafka.default_min_in_sync_replicas, kafka.brokers.replicas
    )
    yield from _check_listeners(kafka, target)
    yield from _check_target(kafka, target)
    names = {user.name for user in kafka.users}
    for index, name in enumerate(kafka.authorization.super_users):
        if name not in names:
            yield Problem(
                f"authorization.superUsers[{index}]",
                f"{name} is not declared in kafka.users",
                "declare the user, or leave it out",
            )
    for key in kafka.config:
        owner = owner_of_broker_key(key)
        if owner is not None:
            yield Problem(
                f"config.{key}",
                f"is set by {owner}",
                "leave it out here" + ("" if owner == "the platform" else f" and set {owner}"),
            )
    for index, topic in enumerate(kafka.topics):
        yield from (problem.under(f"topics[{index}]") for problem in _check_declared_topic(kafka, topic))


def _check_replication(path: str, replicas: int, min_isr: int, brokers: int) -> Iterator[Problem]:
    if replicas > brokers >= 1:
        yield Problem(
            f"{path}.replicas",
            f"{replicas} replicas need as many brokers, and there are {brokers}",
            f"write at most {brokers}, or add brokers",
        )
    if min_isr > replicas or (min_isr == replicas and replicas > 1):
        yield Problem(
            f"{path}.minInSyncReplicas",
            f"{min_isr} of {replicas} replicas in sync leaves no room for one to be lost",
            f"write at most {max(1, replicas - 1)}",
        )


def _check_listeners(kafka: KafkaSpec, target: str) -> Iterator[Problem]:
    listeners = kafka.listeners
    for what, values in (("name", [entry.name for entry in listeners]), ("port", [str(entry.port) for entry in listeners])):
        for value, places in duplicates(values).items():
            yield Problem(
                f"listeners[{places[1]}].{what}",
                f"{value} is used by listeners[{places[0]}] too",
                "each listener needs its own",
            )
    wrong = {"kubernetes": {"host"}, "docker": {"loadbalancer", "nodeport"}}[target]
    for index, entry in enumerate(listeners):
        if entry.type in wrong:
            yield Problem(
                f"listeners[{index}].type",
                f"{entry.type} does not exist on the {target} target",
                "use internal" + (" or host" if target == "docker" else ", loadbalancer or nodeport"),
            )


def _check_target(kafka: KafkaSpec, target: str) -> Iterator[Problem]:
    if target == "docker" and kafka.cruise_control is not None:
        yield Problem("cruiseControl", "runs on Kubernetes only", "leave it out for the docker target")
    if target == "kubernetes" and not kafka.tls.internal:
        yield Problem("tls.internal", "Strimzi always encrypts between brokers", "leave it out for the kubernetes target")
    if target == "kubernetes" and kafka.tiered is not None and kafka.tiered.store == "local":
        yield Problem("tiered.store", "a local store is a folder of one machine", "use s3 on the kubernetes target")
    if target == "docker" and kafka.tls.internal is False and any(entry.authentication == "tls" for entry in kafka.listeners):
        yield Problem("tls.internal", "is off while a listener asks for client certificates", "leave tls.internal on")


def _check_declared_topic(kafka: KafkaSpec, topic: TopicSpec) -> Iterator[Problem]:
    if topic.name.startswith("__"):
        yield Problem("name", f"{topic.name} is one of Kafka's internal topics", "choose a name that does not begin with __")
    if topic.tiered and kafka.tiered is None:
        yield Problem("tiered", "the cluster has no tiered storage", "set kafka.tiered, or leave this out")
    if topic.tiered and topic.cleanup != "delete":
        yield Problem(
            "tiered", f"Kafka refuses tiered storage with cleanup {topic.cleanup}", "set cleanup: delete, or tiered: false"
        )
    for key in topic.config:
        if key in OWNED_TOPIC_KEYS:
            yield Problem(
                f"config.{key}", f"is set by {OWNED_TOPIC_KEYS[key]}", f"leave it out here and set {OWNED_TOPIC_KEYS[key]}"
            )


def check_state(kafka: KafkaSpec, state: KafkaState, pattern: str | None) -> Iterator[Problem]:
    """Problems of everything declared and derived together; paths are those of the spec parts it came from."""
    for topic in state.topics:
        yield from _check_topic(kafka, topic, pattern)
    yield from _collisions(state.topics, lambda t: t.name, "is the same")
    yield from _collisions(
        _first_of_each(state.topics), lambda t: metric_name(t.name), "collides in Kafka's metrics, where '.' and '_' are one,"
    )
    yield from _collisions(_first_of_each(state.topics), lambda t: t.resource_name, "gets the same Kubernetes name")
    for name, places in duplicates([user.name for user in state.users]).items():
        origins = [state.users[place].origin for place in places]
        yield Problem(origins[-1], f"user {name} is already made by {origins[0]}", "rename one of them")
    for user in state.users:
        if len(user.name) > _USER_LENGTH:
            yield Problem(
                user.origin,
                f"its user would be called {user.name}, longer than {_USER_LENGTH}",
                "shorten the tenant's or the pipeline's name",
            )


def _check_topic(kafka: KafkaSpec, topic: Topic, pattern: str | None) -> Iterator[Problem]:
    if not _TOPIC.match(topic.name) or topic.name in {".", ".."}:
        yield Problem(
            topic.origin,
            f"{topic.name!r} is not a topic name Kafka accepts",
            "use letters, digits, '.', '_' and '-', at most 249; see naming.topic",
        )
    if len(topic.resource_name) > _DNS_SUBDOMAIN_LENGTH:
        yield Problem(
            topic.origin,
            f"the Kubernetes name of {topic.name} is longer than {_DNS_SUBDOMAIN_LENGTH}",
            "set a shorter name or resourceName",
        )
    if pattern is not None and not re.search(pattern, topic.name):
        yield Problem(topic.origin, f"{topic.name} does not match naming.pattern {pattern}", "rename it, or widen the pattern")
    min_isr = int(topic.config["min.insync.replicas"])
    yield from (
        Problem(f"{topic.origin}.{problem.path.removeprefix('.')}", problem.message, problem.remedy)
        for problem in _check_replication("", topic.replicas, min_isr, kafka.brokers.replicas)
        if (topic.replicas, min_isr) != (kafka.default_replicas, kafka.default_min_in_sync_replicas)
    )


def _first_of_each(topics: Iterable[Topic]) -> list[Topic]:
    return list({topic.name: topic for topic in reversed(list(topics))}.values())[::-1]


def _collisions(topics: Iterable[Topic], key: Callable[[Topic], str], what: str) -> Iterator[Problem]:
    first: dict[str, Topic] = {}
    for topic in topics:
        other = first.setdefault(key(topic), topic)
        if other is not topic:
            yield Problem(
                topic.origin,
                f"topic {topic.name} {what} as {other.name} of {other.origin}",
                "rename one, or set resourceName for a declared topic",
            )
