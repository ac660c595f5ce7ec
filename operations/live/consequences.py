"""What follows from a change: what restarts, moves, is lost, is touched, and whether there is a way back. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from components.core.quantities import format_bytes
from operations.live import snapshots
from operations.live.changes import (
    AddPartitions,
    ChangeConnector,
    Configure,
    Consequence,
    CreateTopic,
    Delete,
    DropPassword,
    Grant,
    MoveReplicas,
    Planned,
    RegisterSchema,
    Revoke,
    SetLevel,
    SetPassword,
    SetQuota,
)
from operations.live.desired import Desired
from operations.live.observed import Observed
from operations.live.placement import moved

_ENDLESS = "-1"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known besides the plan. ``sizes`` are bytes of one replica set of a topic, ``groups`` consumer groups by topic;
    ``None`` where they could not be looked at. ``throttle`` is in bytes per second."""

    wanted: Desired
    seen: Observed
    sizes: Mapping[str, int] | None = None
    groups: Mapping[str, tuple[str, ...]] | None = None
    throttle: int | None = None

    def size(self, topic: str) -> int | None:
        return None if self.sizes is None else self.sizes.get(topic)


def explained(planned: Planned, facts: Facts) -> Planned:
    """The same with what follows from it."""
    found, undo = _TELLERS[type(planned.change)](planned, facts)
    return replace(planned, consequences=tuple(found), undo=undo)


Told = tuple[list[Consequence], str | None]


def _create(planned: Planned, facts: Facts) -> Told:
    change: CreateTopic = planned.change  # type: ignore[assignment]
    back = f"cdc apply --delete topic/{change.topic} --reason …, while nobody writes to it"
    return list(snapshots.missed(change.topic, facts)), back


def _configure(planned: Planned, facts: Facts) -> Told:
    change: Configure = planned.change  # type: ignore[assignment]
    found = []
    for key, (before, after) in change.settings.items():
        in_force = facts.seen.kafka.defaults.get(key) if after is None else after
        teller = _SETTINGS.get(key)
        if teller is not None:
            found += list(teller(change.topic, before, in_force, facts))
    lost = any(consequence.kind == "loss" for consequence in found)
    back = ", ".join(f"{key}={before}" for key, (before, _) in change.settings.items())
    return found, None if lost else f"set {back} again; brokers and clients go on running"


def _retention(topic: str, before: str | None, after: str | None, facts: Facts) -> Iterator[Consequence]:
    if after is None or before is None or not _is_less(after, before):
        return
    size = facts.size(topic)
    if size == 0:
        return
    of = "an unknown amount" if size is None else f"some of {format_bytes(size)}"
    yield Consequence(
        "loss", f"records beyond the new retention are deleted: {of}", {} if size is None else {"mostBytes": size}
    )
    yield from _readers(topic, facts, "must have read what is deleted")


def _is_less(after: str, before: str) -> bool:
    if _ENDLESS in {before, after}:
        return after != _ENDLESS
    return float(after) < float(before)


def _cleanup(topic: str, before: str | None, after: str | None, facts: Facts) -> Iterator[Consequence]:
    if "compact" in (after or "") and "compact" not in (before or ""):
        yield Consequence("loss", "older records of each key are deleted; records without a key are refused from now on")
    elif "delete" in (after or "") and "delete" not in (before or ""):
        yield Consequence("loss", "records beyond the retention are deleted, the newest of a key among them")
    else:
        return
    yield from _readers(topic, facts, "reads it")


def _message(topic: str, before: str | None, after: str | None, _: Facts) -> Iterator[Consequence]:
    if before is not None and after is not None and int(after) < int(before):
        yield Consequence("clients", f"batches larger than {format_bytes(int(after))} are refused to those who write {topic}")


