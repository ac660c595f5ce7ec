"""What must hold between an environment and the one that stands in for it: neither file shows it alone. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from components.connect.server_ids import server_ids
from components.core.errors import Problem
from components.core.quantities import format_duration
from components.kafka.state import Topic
from components.mirror_maker import derive
from components.vault.source_rotation import shared_accounts

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec
    from components.mirror_maker.spec import DisasterRecoverySpec, MirrorMakerSpec

Specs = Mapping[str, "EnvironmentSpec"]
Follow = Callable[["EnvironmentSpec"], str | None]

STANDBY, SOURCE = "disasterRecovery.standby", "mirrorMaker.source.environment"


def partners(spec: "EnvironmentSpec") -> tuple[str, ...]:
    """The environments that this one names: those whose specs :func:`pair_problems` needs, and theirs in turn."""
    return tuple(dict.fromkeys(name for name in (_standby_of(spec), _source_of(spec)) if name is not None))


def _standby_of(spec: "EnvironmentSpec") -> str | None:
    return None if spec.disaster_recovery is None else spec.disaster_recovery.standby


def _source_of(spec: "EnvironmentSpec") -> str | None:
    return None if spec.mirror_maker is None else spec.mirror_maker.source.environment


def _flows_from(spec: "EnvironmentSpec") -> str | None:
    """Where records come from: nowhere any more once the environment has taken over."""
    return None if spec.mirror_maker is None or spec.mirror_maker.failed_over else _source_of(spec)


def pair_problems(spec: "EnvironmentSpec", others: Specs, stacks: Collection[str]) -> Iterator[Problem]:
    """What is wrong in ``spec`` with regard to its partners. ``others`` are the specs that could be read, by name; about a
    stack of ``stacks`` that is not among them nothing is said: its own check does."""
    if spec.disaster_recovery is not None:
        yield from _unknown(STANDBY, spec.disaster_recovery.standby, stacks)
        yield from _circle(STANDBY, spec, others, _standby_of)
        standby = others.get(spec.disaster_recovery.standby)
        if standby is not None and standby.name != spec.name:
            yield from _standby_problems(spec, spec.disaster_recovery, standby)
    if spec.mirror_maker is not None:
        yield from _unknown(SOURCE, spec.mirror_maker.source.environment, stacks)
        yield from _circle(SOURCE, spec, others, _flows_from)
        source = others.get(spec.mirror_maker.source.environment)
        if source is not None and source.name != spec.name:
            yield from _source_problems(spec, spec.mirror_maker, source)


def _unknown(path: str, name: str, stacks: Collection[str]) -> Iterator[Problem]:
    if name not in stacks:
        near = get_close_matches(name, sorted(stacks), n=1)
        known = f"use one of: {', '.join(sorted(stacks))}"
        yield Problem(path, f"there is no Pulumi.{name}.yaml beside this one", f"did you mean {near[0]}?" if near else known)


def _circle(path: str, spec: "EnvironmentSpec", others: Specs, follow: Follow) -> Iterator[Problem]:
    """With names kept as they are, records that go in a circle never stop. One that names itself is its own file's problem."""
    way = [spec.name]
    name = follow(spec)
    while name is not None and name in others and name not in way:
        way.append(name)
        name = follow(others[name])
    if name == spec.name and len(way) > 1:
        yield Problem(
            path, f"goes in a circle: {' → '.join([*way, spec.name])}", "let one environment stand in for the other only"
        )


def _standby_problems(
    spec: "EnvironmentSpec", recovery: "DisasterRecoverySpec", standby: "EnvironmentSpec"
) -> Iterator[Problem]:
    mirror = standby.mirror_maker
    if mirror is None:
        yield Problem(
            STANDBY, f"{standby.name} mirrors nothing", f"declare mirrorMaker in Pulumi.{standby.name}.yaml, from {spec.name}"
        )
    elif mirror.source.environment != spec.name:
        yield Problem(
            STANDBY,
            f"{standby.name} mirrors {mirror.source.environment}",
            f"set mirrorMaker.source.environment: {spec.name} in Pulumi.{standby.name}.yaml, or name another",
        )
    else:
        for field in ("rpo", "rto"):
            own, theirs = getattr(recovery, field), getattr(mirror, field)
            if own != theirs:
                yield Problem(
                    f"disasterRecovery.{field}",
                    f"is {format_duration(own)}, and mirrorMaker.{field} of {standby.name} is {format_duration(theirs)}",
                    "say the same in both",
                )


