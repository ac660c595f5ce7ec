"""Makes changes to a cluster, many in one request. Each may be made again: what is so already is left."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin._acl import AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from confluent_kafka.cimpl import NewPartitions, NewTopic

from components.core.secrets import read_lines
from components.kafka.clients import password_file
from components.kafka.logins import FIRST, login_name, passwords
from operations.live import requests
from operations.live.acls import acl_binding
from operations.live.changes import (
    AddPartitions,
    Configure,
    CreateTopic,
    Delete,
    DropPassword,
    Grant,
    Planned,
    Revoke,
    SetPassword,
    SetQuota,
)
from operations.live.kafka import ANSWER_SECONDS, UnreachableError
from operations.live.kafka_admin import KafkaAdmin
from operations.live.observed import Acl
from operations.live.reach import read_secret
from operations.live.rights import needed

ITERATIONS = 8192
"""Of a new SCRAM password."""

_LOGINS = "write it with cdc secrets pull, and name its folder kafka-users with --secrets"
_PATIENCE_SECONDS, _PAUSE_SECONDS = 60, 0.25
_PASSING = frozenset(
    {
        KafkaError._DESTROY_BROKER,
        KafkaError._TRANSPORT,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError.NOT_CONTROLLER,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.THROTTLING_QUOTA_EXCEEDED,
    }
)
"""A controller that changes, a broker that goes, a quota of mutations: gone a moment later."""

_REFUSED = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED})
_RIGHTS: Mapping[type, tuple[str, str]] = {
    CreateTopic: ("Create", "topic {name}"),
    Configure: ("AlterConfigs", "topic {name}"),
    AddPartitions: ("Alter", "topic {name}"),
    Delete: ("Delete", "topic {name}"),
    Grant: ("Alter", "the cluster"),
    Revoke: ("Alter", "the cluster"),
    SetPassword: ("Alter", "the cluster"),
    DropPassword: ("Alter", "the cluster"),
    SetQuota: ("AlterConfigs", "the cluster"),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A change that was not made, and why."""

    planned: Planned
    why: str
    remedy: str


@dataclass
class Outcome:
    """What became of some changes. ``found`` are topics that were there when they were to be made."""

    made: list[Planned] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    found: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Part:
    """One item of a request. ``key`` is what its answer goes by."""

    planned: Planned
    payload: Any
    key: Any


