"""A model of a live system: what each change does to it, as Kafka would do it."""

from collections.abc import Iterable
from dataclasses import replace

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
from operations.live.observed import Acl, Credential, Observed, ObservedKafka, ObservedTopic

ITERATIONS = 8192


class ModelRefusal(AssertionError):
    """The real system would have refused the change."""


def changed(seen: Observed, plan: Iterable[Planned]) -> Observed:
    """``seen`` once all of ``plan`` was made. :class:`ModelRefusal` for what Kafka never does."""
    for planned in plan:
        seen = replace(seen, kafka=_changed(seen.kafka, planned))
    return seen


def _changed(kafka: ObservedKafka, planned: Planned) -> ObservedKafka:
    if planned.object.kind == "topic":
        return replace(kafka, topics=_topics(kafka, planned))
    return _users(kafka, planned)


def _topics(kafka: ObservedKafka, planned: Planned) -> dict[str, ObservedTopic]:
    topics = dict(kafka.topics)
    match planned.change:
        case CreateTopic(name, partitions, replicas, config):
            _demand(name not in topics, f"{name} is there")
            brokers = [broker.id for broker in kafka.brokers]
            _demand(replicas <= len(brokers), "too few brokers")
            topics[name] = ObservedTopic(name, tuple(tuple(brokers[:replicas]) for _ in range(partitions)), dict(config))
        case Configure(name, settings):
            gone = {key for key, (_, value) in settings.items() if value is None}
            _demand(gone <= set(topics[name].config), "nothing to be taken back")
            new = {key: value for key, (_, value) in settings.items() if value is not None}
            kept = {key: value for key, value in topics[name].config.items() if key not in gone}
            topics[name] = replace(topics[name], config={**kept, **new})
        case AddPartitions(name, before, after):
            there = topics[name].assignment
            _demand(len(there) == before < after, "partitions never shrink")
            topics[name] = replace(topics[name], assignment=(*there, *((there[0],) * (after - before))))
        case Delete(thing):
            del topics[thing.name]
    return topics


def _users(kafka: ObservedKafka, planned: Planned) -> ObservedKafka:
    acls, quotas = set(kafka.acls or ()), dict(kafka.quotas or {})
    credentials = {name: set(entries) for name, entries in (kafka.credentials or {}).items()}
    match planned.change:
        case Grant(_, new):
            acls |= set(new)
        case Revoke(_, old):
            acls -= set(old)
        case SetQuota(entity, _, after):
            quotas[entity] = dict(after)
        case SetPassword(user, mechanism):
            credentials.setdefault(user, set()).add(Credential(mechanism, ITERATIONS))
        case DropPassword(user, mechanism):
            credentials[user] = {entry for entry in credentials[user] if entry.mechanism != mechanism}
    return replace(
        kafka,
        acls=frozenset(acls),
        credentials={name: tuple(sorted(entries)) for name, entries in credentials.items() if entries},
        quotas={entity: values for entity, values in quotas.items() if values},
    )


def _demand(holds: bool, what: str) -> None:
    if not holds:
        raise ModelRefusal(what)


def acls_of(kafka: ObservedKafka, principal: str) -> frozenset[Acl]:
    """One principal's bindings."""
    return frozenset(acl for acl in kafka.acls or () if acl.principal == principal)
