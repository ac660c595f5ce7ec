"""From what must be, what is, and whose it is, to an ordered list of changes. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from operations.connect.planning import Planned as PlannedConnector
from operations.live.changes import (
    AddPartitions,
    Change,
    ChangeConnector,
    Configure,
    CreateTopic,
    Delete,
    DropPassword,
    Grant,
    MoveReplicas,
    Object,
    Planned,
    RegisterSchema,
    Revoke,
    SetLevel,
    SetPassword,
    SetQuota,
)
from operations.live.desired import EVERYBODY, Desired, DesiredTopic, DesiredUser
from operations.live.normal import differing, same_figures
from operations.live.observed import Acl, Observed, ObservedTopic
from operations.live.ownership import Ownership
from operations.live.placement import is_internal, spread
from operations.schema_changes import Changes as SchemaChanges

DEFAULT_QUOTA = Object("quota", "(default)")


@dataclass(frozen=True, slots=True)
class Words:
    """What the user has said beside the spec: ``delete`` objects, each with its reason; ``remap`` topics whose keys may go to
    other partitions."""

    delete: Mapping[Object, str] = field(default_factory=dict)
    remap: frozenset[str] = frozenset()

    def plain(self) -> dict[str, object]:
        return {"delete": {str(thing): reason for thing, reason in self.delete.items()}, "remap": sorted(self.remap)}


@dataclass(frozen=True, slots=True)
class Judged:
    """What only the registry and Connect can tell: which schema is compatible, which connector differs. ``active`` is the
    colour that runs. ``halted`` are connectors that somebody has ``paused`` or ``stopped`` there."""

    schemas: SchemaChanges | None = None
    connectors: tuple[PlannedConnector, ...] | None = None
    active: str = ""
    halted: Mapping[str, str] = field(default_factory=dict)


def plan(wanted: Desired, seen: Observed, owned: Ownership, words: Words, judged: Judged) -> list[Planned]:
    """What leads from ``seen`` to ``wanted``, in the order in which it is done; empty when nothing does."""
    found = [
        *_topics(wanted, seen, owned, words),
        *_users(wanted, seen, owned),
        *_default_quota(wanted, seen),
        *_schemas(judged),
        *_connectors(wanted, judged),
        *_deletions(wanted, seen, owned, words, judged),
    ]
    return sorted(found, key=lambda planned: planned.order)


def named(wanted: Desired, judged: Judged) -> set[Object]:
    """Everything that the spec names: what is ours with or without a record. What is mirrored is MirrorMaker's."""
    found = {Object("topic", topic.name) for topic in wanted.topics.values() if not topic.mirrored}
    found |= {Object("user", name) for name in wanted.users}
    found.add(DEFAULT_QUOTA)
    found |= {Object("connector", name) for name in wanted.connectors}
    return found | {Object("subject", one.subject) for one in (judged.schemas.findings if judged.schemas else ())}


def _topics(wanted: Desired, seen: Observed, owned: Ownership, words: Words) -> Iterator[Planned]:
    for topic in wanted.topics.values():
        if topic.mirrored:
            continue
        there = seen.kafka.topics.get(topic.name)
        for change in _topic(topic, there, seen, owned):
            found = Planned(Object("topic", topic.name), change, topic.origin)
            yield _by_operator(_held(found, topic, words)) if wanted.operated else _held(found, topic, words)


def _topic(topic: DesiredTopic, there: ObservedTopic | None, seen: Observed, owned: Ownership) -> Iterator[Change]:
    if there is None:
        yield CreateTopic(topic.name, topic.partitions, topic.replicas, topic.config)
        return
    whole = owned.is_managed(Object("topic", topic.name))
    settings = differing(topic.config, there.config, seen.kafka.defaults, whole=whole)
    if settings:
        yield Configure(topic.name, settings)
    if topic.partitions != there.partitions:
        yield AddPartitions(topic.name, there.partitions, topic.partitions)
    if any(len(replicas) != topic.replicas for replicas in there.assignment):
        yield MoveReplicas(topic.name, there.assignment, spread(there.assignment, topic.replicas, seen.kafka.brokers))