def _in_sync(topic: str, before: str | None, after: str | None, facts: Facts) -> Iterator[Consequence]:
    there = facts.seen.kafka.topics.get(topic)
    if after is None or there is None:
        return
    if int(after) > there.replicas:
        yield Consequence("clients", f"writes with acks=all are refused: there are only {there.replicas} replicas")
    elif before is not None and int(after) < int(before):
        yield Consequence("loss", f"a write counts once {after} replicas have it: fewer failures lose it")


def _tiering(_: str, before: str | None, after: str | None, __: Facts) -> Iterator[Consequence]:
    if after == "true":
        yield Consequence("bytes", "old segments are copied to the object store")
    elif before == "true":
        yield Consequence("loss", "what lies in the object store is not read any more")


_SETTINGS: Mapping[str, Callable[[str, str | None, str | None, Facts], Iterator[Consequence]]] = {
    "retention.ms": _retention,
    "retention.bytes": _retention,
    "cleanup.policy": _cleanup,
    "max.message.bytes": _message,
    "min.insync.replicas": _in_sync,
    "remote.storage.enable": _tiering,
}


def _grow(planned: Planned, facts: Facts) -> Told:
    change: AddPartitions = planned.change  # type: ignore[assignment]
    found = []
    wanted = facts.wanted.topics.get(change.topic)
    if change.after > change.before and (wanted is None or wanted.ordered is not False):
        share = round(100 * (1 - change.before / change.after))
        empty = facts.size(change.topic) == 0
        text = f"about {share} % of the keys go to another partition; their order across the change is lost"
        found.append(
            Consequence("keys", text + (" (it has no records yet)" if empty else ""), {"sharePercent": share, "empty": empty})
        )
    return found + list(_readers(change.topic, facts, "is rebalanced")), None


