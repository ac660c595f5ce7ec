"""What is wrong with a Kafka spec, and with the state derived from it, beyond its single fields. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches

from pydantic.alias_generators import to_camel

from components.core.errors import Problem, shown
from components.core.model import Scalar, duplicates
from components.core.names import metric_name
from components.core.paths import format_step
from components.kafka.settings import OTHER_TOPIC_KEYS, OWNED_TOPIC_KEYS, Kind, owner_of_broker_key
from components.kafka.spec import KafkaSpec
from components.kafka.state import KafkaState, Topic
from components.kafka.topic_spec import TopicSpec

_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_NAMED_BY_USERS = ("kafka.topics", "pipelines")
"""Where topics come from whose names follow the user's convention; a program's own topics have the names it gives them."""

_DNS_SUBDOMAIN_LENGTH = 253
_USER_LENGTH = 63
_CLUSTER_LENGTH = 63 - len("-kafka-") - 11 - len("-bootstrap")
_LAST_PORT = 65535
_KINDS: Mapping[Kind, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def check_kafka(kafka: KafkaSpec, target: str) -> Iterator[Problem]:
    """Problems of the cluster itself; paths are relative to ``kafka``."""
    if kafka.brokers.replicas < 1:
        yield Problem("brokers.replicas", "a cluster needs at least one broker", "write 3, or 1 for development")
    yield from _check_replication(
        ("topicDefaults.replicas", "topicDefaults.minInSyncReplicas"),
        (kafka.default_replicas, kafka.default_min_in_sync_replicas),
        kafka.brokers.replicas,
    )
    yield from _check_listeners(kafka, target)
    yield from _check_target(kafka, target)
    yield from _check_names(kafka)
    rate = kafka.quotas.connection_rate
    if rate is not None and not rate.is_integer():
        yield Problem("quotas.connectionRate", "Kafka counts whole connections per second", "write a whole number, such as 1/s")
    for key in kafka.config:
        owner = owner_of_broker_key(key)
        if owner is not None:
            yield Problem(
                f"config{format_step(key)}",
                f"is set by {owner}",
                "leave it out here" + ("" if owner == "the platform" else f" and set {owner}"),
            )
    for index, topic in enumerate(kafka.topics):
        yield from (problem.under(f"topics[{index}]") for problem in _check_declared_topic(kafka, topic))


def _check_names(kafka: KafkaSpec) -> Iterator[Problem]:
    """The operator makes Services of the cluster's name, whose names are DNS labels that begin with a letter (RFC 1035);
    the longest is ``<name>-kafka-<listener>-bootstrap``."""
    if len(kafka.name) > _CLUSTER_LENGTH or not kafka.name[0].isalpha():
        yield Problem(
            "name",
            f"{kafka.name} cannot begin the names of its nodes and Services",
            f"write at most {_CLUSTER_LENGTH} characters, a letter first",
        )
    if _release(kafka.metadata_version) > _release(kafka.version):
        yield Problem(
            "metadataVersion",
            f"{kafka.metadata_version} is newer than Kafka {kafka.version}, which cannot read it",
            "write one that is not newer than version",
        )
    names = [user.name for user in kafka.users]
    for index, name in enumerate(kafka.authorization.super_users):
        if name not in names:
            yield Problem(
                f"authorization.superUsers[{index}]",
                f"{name} is not declared in kafka.users",
                f"declare it, or use one of: {', '.join(names) or 'none declared'}",
            )


def _release(version: str) -> tuple[int, int]:
    """``4.3.1`` and ``4.3-IV0`` → ``(4, 3)``."""
    major, minor = version.partition("-")[0].split(".")[:2]
    return int(major), int(minor)


def _check_replication(paths: tuple[str, str], figures: tuple[int, int], brokers: int) -> Iterator[Problem]:
    """Of replicas and of replicas in sync: where each is said, and how many there are."""
    replicas, min_isr = figures
    if replicas > brokers >= 1:
        yield Problem(
            paths[0],
            f"{replicas} replicas need as many brokers, and there are {brokers}",
            f"write at most {brokers}, or add brokers",
        )
    if min_isr > replicas or (min_isr == replicas and replicas > 1):
        yield Problem(
            paths[1],
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
    yield from _check_published_ports(kafka)
    wrong = {"kubernetes": {"host"}, "docker": {"loadbalancer", "nodeport"}}[target]
    for index, entry in enumerate(listeners):
        if entry.type in wrong:
            yield Problem(
                f"listeners[{index}].type",
                f"{entry.type} does not exist on the {target} target",
                "use internal" + (" or host" if target == "docker" else ", loadbalancer or nodeport"),
            )


def _check_published_ports(kafka: KafkaSpec) -> Iterator[Problem]:
    """Each broker publishes a ``host`` listener on the listener's port plus its own id."""
    taken: dict[int, int] = {}
    for index, entry in enumerate(kafka.listeners):
        if entry.type != "host":
            continue
        ports = range(entry.port, entry.port + kafka.brokers.replicas)
        if ports and ports[-1] > _LAST_PORT:
            yield Problem(
                f"listeners[{index}].port", f"broker {len(ports) - 1} would be on port {ports[-1]}", "write a lower one"
            )
        other = next((taken[port] for port in ports if port in taken), None)
        if other is not None:
            yield Problem(
                f"listeners[{index}].port",
                f"some broker's port is one of listeners[{other}] too: each adds its id",
                f"keep host listeners {kafka.brokers.replicas} apart",
            )
        taken.update(dict.fromkeys(ports, index))


