"""What in a live system is nobody's here: shown, never touched. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from operations.live.changes import Kind, Object
from operations.live.normal import differing
from operations.live.placement import is_internal
from operations.live.session import Look


@dataclass(frozen=True, slots=True)
class External:
    """Something that is nobody's here, or that the spec does not say of something adopted. ``what`` is empty for a whole
    object."""

    object: Object
    what: str = ""

    def __str__(self) -> str:
        return f"{self.object}: {self.what}" if self.what else str(self.object)


def external(look: Look) -> tuple[External, ...]:
    """Everything that is there and is not ours."""
    return tuple(sorted(_external(look), key=lambda one: (one.object, one.what)))


def _external(look: Look) -> Iterator[External]:
    kafka, wanted = look.seen.kafka, look.wanted
    ours = {thing.name for thing in look.owned.marks if thing.kind == "topic"} | set(wanted.topics)
    yield from (External(Object("topic", name)) for name in kafka.topics if name not in ours and not is_internal(name))
    principals = {user.principal for user in wanted.users.values()} | wanted.super_users
    principals |= {f"User:{thing.name}" for thing in look.owned.marks if thing.kind == "user"}
    others = {acl.principal for acl in kafka.acls or ()} | {f"User:{name}" for name in kafka.credentials or {}}
    others |= {f"User:{who[0][1]}" for who in kafka.quotas or {} if len(who) == 1 and who[0][0] == "user" and who[0][1]}
    yield from (External(Object("user", who.removeprefix("User:"))) for who in sorted(others - principals))
    for who in kafka.quotas or {}:
        if any(kind != "user" for kind, _ in who):
            yield External(Object("quota", ", ".join(f"{kind} {name or '(default)'}" for kind, name in who)))
    yield from _undeclared(look)
    yield from _unsaid(look)


def _undeclared(look: Look) -> Iterator[External]:
    declared = {finding.subject for finding in (look.judged.schemas.findings if look.judged.schemas else ())}
    for subject in look.seen.registry.subjects if look.seen.registry else ():
        if subject not in declared and not look.owned.holds(Object("subject", subject)):
            yield External(Object("subject", subject))
    for one in look.judged.connectors or ():
        if one.action == "undeclared" and not look.owned.holds(Object("connector", one.name)):
            yield External(Object("connector", one.name))


def _unsaid(look: Look) -> Iterator[External]:
    """What an adopted object has that the spec does not say: it stays."""
    kafka = look.seen.kafka
    for topic in look.wanted.topics.values():
        thing, there = Object("topic", topic.name), kafka.topics.get(topic.name)
        if there is None or topic.mirrored or look.owned.is_managed(thing):
            continue
        extra = differing(topic.config, there.config, kafka.defaults, whole=True)
        yield from (External(thing, f"{key}={before}") for key, (before, after) in extra.items() if after is None)
    acls: dict[str, list[Any]] = {}
    for acl in kafka.acls or ():
        acls.setdefault(acl.principal, []).append(acl)
    for user in look.wanted.users.values():
        thing = Object("user", user.name)
        if not look.wanted.judged or look.owned.is_managed(thing):
            continue
        for acl in sorted(set(acls.get(user.principal, ())) - user.acls):
            yield External(
                thing, f"{acl.permission} {acl.operation} on {acl.resource} {acl.name} ({acl.pattern}) from {acl.host}"
            )


def counted(externals: Iterable[External]) -> Mapping[Kind, int]:
    """How many whole objects of each kind are nobody's here."""
    found: dict[Kind, int] = {}
    for one in externals:
        if not one.what:
            found[one.object.kind] = found.get(one.object.kind, 0) + 1
    return found