class Maker:
    """Makes the changes of one cluster. ``secrets`` is a folder of ``<user>.password`` files, and of logins."""

    def __init__(self, admin: KafkaAdmin, secrets: Path | None) -> None:
        self._admin, self._client, self._secrets = admin, admin.client, secrets

    def make(self, batch: Sequence[Planned]) -> Outcome:
        """Changes of one type, at the same time."""
        kind = type(batch[0].change)
        if kind is SetQuota:
            return self._quotas(batch)
        parts = [part for planned in batch for part in self._parts(planned)]
        return self._settle(batch, parts, self._sender(kind))

    def password(self, user: str, mechanism: str) -> bytes:
        """What a user is to log in with, by this mechanism. A login has that of the one that is in use, and that of the other,
        which is the next one: so nothing here undoes a rotation, or gets before one."""
        if self._secrets is None:
            raise UnreachableError(f"user {user} has no password yet\n      → name the folder of its file with --secrets")
        file = self._secrets / login_name(user)
        if file.exists():
            found = passwords(read_lines(read_secret(file, "--secrets"))).get(mechanism, "")
        elif mechanism == FIRST:
            file = self._secrets / password_file(user)
            found = read_secret(file, "--secrets")
        else:
            raise UnreachableError(f"{file}: is missing: user {user} has a login that is rotated\n      → {_LOGINS}")
        if not found:
            raise UnreachableError(f"{file}: has no password for {mechanism}\n      → write it there")
        return found.encode()

    def _sender(self, kind: type) -> Callable[[list[Any]], Mapping[Any, "Future[Any]"]]:
        client, seconds = self._client, ANSWER_SECONDS
        senders: Mapping[type, Callable[[list[Any]], Mapping[Any, Future[Any]]]] = {
            CreateTopic: lambda new: client.create_topics(new, operation_timeout=seconds, request_timeout=seconds + 5),
            Configure: lambda new: client.incremental_alter_configs(new, request_timeout=seconds),
            AddPartitions: lambda new: client.create_partitions(new, operation_timeout=seconds, request_timeout=seconds + 5),
            Grant: lambda new: client.create_acls(new, request_timeout=seconds),
            Revoke: lambda old: client.delete_acls(old, request_timeout=seconds),
            SetPassword: lambda new: client.alter_user_scram_credentials(new, request_timeout=seconds),
            DropPassword: lambda old: client.alter_user_scram_credentials(old, request_timeout=seconds),
            Delete: lambda old: client.delete_topics(old, operation_timeout=seconds, request_timeout=seconds + 5),
        }
        return senders[kind]

    def _parts(self, planned: Planned) -> Iterator[_Part]:
        match planned.change:
            case CreateTopic(name, partitions, replicas, config):
                yield _Part(planned, NewTopic(name, partitions, replicas, config=dict(config)), name)
            case Configure(name, settings):
                resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=list(_entries(settings)))
                yield _Part(planned, resource, resource)
            case AddPartitions(name, _, after):
                yield _Part(planned, NewPartitions(name, after), name)
            case Delete(thing):
                yield _Part(planned, thing.name, thing.name)
            case Grant(_, acls):
                yield from (_Part(planned, binding, binding) for binding in map(_binding, acls))
            case Revoke(_, acls):
                yield from (_Part(planned, exact, exact) for exact in map(_filter, acls))
            case SetPassword(user, mechanism):
                info = ScramCredentialInfo(_mechanism(mechanism), ITERATIONS)
                yield _Part(planned, UserScramCredentialUpsertion(user, info, self.password(user, mechanism)), user)
            case DropPassword(user, mechanism):
                yield _Part(planned, UserScramCredentialDeletion(user, _mechanism(mechanism)), user)

    def _settle(
        self, batch: Sequence[Planned], waiting: list[_Part], send: Callable[[list[Any]], Mapping[Any, "Future[Any]"]]
    ) -> Outcome:
        """Send until each is made or refused; what passes is waited for."""
        outcome, deadline, first = Outcome(), time.monotonic() + _PATIENCE_SECONDS, True
        failed: dict[int, Failure] = {}
        while waiting:
            again = []
            for part, error in self._answers(waiting, send):
                if error is None or _is_made(part.planned, error, first):
                    if error is not None and error.code() == KafkaError.TOPIC_ALREADY_EXISTS and first:
                        outcome.found.add(part.planned.object.name)
                elif error.code() in _PASSING and time.monotonic() < deadline:
                    again.append(part)
                else:
                    failed[id(part.planned)] = self._failure(part.planned, error)
            waiting, first = again, False
            if waiting:
                time.sleep(_PAUSE_SECONDS)
        outcome.failed = list(failed.values())
        outcome.made = [planned for planned in batch if id(planned) not in failed]
        return outcome

    def _answers(
        self, parts: list[_Part], send: Callable[[list[Any]], Mapping[Any, "Future[Any]"]]
    ) -> Iterator[tuple[_Part, KafkaError | None]]:
        """One user's passwords go one at a time: an answer goes by the user's name."""
        for turn in _turns(parts):
            futures = send([part.payload for part in turn])
            for part in turn:
                try:
                    futures[part.key].result()
                except KafkaException as error:
                    yield part, error.args[0]
                else:
                    yield part, None

    def _quotas(self, batch: Sequence[Planned]) -> Outcome:
        """Each by itself, over one connection, so that it is known which one is refused."""
        outcome = Outcome()
        try:
            with requests.connect(self._admin.settings) as connection:
                for planned in batch:
                    change = planned.change
                    assert isinstance(change, SetQuota)
                    gone: dict[str, float | None] = dict.fromkeys(set(change.before) - set(change.after))
                    requests.set_quotas(connection, [requests.QuotaChange(change.entity, {**gone, **change.after})])
                    outcome.made.append(planned)
        except UnreachableError as error:
            planned = batch[len(outcome.made)]
            text = str(error)
            if isinstance(error, requests.AnswerError) and error.forbidden:
                text = needed(self._admin.settings, *_RIGHTS[SetQuota])
            why, _, remedy = text.partition("\n      → ")
            outcome.failed.append(Failure(planned, why, remedy))
        return outcome

    def _failure(self, planned: Planned, error: KafkaError) -> Failure:
        if error.code() in _REFUSED:
            operation, resource = _RIGHTS[type(planned.change)]
            text = needed(self._admin.settings, operation, resource.format(name=planned.object.name))
            why, _, remedy = text.partition("\n      → ")
            return Failure(planned, why, remedy)
        where = f"see {planned.origin} in the spec" if planned.origin else "look into the controller's log"
        return Failure(planned, error.str(), where)


def _is_made(planned: Planned, error: KafkaError, first: bool) -> bool:
    """Whether a refusal only says that it is so already. A second attempt meets what the first one has made."""
    code, change = error.code(), planned.change
    if isinstance(change, CreateTopic):
        return bool(code == KafkaError.TOPIC_ALREADY_EXISTS)
    if isinstance(change, Delete):
        return bool(code == KafkaError.UNKNOWN_TOPIC_OR_PART)
    if isinstance(change, DropPassword):
        return bool(code == KafkaError.RESOURCE_NOT_FOUND)
    return isinstance(change, AddPartitions) and bool(code == KafkaError.INVALID_PARTITIONS) and not first


def _turns(parts: Iterable[_Part]) -> list[list[_Part]]:
    """Parts in groups in which no key comes twice."""
    turns: list[list[_Part]] = []
    seen: dict[Any, int] = {}
    for part in parts:
        number = seen.get(part.key, -1) + 1
        seen[part.key] = number
        if number == len(turns):
            turns.append([])
        turns[number].append(part)
    return turns


def _entries(settings: Mapping[str, tuple[str | None, str | None]]) -> Iterator[ConfigEntry]:
    for key, (_, value) in settings.items():
        operation = AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
        yield ConfigEntry(key, value, incremental_operation=operation)


def _binding(acl: Acl) -> Any:
    return acl_binding({name: getattr(acl, name) for name in acl.__slots__})


def _filter(acl: Acl) -> AclBindingFilter:
    return AclBindingFilter(
        ResourceType[acl.resource],
        acl.name,
        ResourcePatternType[acl.pattern],
        acl.principal,
        acl.host,
        AclOperation[acl.operation],
        AclPermissionType[acl.permission],
    )


def _mechanism(name: str) -> ScramMechanism:
    return ScramMechanism[name.replace("-", "_")]