def _check_target(kafka: KafkaSpec, target: str) -> Iterator[Problem]:
    if target == "docker" and kafka.cruise_control is not None:
        yield Problem("cruiseControl", "runs on Kubernetes only", "leave it out for the docker target")
    if target == "kubernetes" and not kafka.tls.internal:
        yield Problem("tls.internal", "Strimzi always encrypts between brokers", "leave it out for the kubernetes target")
    if target == "kubernetes" and kafka.tiered is not None and kafka.tiered.store == "local":
        yield Problem("tiered.store", "a local store is a folder of one machine", "use s3 on the kubernetes target")
    if target == "docker" and kafka.tls.internal is False and any(entry.authentication == "tls" for entry in kafka.listeners):
        yield Problem("tls.internal", "is off while a listener asks for client certificates", "leave tls.internal on")
    if target == "docker" and not kafka.tls.internal and kafka.authorization.type == "simple":
        yield Problem(
            "tls.internal",
            "is off, so that brokers would be strangers to each other's authorization",
            "leave tls.internal on, or set authorization: {type: none}",
        )


def _check_declared_topic(kafka: KafkaSpec, topic: TopicSpec) -> Iterator[Problem]:
    if topic.name.startswith("__"):
        yield Problem("name", f"{topic.name} is one of Kafka's internal topics", "choose a name that does not begin with __")
    if topic.tiered and kafka.tiered is None:
        yield Problem("tiered", "the cluster has no tiered storage", "set kafka.tiered, or leave this out")
    if topic.tiered and topic.cleanup != "delete":
        yield Problem(
            "tiered", f"Kafka refuses tiered storage with cleanup {topic.cleanup}", "set cleanup: delete, or tiered: false"
        )
    for key, value in topic.config.items():
        yield from (problem.under(f"config{format_step(key)}") for problem in _check_topic_setting(key, value))


def _check_topic_setting(key: str, value: Scalar) -> Iterator[Problem]:
    if key in OWNED_TOPIC_KEYS:
        yield Problem("", f"is set by {OWNED_TOPIC_KEYS[key]}", f"leave it out here and set {OWNED_TOPIC_KEYS[key]}")
    elif key not in OTHER_TOPIC_KEYS:
        near = get_close_matches(key, [*OTHER_TOPIC_KEYS, *OWNED_TOPIC_KEYS], n=1)
        yield Problem("", "is no topic configuration of Kafka's", f"did you mean {near[0]}?" if near else "leave it out")
    else:
        kind = OTHER_TOPIC_KEYS[key]
        if not (type(value) is kind or (kind is float and type(value) is int)):
            yield Problem("", f"is not {_KINDS[kind]}", f"write {_KINDS[kind]}")


def check_state(kafka: KafkaSpec, state: KafkaState, pattern: str | None) -> Iterator[Problem]:
    """Problems of everything declared and derived together; paths are those of the spec parts it came from."""
    for topic in state.topics:
        yield from _check_topic(kafka, topic, pattern)
    yield from _collisions(state.topics, lambda t: t.name, "the name")
    yield from _collisions(
        _first_of_each(state.topics), lambda t: metric_name(t.name), "the name in Kafka's metrics, where '.' and '_' are one,"
    )
    yield from _collisions(_first_of_each(state.topics), lambda t: t.resource_name, "the Kubernetes name")
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
    if not _TOPIC.fullmatch(topic.name) or topic.name in {".", ".."}:
        yield Problem(
            topic.said_at.get("name", topic.origin),
            f"{shown(topic.name)} is not a topic name Kafka accepts",
            "use letters, digits, '.', '_' and '-', at most 249; see naming.topic",
        )
    if len(topic.resource_name) > _DNS_SUBDOMAIN_LENGTH:
        yield Problem(
            topic.said_at.get("name", topic.origin),
            f"the Kubernetes name of {topic.name} is longer than {_DNS_SUBDOMAIN_LENGTH}",
            "set a shorter name or resourceName",
        )
    if pattern is not None and topic.origin.startswith(_NAMED_BY_USERS) and not re.search(pattern, topic.name):
        yield Problem(
            topic.said_at.get("name", topic.origin),
            f"{topic.name} does not match naming.pattern {pattern}",
            "rename it, or widen the pattern",
        )
    figures = (topic.replicas, int(topic.config["min.insync.replicas"]))
    if figures != (kafka.default_replicas, kafka.default_min_in_sync_replicas):
        paths = [
            topic.said_at.get(field, f"{topic.origin}.{to_camel(field)}") for field in ("replicas", "min_in_sync_replicas")
        ]
        yield from _check_replication((paths[0], paths[1]), figures, kafka.brokers.replicas)


def _first_of_each(topics: Iterable[Topic]) -> list[Topic]:
    return list({topic.name: topic for topic in reversed(list(topics))}.values())[::-1]


def _collisions(topics: Iterable[Topic], key: Callable[[Topic], str], what: str) -> Iterator[Problem]:
    first: dict[str, Topic] = {}
    for topic in topics:
        other = first.setdefault(key(topic), topic)
        if other is not topic:
            yield Problem(
                topic.said_at.get("name", topic.origin),
                f"topic {topic.name} has {what} of {other.name}, which comes from {other.origin}",
                "rename one, or set resourceName for a declared topic",
            )