def _held(found: Planned, topic: DesiredTopic, words: Words) -> Planned:
    """Partitions never shrink; keys go elsewhere only where that was said; replicas are moved by Kafka's own tool."""
    change, hold = found.change, ("", "", "")
    if isinstance(change, AddPartitions) and change.after < change.before:
        hold = (
            "refused",
            f"has {change.before} partitions, and Kafka takes none away",
            f"say partitions: {change.before} at {topic.origin}, or move to a new topic",
        )
    elif isinstance(change, AddPartitions) and topic.ordered is not False and topic.name not in words.remap:
        hold = (
            "refused",
            "records of one key would go to another partition from then on, and be read out of order",
            f"if that is meant, say --remap-keys {topic.name}",
        )
    elif isinstance(change, MoveReplicas):
        hold = ("manual", "librdkafka cannot move replicas", "run kafka-reassign-partitions with the JSON that is shown")
    return _with_hold(found, *hold) if hold[0] else found


def _with_hold(found: Planned, hold: str, why: str, remedy: str) -> Planned:
    return Planned(
        found.object,
        found.change,
        found.origin,
        hold="refused" if hold == "refused" else "manual",
        why=why,
        remedy=remedy,
    )


def _by_operator(found: Planned) -> Planned:
    """What a person must decide stays said; the rest is the operator's to do."""
    if found.hold:
        return found
    why = "Strimzi's operators own topics and users here, and would undo it"
    return _with_hold(found, "manual", why, "apply the rendered tree, or run pulumi up")


def _users(wanted: Desired, seen: Observed, owned: Ownership) -> Iterator[Planned]:
    bindings: dict[str, set[Acl]] = {}
    for acl in seen.kafka.acls or ():
        bindings.setdefault(acl.principal, set()).add(acl)
    for user in wanted.users.values():
        for change in _user(user, bindings.get(user.principal, set()), wanted, seen, owned):
            found = Planned(Object("user", user.name), change, user.origin)
            yield _by_operator(found) if wanted.operated else found


def _user(user: DesiredUser, live: set[Acl], wanted: Desired, seen: Observed, owned: Ownership) -> Iterator[Change]:
    managed = owned.is_managed(Object("user", user.name))
    if seen.kafka.credentials is not None:
        has = {entry.mechanism for entry in seen.kafka.credentials.get(user.principal.removeprefix("User:"), ())}
        needs = set(user.mechanisms) if user.scram else set()
        yield from (SetPassword(user.name, mechanism) for mechanism in sorted(needs - has))
        if managed:
            yield from (DropPassword(user.name, mechanism) for mechanism in sorted(has - needs))
    if wanted.judged and seen.kafka.acls is not None:
        if lacking := sorted(user.acls - live):
            yield Grant(user.principal, tuple(lacking))
        if managed and (surplus := sorted(live - user.acls)):
            yield Revoke(user.principal, tuple(surplus))
    if seen.kafka.quotas is not None:
        bound = seen.kafka.quotas.get(user.entity, {})
        meant = user.quota if managed else {**bound, **user.quota}
        if not same_figures(meant, bound):
            yield SetQuota(user.entity, bound, meant)


def _default_quota(wanted: Desired, seen: Observed) -> Iterator[Planned]:
    """What everybody has who has no quota of his own. Strimzi leaves it to the brokers' configuration."""
    if seen.kafka.quotas is None or wanted.operated:
        return
    bound = seen.kafka.quotas.get(EVERYBODY, {})
    meant = {**bound, **wanted.default_quota}
    if not same_figures(meant, bound):
        yield Planned(DEFAULT_QUOTA, SetQuota(EVERYBODY, bound, meant), "kafka.quotas.default")


