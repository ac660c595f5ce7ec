"""A look, told to a person, a machine, and the reader of a pull request."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from rich.console import Console

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
from operations.live.external import counted, external
from operations.live.observed import Acl, Entity
from operations.live.placement import reassignment
from operations.live.session import Look
from operations.terminal import BAD, FAINT, GOOD, STRONG, WARN, count, listed, styled

_MARKS: Mapping[type, tuple[str, str]] = {
    CreateTopic: ("+", GOOD),
    Grant: ("+", GOOD),
    SetPassword: ("+", GOOD),
    RegisterSchema: ("+", GOOD),
    Revoke: ("-", BAD),
    DropPassword: ("-", BAD),
    Delete: ("-", BAD),
}
_CHANGED = ("~", WARN)
_MOST_EXTERNAL = 20
_TITLES = {"restart": "restarts", "bytes": "moves", "consumers": "readers", "clients": "clients", "keys": "keys"}
_TITLES |= {"snapshot": "snapshot", "loss": "lost", "unknown": "not known"}


def sentence(change: Change) -> str:  # noqa: PLR0911, PLR0912, C901 - a line for each type
    """One change in words."""
    match change:
        case CreateTopic(_, partitions, replicas, _):
            return f"make it: {count(partitions, 'partition')}, {count(replicas, 'replica')}"
        case Configure(_, settings):
            return ", ".join(f"{key}: {before} → {_or_default(after)}" for key, (before, after) in settings.items())
        case AddPartitions(_, before, after):
            return f"partitions: {before} → {after}"
        case MoveReplicas(_, before, after):
            return f"replicas: {_replicas(before)} → {_replicas(after)}"
        case Grant(_, acls):
            return "allow " + "; ".join(map(acl_text, acls))
        case Revoke(_, acls):
            return "take back " + "; ".join(map(acl_text, acls))
        case SetPassword(_, mechanism):
            return f"give it a password ({mechanism})"
        case DropPassword(_, mechanism):
            return f"take its password back ({mechanism})"
        case SetQuota(entity, before, after):
            return f"quota of {entity_text(entity)}: {_figures(before)} → {_figures(after)}"
        case SetLevel(_, before, after):
            return f"compatibility: {before or 'none of its own'} → {after}"
        case RegisterSchema(_, kind, following, _):
            return f"register {'a new version' if following else 'its first schema'} ({kind})"
        case ChangeConnector(_, colour, action, keys, why):
            detail = ", ".join(keys) or why
            return f"{action} on {colour}" + (f" ({detail})" if detail else "")
        case Delete(_, reason, _):
            return f"delete it: {reason}"
    raise AssertionError(change)


def _or_default(value: str | None) -> str:
    return "the broker's default" if value is None else value


def _replicas(assignment: Sequence[Sequence[int]]) -> str:
    counts = sorted({len(replicas) for replicas in assignment})
    return " or ".join(map(str, counts))


def _figures(quota: Mapping[str, float]) -> str:
    return ", ".join(f"{key}={value:.15g}" for key, value in sorted(quota.items())) or "none"


def acl_text(acl: Acl) -> str:
    """``READ on TOPIC orders*``."""
    permission = "" if acl.permission == "ALLOW" else f"{acl.permission} "
    host = "" if acl.host == "*" else f" from {acl.host}"
    return f"{permission}{acl.operation} on {acl.resource} {acl.name}{'*' if acl.pattern == 'PREFIXED' else ''}{host}"


def entity_text(entity: Entity) -> str:
    """``user shop``."""
    return ", ".join(f"{kind} {name or '(everybody else)'}" for kind, name in entity)


def show(out: Console, look: Look, *, all_external: bool = False) -> None:
    """For a person."""
    for planned in look.plan:
        mark, style = _MARKS.get(type(planned.change), _CHANGED)
        out.print(styled((f"{mark} ", style), (str(planned.object), STRONG), f"  {sentence(planned.change)}"), soft_wrap=True)
        for consequence in planned.consequences:
            out.print(styled((f"    {_TITLES[consequence.kind]}: {consequence.text}", FAINT)), soft_wrap=True)
        if planned.undo is None and planned.consequences:
            out.print(styled(("    cannot be undone", WARN)))
        if planned.hold:
            word = "refused" if planned.hold == "refused" else "not done here"
            out.print(styled((f"    {word}: {planned.why}", BAD if planned.hold == "refused" else WARN)), soft_wrap=True)
            out.print(styled((f"      → {planned.remedy}", FAINT)), soft_wrap=True)
            if isinstance(planned.change, MoveReplicas):
                out.print(styled((f"      {reassignment(planned.change.topic, planned.change.after)}", FAINT)), soft_wrap=True)
    _show_rest(out, look, all_external)
    out.print(styled((summary(look), STRONG)))


def _show_rest(out: Console, look: Look, all_external: bool) -> None:
    if look.leftover:
        out.print(styled((f"ours, and no longer in the spec: {listed(map(str, look.leftover), 10)}", WARN)), soft_wrap=True)
        out.print(styled(("      → delete one by its name: --delete topic/NAME --reason TEXT", FAINT)))
    if look.waiting:
        out.print(
            styled((f"MirrorMaker's until the standby has taken over: {listed(look.waiting, 10)}", FAINT)), soft_wrap=True
        )
    found = external(look)
    if found and not all_external:
        told = ", ".join(count(amount, kind) for kind, amount in counted(found).items())
        unsaid = sum(bool(one.what) for one in found)
        parts = [told, f"{count(unsaid, 'setting')} of adopted objects" if unsaid else ""]
        out.print(styled((f"nobody's here, and left alone: {', '.join(filter(None, parts))} (--external lists them)", FAINT)))
    for one in found if all_external else ():
        out.print(styled((f"external  {one}", FAINT)), soft_wrap=True)
    for gap in look.seen.gaps:
        out.print(styled((f"not looked at: {gap.what}: {gap.why}", BAD)), soft_wrap=True)


def summary(look: Look) -> str:
    """One line."""
    if not look.plan:
        return "nothing to do" + (" in what could be looked at" if look.seen.gaps else "")
    parts = [count(len(look.to_make), "change")] if look.to_make else []
    parts += [f"{len(look.refused):,} refused"] if look.refused else []
    parts += [f"{len(look.manual):,} to be done elsewhere"] if look.manual else []
    return ", ".join(parts)


def record(look: Look) -> dict[str, Any]:
    """For a machine."""
    found = external(look)
    return {
        "stack": look.wanted.environment,
        "cluster": look.seen.kafka.cluster_id,
        "fingerprints": {"spec": look.spec_fingerprint, "system": look.system_fingerprint},
        "words": look.words.plain(),
        "changes": [planned_record(planned) for planned in look.plan],
        "summary": {"changes": len(look.to_make), "refused": len(look.refused), "manual": len(look.manual)},
        "leftover": [str(thing) for thing in look.leftover],
        "mirrored": list(look.waiting),
        "external": [{"object": str(one.object), "what": one.what} for one in found],
        "notLookedAt": [{"what": gap.what, "why": gap.why, "remedy": gap.remedy} for gap in look.seen.gaps],
    }


def planned_record(planned: Planned) -> dict[str, Any]:
    """One change with what follows from it."""
    held = {"hold": planned.hold, "why": planned.why, "remedy": planned.remedy} if planned.hold else {}
    return {
        "object": str(planned.object),
        "origin": planned.origin,
        **change_record(planned.change),
        "consequences": [
            {"kind": one.kind, "text": one.text, **({"figures": dict(one.figures)} if one.figures else {})}
            for one in planned.consequences
        ],
        "undo": planned.undo,
        **held,
    }


def change_record(change: Change) -> dict[str, Any]:
    """A change in plain values."""
    kind = type(change).__name__
    values = {field.name: _plain(getattr(change, field.name)) for field in fields(change)}
    more = {"reassignment": reassignment(change.topic, change.after)} if isinstance(change, MoveReplicas) else {}
    return {"change": kind[0].lower() + kind[1:], **values, **more}


def _plain(value: Any) -> Any:
    if isinstance(value, Acl):
        return {name: getattr(value, name) for name in value.__slots__}
    if isinstance(value, Object):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def markdown(look: Look) -> str:
    """For a pull request."""
    return "\n".join(_markdown(look)) + "\n"


def _markdown(look: Look) -> Iterator[str]:
    yield f"### `cdc plan {look.wanted.environment}`: {summary(look)}"
    if look.plan:
        yield from ("", "| | object | change | what follows | undo |", "|---|---|---|---|---|")
    for planned in look.plan:
        mark = _MARKS.get(type(planned.change), _CHANGED)[0]
        told = [f"**{_TITLES[one.kind]}**: {one.text}" for one in planned.consequences]
        if planned.hold:
            told.append(f"**{'refused' if planned.hold == 'refused' else 'not done here'}**: {planned.why}; {planned.remedy}")
        undo = "**no**" if planned.undo is None else planned.undo
        cells = (f"`{mark}`", f"`{planned.object}`", sentence(planned.change), "; ".join(told), undo)
        yield "| " + " | ".join(_cell(cell) for cell in cells) + " |"
    if look.leftover:
        yield from ("", f"Ours, and no longer in the spec: {', '.join(f'`{thing}`' for thing in look.leftover)}")
    amounts = Counter(counted(external(look)))
    if amounts:
        told_of = ", ".join(count(amount, kind) for kind, amount in sorted(amounts.items()))
        yield from ("", f"Nobody's here, and left alone: {told_of}.")
    if look.seen.gaps:
        yield from ("", *(f"- **not looked at**: {gap.what}: {_cell(gap.why)}" for gap in look.seen.gaps))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
