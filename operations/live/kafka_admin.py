"""What a Kafka cluster holds besides its records, and changing that, through the client's admin interface.

librdkafka has no call for quotas, and Kafka gives no hash of a SCRAM password to anybody.
"""

import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.cimpl import NewTopic

from operations.live.acls import acl_binding, acl_record
from operations.live.kafka import ANSWER_SECONDS, Partition, Settings, UnreachableError
from operations.live.observed import Broker
from operations.live.rights import needed

Answer = TypeVar("Answer")
_AT_ONCE, _REQUESTS_AT_ONCE = 200, 3
_EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
QUIET = logging.getLogger("cdc.librdkafka")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False


_REFUSED = {
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}


class RefusedError(UnreachableError):
    """The user may not."""


@dataclass(frozen=True, slots=True)
class ClusterSeen:
    """What one answer tells: ``topics`` are librdkafka's own, by name; ``operations`` what this user may on the cluster, none
    where it may not even Describe it."""

    id: str
    controller: int
    brokers: tuple[Broker, ...]
    topics: Mapping[str, Any]
    operations: frozenset[str]


class KafkaAdmin:
    """Every method raises :class:`UnreachableError` with what to do."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name, self._address, self.settings = name, settings["bootstrap.servers"], settings
        try:
            self._admin = AdminClient(dict(settings), logger=QUIET)
        except KafkaException as error:
            raise UnreachableError(f"{name}: {error.args[0].str()}\n      → mend the client's settings") from None

    @property
    def client(self) -> AdminClient:
        """librdkafka's own."""
        return self._admin

    def cluster_id(self) -> str:
        """Kafka's own id of the cluster."""
        return str(self._ask(lambda: self._admin.list_topics(timeout=ANSWER_SECONDS)).cluster_id)

    def brokers(self) -> int:
        """How many there are."""
        return len(self._ask(lambda: self._admin.list_topics(timeout=ANSWER_SECONDS)).brokers)

    def cluster(self) -> ClusterSeen:
        """Brokers with their racks, and every topic that this user may see, Kafka's internal ones too."""
        found = self._ask(lambda: self._admin.list_topics(timeout=ANSWER_SECONDS))
        ask = partial(self._admin.describe_cluster, include_authorized_operations=True, request_timeout=ANSWER_SECONDS)
        described = self._ask(lambda: ask().result())
        may = frozenset(AclOperation(operation).name for operation in described.authorized_operations or ())
        brokers = (Broker(node.id, node.host, node.port, node.rack) for node in described.nodes)
        in_order = tuple(sorted(brokers, key=lambda broker: broker.id))
        return ClusterSeen(str(found.cluster_id), found.controller_id, in_order, found.topics, may)

    def topics(self) -> dict[str, dict[str, Any]]:
        """All but Kafka's internal ones: partitions, replicas and what their configuration says for itself."""
        found = self._ask(lambda: self._admin.list_topics(timeout=ANSWER_SECONDS)).topics
        names = (name for name, topic in found.items() if topic.error is None and not name.startswith("__"))
        described: dict[str, dict[str, Any]] = {}
        for name, config in self.topic_configs(names)[0].items():
            partitions = found[name].partitions.values()
            replicas = min((len(each.replicas) for each in partitions), default=1)
            described[name] = {"partitions": len(partitions), "replicas": replicas, "config": config}
        return dict(sorted(described.items()))

    def topic_configs(self, names: Iterable[str]) -> tuple[dict[str, dict[str, str]], dict[str, str | None]]:
        """What each topic says for itself, and what one has that says nothing. Several requests are on their way at a time;
        few, for each answer has every key of each topic."""
        names = sorted(names)
        parts = [names[begin : begin + _AT_ONCE] for begin in range(0, len(names), _AT_ONCE)]
        own: dict[str, dict[str, str]] = {}
        inherited: dict[str, str | None] = {}
        on_their_way: deque[Mapping[Any, Future[Any]]] = deque()
        while parts or on_their_way:
            while parts and len(on_their_way) < _REQUESTS_AT_ONCE:
                on_their_way.append(self._describe(parts.pop(0)))
            for resource, future in on_their_way.popleft().items():
                own[resource.name] = dict(_split(self._described(resource, future), inherited))
        return own, inherited

    def _describe(self, topics: Iterable[str]) -> Mapping[Any, "Future[Any]"]:
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
        return self._admin.describe_configs(resources, request_timeout=ANSWER_SECONDS)

    def _described(self, resource: ConfigResource, future: "Future[Any]") -> Mapping[str, ConfigEntry]:
        try:
            found: Mapping[str, ConfigEntry] = future.result()
        except KafkaException as error:
            if error.args[0].code() == KafkaError._DESTROY_BROKER:
                [found] = self._all(self._describe, [resource.name]).values()
                return found
            if error.args[0].code() in _REFUSED:
                raise RefusedError(needed(self.settings, "DescribeConfigs", f"topic {resource.name}")) from None
            raise self._failed(error.args[0], f"configuration of topic {resource.name}: ") from None
        return found

    def begins(self, places: Collection[Partition]) -> dict[Partition, int]:
        """The first offset of each."""
        return self._offsets(places, _EARLIEST)

    def ends(self, places: Collection[Partition]) -> dict[Partition, int]:
        """The offset behind the last record that a reader of committed ones gets."""
        return self._offsets(places, _LATEST)

    def _offsets(self, places: Collection[Partition], spec: OffsetSpec) -> dict[Partition, int]:
        if not places:
            return {}
        asked = {TopicPartition(*place): spec for place in places}
        level = IsolationLevel.READ_COMMITTED
        request = partial(self._admin.list_offsets, isolation_level=level, request_timeout=ANSWER_SECONDS)
        answers = self._all(request, asked)
        return {(place.topic, place.partition): answer.offset for place, answer in answers.items()}

    def groups(self) -> dict[str, dict[Partition, int]]:
        """Where every consumer group stands; those that stand nowhere, or that this user may not see, are left out."""
        found = {group: self.committed(group, hidden={}) for group in self.group_names()}
        return {group: offsets for group, offsets in sorted(found.items()) if offsets}

    def group_names(self) -> list[str]:
        """Every consumer group."""
        listing = self._ask(lambda: self._admin.list_consumer_groups(request_timeout=ANSWER_SECONDS).result())
        return sorted(group.group_id for group in listing.valid)

    def committed(self, group: str, hidden: dict[Partition, int] | None = None) -> dict[Partition, int]:
        """Where one group stands; ``hidden`` of one that this user may not see, if that is no error."""
        asked = [ConsumerGroupTopicPartitions(group)]
        try:
            [answer] = self._ask(lambda: [f.result() for f in self._admin.list_consumer_group_offsets(asked).values()])
        except RefusedError:
            if hidden is None:
                raise
            return hidden
        places = answer.topic_partitions or []
        return {(place.topic, place.partition): place.offset for place in places if place.offset >= 0}

    def commit(self, group: str, offsets: Mapping[Partition, int]) -> None:
        """Put a group without members at these offsets."""
        places = [TopicPartition(*place, offset) for place, offset in sorted(offsets.items())]
        asked = [ConsumerGroupTopicPartitions(group, places)]
        [answer] = self._all(self._admin.alter_consumer_group_offsets, asked).values()
        for place in answer.topic_partitions or []:
            if place.error is not None:
                raise self._failed(place.error)

    def _demand_describe(self) -> None:
        """Raises :class:`RefusedError` for who may not Describe the cluster: asked by such a one, librdkafka 2.16 tells of no
        ACL at all, and ends the process at SCRAM users."""
        if "DESCRIBE" not in self.cluster().operations:
            raise RefusedError(needed(self.settings, "Describe", "the cluster"))

    def acls(self) -> list[dict[str, str]] | None:
        """Every binding; ``None`` where the brokers judge nobody."""
        self._demand_describe()
        any_name: Any = None
        everything = AclBindingFilter(
            ResourceType.ANY, any_name, ResourcePatternType.ANY, any_name, any_name, AclOperation.ANY, AclPermissionType.ANY
        )
        try:
            bindings = self._ask(lambda: self._admin.describe_acls(everything)).result()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.SECURITY_DISABLED:
                return None
            raise self._failed(error.args[0]) from None
        return sorted((acl_record(binding) for binding in bindings), key=lambda record: tuple(record.values()))

    def create_acls(self, records: Iterable[Mapping[str, str]]) -> None:
        """Those that are there already stay as they are."""
        bindings = [acl_binding(record) for record in records]
        if bindings:
            self._all(self._admin.create_acls, bindings)

    def scram_users(self) -> dict[str, list[dict[str, Any]]]:
        """Names with mechanisms and iterations. Kafka tells nothing else of a password."""
        self._demand_describe()
        everybody: Any = self._admin.describe_user_scram_credentials
        users = self._ask(lambda: everybody().result())
        return {
            name: [{"mechanism": one.mechanism.name, "iterations": one.iterations} for one in user.scram_credential_infos]
            for name, user in sorted(users.items())
        }

    def give_password(self, change: Any) -> None:
        """Set a SCRAM password."""
        self._all(self._admin.alter_user_scram_credentials, [change])

    def create_topic(self, name: str, partitions: int, replicas: int, config: Mapping[str, str]) -> None:
        """Make one, and wait until every broker that may be asked knows it."""
        topic = NewTopic(name, num_partitions=partitions, replication_factor=replicas, config=dict(config))
        make = partial(self._admin.create_topics, [topic], operation_timeout=ANSWER_SECONDS)
        self._change(make, KafkaError.TOPIC_ALREADY_EXISTS, f"topic {name}: ")

    def delete_topic(self, name: str) -> None:
        """Take one away."""
        self._change(partial(self._admin.delete_topics, [name]), KafkaError.UNKNOWN_TOPIC_OR_PART, f"topic {name}: ")

    def configure(self, topic: str, config: Mapping[str, str | None]) -> None:
        """Set keys of a topic's configuration; ``None`` leaves one to the cluster's default."""
        entries = [
            ConfigEntry(
                key,
                value,
                incremental_operation=AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET,
            )
            for key, value in sorted(config.items())
        ]
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        self._all(self._admin.incremental_alter_configs, [resource])

    def _all(self, request: Callable[[Any], Mapping[Any, "Future[Any]"]], asked: Any) -> dict[Any, Any]:
        """The answers to all parts of one request."""
        return self._ask(lambda: {part: future.result() for part, future in request(asked).items()})

    def _change(self, request: Callable[[], Mapping[Any, "Future[Any]"]], done_already: int, what: str) -> None:
        """One change, which may be there already: by somebody else, or by a request of ours that was given up."""

        def change() -> None:
            [answer] = request().values()
            try:
                answer.result()
            except KafkaException as error:
                if error.args[0].code() != done_already:
                    raise

        self._ask(change, what)

    def _ask(self, question: Callable[[], Answer], what: str = "") -> Answer:
        """librdkafka gives up what is on its way to a bootstrap server at the moment when it lets go of that one for a broker
        it has learned of. Such a request is made again: it may have been done all the same."""
        while True:
            try:
                return question()
            except KafkaException as error:
                if error.args[0].code() != KafkaError._DESTROY_BROKER:
                    raise self._failed(error.args[0], what) from None

    def _failed(self, error: KafkaError, what: str = "") -> UnreachableError:
        kind = RefusedError if error.code() in _REFUSED else UnreachableError
        return kind(
            f"{self.name} ({self._address}): {what}{error.str()}\n      → look at its brokers, its address and its user"
        )


def _split(entries: Mapping[str, ConfigEntry], inherited: dict[str, str | None]) -> Iterator[tuple[str, str]]:
    """A topic's own settings; all others go to ``inherited``, and so do those that an own one hides, where that is told."""
    for name, entry in entries.items():
        if _is_own(entry):
            yield name, entry.value or ""
            if name not in inherited and (hidden := _hidden(entry)) is not None:
                inherited[name] = hidden.value
        elif name not in inherited:
            inherited[name] = entry.value


def _hidden(entry: ConfigEntry) -> ConfigEntry | None:
    """What is in force when a topic takes its own setting back: the first behind it."""
    return next((other for other in entry.synonyms.values() if not _is_own(other)), None)


def _is_own(entry: ConfigEntry) -> bool:
    source: object = entry.source  # a number in answers, whatever the type says
    return source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