def _move(planned: Planned, facts: Facts) -> Told:
    change: MoveReplicas = planned.change  # type: ignore[assignment]
    size, copies = facts.size(change.topic), moved(change.before, change.after)
    if size is None:
        return [Consequence("unknown", "how much is copied is not known: the user may not Describe the cluster")], "move back"
    amount = size * copies // max(1, len(change.before))
    figures: dict[str, Any] = {"bytes": amount}
    text = f"{format_bytes(amount)} are copied between brokers"
    if facts.throttle:
        figures["seconds"] = -(-amount // facts.throttle)
        text += f", {_lasting(figures['seconds'])} at {format_bytes(facts.throttle)}/s"
    return [Consequence("bytes", text, figures)], "move back"


def _lasting(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _readers(topic: str, facts: Facts, what: str) -> Iterator[Consequence]:
    """Who reads it: the pipeline by its spec, others by where they stand."""
    wanted = facts.wanted.topics.get(topic)
    pipeline = "" if wanted is None else wanted.pipeline
    if pipeline:
        yield Consequence("consumers", f"pipeline {pipeline} {what}", {"pipeline": pipeline})
    if facts.groups is None:
        yield Consequence("unknown", "which consumer groups read it is not known: the user may not Describe them")
        return
    for group in facts.groups.get(topic, ()):
        yield Consequence("consumers", f"consumer group {group} {what}", {"group": group})


def _password(planned: Planned, _: Facts) -> Told:
    return [], f"drop it again: cdc apply --delete {planned.object} --reason …, once it is out of the spec"


def _grant(planned: Planned, _: Facts) -> Told:
    return [], "take it out of the spec"


def _revoke(planned: Planned, facts: Facts) -> Told:
    change: Revoke = planned.change  # type: ignore[assignment]
    user = facts.wanted.users.get(planned.object.name)
    figures = {"pipeline": user.pipeline} if user is not None and user.pipeline else {}
    of = f" of pipeline {user.pipeline}" if figures and user is not None else ""
    text = f"clients of {change.principal}{of} that lean on it are refused at once"
    return [Consequence("clients", text, figures)], "say it in the spec"


def _drop(planned: Planned, _: Facts) -> Told:
    change: DropPassword = planned.change  # type: ignore[assignment]
    text = f"{change.user} cannot log in with {change.mechanism} again; sessions that are open go on"
    return [Consequence("clients", text)], None


def _quota(planned: Planned, facts: Facts) -> Told:
    change: SetQuota = planned.change  # type: ignore[assignment]
    tighter = [key for key, value in change.after.items() if value < change.before.get(key, float("inf"))]
    back = ", ".join(f"{key}={value:.15g}" for key, value in change.before.items()) or "none"
    if not tighter or _is_new(planned, facts):
        return [], f"set {back} again"
    user = facts.wanted.users.get(planned.object.name)
    whose = "clients without a quota of their own" if planned.object.kind == "quota" else f"clients of {planned.object.name}"
    figures = {"pipeline": user.pipeline} if user is not None and user.pipeline else {}
    return [Consequence("clients", f"{whose} that use more are slowed down, on each broker", figures)], f"set {back} again"


def _is_new(planned: Planned, facts: Facts) -> bool:
    """A user that cannot log in yet has no clients."""
    user, known = facts.wanted.users.get(planned.object.name), facts.seen.kafka.credentials
    return planned.object.kind == "user" and user is not None and user.scram and known is not None and user.name not in known


def _level(planned: Planned, _: Facts) -> Told:
    change: SetLevel = planned.change  # type: ignore[assignment]
    return [Consequence("clients", "new schemas are judged by it; those that are there stay")], f"set {change.before} again"


def _register(planned: Planned, facts: Facts) -> Told:
    change: RegisterSchema = planned.change  # type: ignore[assignment]
    if not change.next:
        return [], f"cdc apply --delete {planned.object} --reason …, while nobody uses its id"
    return [Consequence("consumers", "readers of the subject meet the new schema with the next record that is written")], None


def _connector(planned: Planned, facts: Facts) -> Told:
    change: ChangeConnector = planned.change  # type: ignore[assignment]
    if change.action == "create":
        return list(snapshots.first(change, facts)), f"cdc apply --delete {planned.object} --reason …"
    found = []
    if change.action in {"change", "restart"}:
        found.append(Consequence("restart", f"the tasks of {change.connector} restart; it goes on from where it was"))
    elif change.action == "stop":
        found.append(Consequence("clients", f"{change.connector} moves nothing until it is started"))
    if change.action == "change":
        found += snapshots.again(change)
    return found, "apply the spec as it was"


def _delete(planned: Planned, facts: Facts) -> Told:
    change: Delete = planned.change  # type: ignore[assignment]
    name = change.object.name
    if change.object.kind == "connector":
        return [Consequence("clients", f"{name} moves nothing any more; its positions stay")], "declare it again"
    if change.object.kind == "subject":
        return [Consequence("consumers", "readers that do not have its schemas yet cannot get them")], None
    size = facts.size(name)
    text = "all its records are deleted" + ("" if size is None else f": {format_bytes(size)} on each set of replicas")
    return [
        Consequence("loss", text, {} if size is None else {"bytes": size}),
        *_readers(name, facts, "has nothing to read any more"),
    ], None


_TELLERS: Mapping[type, Callable[[Planned, Facts], Told]] = {
    SetPassword: _password,
    CreateTopic: _create,
    Configure: _configure,
    AddPartitions: _grow,
    MoveReplicas: _move,
    Grant: _grant,
    SetQuota: _quota,
    SetLevel: _level,
    RegisterSchema: _register,
    ChangeConnector: _connector,
    Revoke: _revoke,
    DropPassword: _drop,
    Delete: _delete,
}


def touched_topics(plan: list[Planned]) -> frozenset[str]:
    """Topics whose size and readers matter to what is told."""
    found = set()
    for planned in plan:
        if isinstance(planned.change, (Configure, AddPartitions, MoveReplicas)) or (
            isinstance(planned.change, Delete) and planned.object.kind == "topic"
        ):
            found.add(planned.object.name)
    return frozenset(found)
