"""Users with their ACLs and quotas as the spec declares them. Pure."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import get_args

from components.kafka.user_spec import AclSpec
from operations.adopting.parts import Draft, Plain, is_label, quota
from operations.live.desired import EVERYBODY, SCRAM, protocol_word
from operations.live.observed import Acl, Entity, ObservedKafka

_USER = "User:"
_KINDS = {"TOPIC": "topic", "GROUP": "group", "BROKER": "cluster", "TRANSACTIONAL_ID": "transactionalId"}
_OPERATIONS = {protocol_word(word): word for word in get_args(get_args(AclSpec.model_fields["operations"].annotation)[0])}
_PATTERN = re.compile(r"[a-zA-Z0-9._-]+|\*")
_SHORT: Mapping[frozenset[str], tuple[str, ...]] = {
    frozenset({"DESCRIBE", "WRITE"}): ("produces",),
    frozenset({"DESCRIBE", "READ"}): ("consumes",),
    frozenset({"DESCRIBE", "READ", "WRITE"}): ("produces", "consumes"),
}


def declare_users(kafka: ObservedKafka, draft: Draft) -> Plain:
    """Every principal goes into ``draft``; gives the quota of everybody who has none of their own."""
    by_principal: dict[str, list[Acl]] = defaultdict(list)
    for acl in sorted(kafka.acls or ()):
        by_principal[acl.principal].append(acl)
    quotas = dict(kafka.quotas or {})
    everybody = _quota_of(quotas.pop(EVERYBODY, {}), "quota", "everybody", draft)
    names = {name for name in by_principal if name.startswith(_USER)}
    names |= {f"{_USER}{name}" for name in kafka.credentials or {}}
    names |= {f"{_USER}{name}" for entity in quotas if (name := _only_user(entity)) is not None}
    for principal in sorted({*names, *by_principal}):
        _declare(principal, by_principal.get(principal, []), kafka, draft)
    for entity in sorted(quotas, key=str):
        if _only_user(entity) is None:
            whom = ", ".join(f"{kind}={name or '(default)'}" for kind, name in entity)
            draft.leave("quota", whom, "the spec has quotas of users only")
    return everybody


def _only_user(entity: Entity) -> str | None:
    return entity[0][1] if len(entity) == 1 and entity[0][0] == "user" else None


def _declare(principal: str, acls: Iterable[Acl], kafka: ObservedKafka, draft: Draft) -> None:
    name = principal.removeprefix(_USER)
    if not principal.startswith(_USER) or not is_label(name):
        draft.leave("user", principal, "is no name that the spec takes (a DNS label)")
        return
    mechanisms = {one.mechanism for one in (kafka.credentials or {}).get(name, ())}
    if mechanisms and SCRAM not in mechanisms:
        draft.leave("user", principal, f"has a password for {', '.join(sorted(mechanisms))} only")
        return
    if mechanisms - {SCRAM}:
        draft.leave("password", principal, f"{', '.join(sorted(mechanisms - {SCRAM}))} beside {SCRAM}")
    found: Plain = {"name": name}
    if kafka.credentials is not None and not mechanisms:
        found["authentication"] = "tls"
    bound = (kafka.quotas or {}).get((("user", name),), {})
    if own := _quota_of(bound, "quota", principal, draft):
        found["quota"] = own
    found |= _access(principal, acls, draft)
    if mechanisms or found.keys() - {"name", "authentication"}:
        draft.users[name] = found


def _quota_of(figures: Mapping[str, float], kind: str, name: str, draft: Draft) -> Plain:
    found, odd = quota(figures)
    for key in odd:
        draft.leave(kind, f"{name}: {key}", f"{figures[key]:g} is no figure that the spec takes there")
    return found


def _access(principal: str, acls: Iterable[Acl], draft: Draft) -> Plain:
    """Short where the spec has a short way to say it."""
    grouped: dict[tuple[str, str, str, str], set[str]] = defaultdict(set)
    for acl in acls:
        if acl.permission != "ALLOW" or acl.resource not in _KINDS or acl.operation not in _OPERATIONS:
            what = f"{acl.permission} {acl.operation} on {acl.resource} {acl.pattern} {acl.name} from {acl.host}"
            draft.leave("ACL", f"{principal}: {what}", "the spec only allows, and not this")
        else:
            grouped[acl.resource, acl.name, acl.pattern, acl.host].add(acl.operation)
    found: Plain = {"produces": [], "consumes": [], "groups": [], "acls": []}
    for (resource, name, pattern, host), operations in sorted(grouped.items()):
        fields = _short(resource, name, pattern, operations) if host == "*" else ()
        for field in fields:
            found[field].append(name + ("*" if pattern == "PREFIXED" else ""))
        if not fields:
            found["acls"].append(_long(resource, name, pattern, host, operations))
    return {field: entries for field, entries in found.items() if entries}


def _short(resource: str, name: str, pattern: str, operations: set[str]) -> tuple[str, ...]:
    if not _PATTERN.fullmatch(name) or (name == "*" and pattern == "PREFIXED"):
        return ()
    if resource == "GROUP":
        return ("groups",) if operations == {"DESCRIBE", "READ"} else ()
    return _SHORT.get(frozenset(operations), ()) if resource == "TOPIC" else ()


def _long(resource: str, name: str, pattern: str, host: str, operations: set[str]) -> Plain:
    found: Plain = {"resource": _KINDS[resource]}
    if resource != "BROKER":
        found["name"] = name
    if pattern == "PREFIXED":
        found["pattern"] = "prefix"
    found["operations"] = sorted(_OPERATIONS[operation] for operation in operations)
    return found if host == "*" else {**found, "host": host}