def _source_problems(spec: "EnvironmentSpec", mirror: "MirrorMakerSpec", source: "EnvironmentSpec") -> Iterator[Problem]:
    if _standby_of(source) != spec.name and not mirror.failed_over:
        said = _standby_of(source)
        yield Problem(
            SOURCE,
            f"{source.name} has {'no standby' if said is None else f'{said} for its standby'}",
            f"set disasterRecovery: {{standby: {spec.name}}} in Pulumi.{source.name}.yaml, or name another",
        )
    elif not mirror.failed_over and mirror.source.user not in {user.name for user in source.kafka_state.users}:
        yield Problem("mirrorMaker.source.user", f"{source.name} has no user {mirror.source.user}", f"use {derive.USER}")
    yield from _topic_problems(spec, mirror, source)
    yield from _registry_problems(spec, mirror, source)
    yield from _connect_problems(spec, source)
    yield from shared_accounts(spec, source)


def _topic_problems(spec: "EnvironmentSpec", mirror: "MirrorMakerSpec", source: "EnvironmentSpec") -> Iterator[Problem]:
    """What both declare must be the same topic: MirrorMaker takes neither fewer partitions nor other ones for granted."""
    theirs = {topic.name: topic for topic in source.kafka_state.topics}
    for own in spec.kafka_state.topics:
        other = theirs.get(own.name)
        if other is None or not derive.takes_topic(mirror, spec, own.name):
            continue
        if own.partitions != other.partitions:
            yield _differs(own, "partitions", f"{own.partitions} partition(s)", f"{other.partitions} in {source.name}")
        if own.replicas < other.replicas:
            yield _differs(own, "replicas", f"{own.replicas} replica(s)", f"{other.replicas} in {source.name}")


def _differs(topic: Topic, field: str, own: str, other: str) -> Problem:
    path = topic.said_at.get(field, topic.origin)
    return Problem(path, f"topic {topic.name} has {own}, and {other}, whose mirror it is", "say the same in both")


def _registry_problems(spec: "EnvironmentSpec", mirror: "MirrorMakerSpec", source: "EnvironmentSpec") -> Iterator[Problem]:
    if not mirror.registry or source.schema_registry is None:
        return
    theirs = source.schema_registry.distribution
    if spec.schema_registry is None:
        yield Problem(
            "schemaRegistry",
            f"{source.name} has one, whose schemas nobody could read here",
            f"declare it with distribution: {theirs}, or set mirrorMaker.registry: false",
        )
    elif spec.schema_registry.distribution != theirs:
        yield Problem(
            "schemaRegistry.distribution",
            f"is {spec.schema_registry.distribution}, which cannot read what {theirs} of {source.name} keeps",
            f"write {theirs}",
        )


def _connect_problems(spec: "EnvironmentSpec", source: "EnvironmentSpec") -> Iterator[Problem]:
    """A connector finds its position by its name and its colour's topic; a database knows its readers by their ids."""
    own, theirs = spec.connect, source.connect
    if own is None or theirs is None:
        return
    if own.active != theirs.active:
        yield Problem(
            "connect.active",
            f"is {own.active}, and {theirs.active} in {source.name}: connectors would not find their positions",
            f"write {theirs.active}",
        )
    taken = {
        number: f"{pipeline} ({colour})"
        for pipeline, colour, number in server_ids(theirs, source.name, [p.name for p in source.pipelines])
    }
    for pipeline, colour, number in server_ids(own, spec.name, [p.name for p in spec.pipelines]):
        if number in taken:
            yield Problem(
                "connect.serverIds",
                f"{number} of {pipeline} ({colour}) is that of {taken[number]} in {source.name}",
                "give each its own: a database ends the connection of the one that came first",
            )