def _schemas(judged: Judged) -> Iterator[Planned]:
    if judged.schemas is None:
        return
    for level in judged.schemas.differing_levels:
        thing = Object("subject", level.subject or "(all)")
        yield Planned(thing, SetLevel(level.subject, level.live, level.wanted), "schemaRegistry")
    for finding in judged.schemas.findings:
        if finding.state not in {"new", "next", "incompatible"}:
            continue
        change = RegisterSchema(finding.subject, finding.schema_type, finding.state != "new", finding.objections)
        found = Planned(Object("subject", finding.subject), change, "schemaRegistry.subjects")
        if finding.state == "incompatible":
            why = f"is not compatible: {'; '.join(finding.objections)}"
            found = _with_hold(found, "refused", why, "change the schema so that it stays compatible")
        yield found


def _connectors(wanted: Desired, judged: Judged) -> Iterator[Planned]:
    """One that somebody has halted is told and left so: a switch that was interrupted stops connectors whose newest positions
    are on the other colour, and whoever paused one knows why."""
    for one in judged.connectors or ():
        thing = Object("connector", one.name)
        origin = f"pipelines[{wanted.connectors[one.name].index}]" if one.name in wanted.connectors else ""
        if one.action in {"keep", "change"} and one.name in judged.halted:
            found = Planned(
                thing, ChangeConnector(one.name, judged.active, "start", (), f"is {judged.halted[one.name]}"), origin
            )
            remedy = f"finish the switch that stopped it, or let it run: PUT /connectors/{one.name}/resume on {judged.active}"
            yield _with_hold(found, "manual", f"somebody has {judged.halted[one.name]} it, and knows why", remedy)
        if one.action in {"keep", "undeclared"}:
            continue
        found = Planned(thing, ChangeConnector(one.name, judged.active, one.action, one.keys, one.why), origin)
        if one.action == "refused":
            found = _with_hold(found, "refused", one.why, "finish it with cdc connect switch")
        yield found


def _deletions(wanted: Desired, seen: Observed, owned: Ownership, words: Words, judged: Judged) -> Iterator[Planned]:
    """Only of what is ours, and only what was named; whoever is in the spec, external or Kafka's own is refused."""
    still_named = named(wanted, judged)
    for thing, reason in sorted(words.delete.items()):
        changes = list(_deletion(thing, reason, seen, judged))
        hold: tuple[str, str] | None = None
        if thing in still_named or (thing.kind == "topic" and thing.name in wanted.topics):
            hold = "is in the spec, which would make it again", "take it out of the spec first"
        elif thing.kind == "topic" and is_internal(thing.name):
            hold = "is Kafka's own, and never deleted", "leave it"
        elif changes and not owned.holds(thing):
            hold = "is not this environment's", "whoever owns it deletes it"
        for change in [Delete(thing, reason)] if hold else changes:
            found = Planned(thing, change)
            if hold is not None:
                found = _with_hold(found, "refused", *hold)
            elif wanted.operated and thing.kind in {"topic", "user"}:
                found = _by_operator(found)
            yield found


def _deletion(thing: Object, reason: str, seen: Observed, judged: Judged) -> Iterator[Change]:
    """What there is to be taken away; nothing of what is gone already."""
    if thing.kind == "topic" and thing.name in seen.kafka.topics:
        yield Delete(thing, reason)
    elif thing.kind == "user":
        yield from _user_deletion(thing.name, seen)
    elif thing.kind == "subject" and seen.registry is not None and thing.name in seen.registry.subjects:
        yield Delete(thing, reason)
    elif thing.kind == "connector":
        for colour, connectors in (seen.connect or {}).items():
            if thing.name in connectors:
                yield Delete(thing, reason, colour)


def _user_deletion(name: str, seen: Observed) -> Iterator[Change]:
    principal = f"User:{name}"
    surplus: Iterable[Acl] = (acl for acl in seen.kafka.acls or () if acl.principal == principal)
    if acls := tuple(sorted(surplus)):
        yield Revoke(principal, acls)
    bound = (seen.kafka.quotas or {}).get((("user", name),), {})
    if bound:
        yield SetQuota((("user", name),), bound, {})
    for entry in (seen.kafka.credentials or {}).get(name, ()):
        yield DropPassword(name, entry.mechanism)
