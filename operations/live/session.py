"""One look at a live system beside its spec: observed, judged by its own servers, planned, and what follows from it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from components.environment import EnvironmentSpec
from components.schema_registry.derive import is_read_only
from operations.connect import planning
from operations.live.changes import Object, Planned
from operations.live.consequences import Facts, explained, touched_topics
from operations.live.desired import EVERYBODY, Desired, desired, digest
from operations.live.ledger import read_ledger
from operations.live.observe import REGISTRY, Sources, attempt, observe, observe_readers, observe_sizes
from operations.live.observed import Gap, Observed
from operations.live.ownership import Mark, Ownership
from operations.live.plan import Judged, Words, named, plan
from operations.schema_changes import Changes as SchemaChanges
from operations.schema_changes import observe_changes


@dataclass(frozen=True, slots=True)
class Look:
    """``plan`` is in the order in which it is made. ``leftover`` is ours and no longer in the spec; ``waiting`` are topics that
    MirrorMaker makes until the standby has taken over."""

    wanted: Desired
    seen: Observed
    owned: Ownership
    judged: Judged
    words: Words
    plan: tuple[Planned, ...]
    spec_fingerprint: str
    system_fingerprint: str

    @property
    def refused(self) -> tuple[Planned, ...]:
        return tuple(planned for planned in self.plan if planned.hold == "refused")

    @property
    def manual(self) -> tuple[Planned, ...]:
        return tuple(planned for planned in self.plan if planned.hold == "manual")

    @property
    def to_make(self) -> tuple[Planned, ...]:
        return tuple(planned for planned in self.plan if not planned.hold)

    @property
    def unrecorded(self) -> dict[Object, Mark]:
        """What is there, is named by the spec, and has no mark yet."""
        there = {thing for thing in named(self.wanted, self.judged) if _is_there(thing, self.seen)}
        return self.owned.missing(there)

    @property
    def leftover(self) -> tuple[Object, ...]:
        still = named(self.wanted, self.judged)
        return tuple(sorted(thing for thing in self.owned.marks if thing not in still and _is_there(thing, self.seen)))

    @property
    def waiting(self) -> tuple[str, ...]:
        return tuple(sorted(topic.name for topic in self.wanted.topics.values() if topic.mirrored))


def look(
    spec: EnvironmentSpec, folder: Path, sources: Sources, words: Words, throttle: int | None = None, *, explain: bool = True
) -> Look:
    """Look at everything, and plan what can be looked at: ``seen.gaps`` are the rest. Without ``explain`` what follows from
    each change is left open, which asks less."""
    seen = observe(sources)
    owned, _ = read_ledger(sources.kafka.name, sources.settings, spec.name)
    judged, silent = judge(spec, folder, sources, seen)
    seen = replace(seen, gaps=seen.gaps + silent)
    wanted = desired(spec)
    planned = plan(wanted, seen, owned, words, judged)
    if explain:
        touched = touched_topics(planned) | offsets_topics(wanted, planned)
        sizes = observe_sizes(sources.settings, seen.kafka, touched)
        readers = observe_readers(sources.kafka, touched_topics(planned))
        facts = Facts(wanted, seen, sizes, readers, throttle)
        planned = [explained(one, facts) for one in planned]
    spec_print = wanted.fingerprint([words.plain(), _schemas_wanted(spec, judged)])
    return Look(
        wanted, seen, owned, judged, words, tuple(planned), spec_print, system_fingerprint(wanted, seen, owned, words, judged)
    )


def judge(spec: EnvironmentSpec, folder: Path, sources: Sources, seen: Observed) -> tuple[Judged, tuple[Gap, ...]]:
    """What only the registry and Connect can tell, and who did not. A standby registers nothing. Where one colour does not
    answer nothing is said of the other's connectors: they may run there."""
    schemas: SchemaChanges | None = None
    gaps: tuple[Gap, ...] = ()
    registry, declared = sources.registry, spec.schema_registry
    if registry is not None and declared is not None and seen.registry is not None and not is_read_only(spec):
        schemas, gaps = attempt(REGISTRY, lambda: observe_changes(declared, folder, registry))
    if spec.connect is None or seen.connect is None or set(sources.connect or ()) - set(seen.connect):
        return Judged(schemas), gaps
    if spec.connect.active not in seen.connect:
        return Judged(schemas), gaps
    from operations.connect.commands import plan_connectors, wanted_lives

    here = seen.connect[spec.connect.active]
    live = planning.Live({name: one.state for name, one in here.items()}, {name: one.config for name, one in here.items()})
    there = {
        name: one.state
        for colour, found in seen.connect.items()
        if colour != spec.connect.active
        for name, one in found.items()
    }
    planned = tuple(plan_connectors(spec, spec.connect, live, there))
    halted = {name: one.state.lives for name, one in here.items() if one.state.lives in {"paused", "stopped"}}
    return Judged(schemas, planned, spec.connect.active, halted if wanted_lives(spec) is None else {}), gaps


def offsets_topics(wanted: Desired, planned: Iterable[Planned]) -> frozenset[str]:
    """Where the connectors that are to be made may have positions already."""
    made = {one.object.name for one in planned if one.object.kind == "connector"}
    pipelines = {connector.pipeline for name, connector in wanted.connectors.items() if name in made}
    return frozenset(topic for name in pipelines for topic in wanted.pipelines[name].offsets)


def _schemas_wanted(spec: EnvironmentSpec, judged: Judged) -> Any:
    findings = () if judged.schemas is None else judged.schemas.findings
    levels = () if judged.schemas is None else judged.schemas.levels
    return [[one.subject, one.schema] for one in findings] + [[one.subject, one.wanted] for one in levels]


def system_fingerprint(wanted: Desired, seen: Observed, owned: Ownership, words: Words, judged: Judged) -> str:
    """Of all that the plan was made from: what is ours, and what was named. What others do beside it is not in it."""
    kafka = seen.kafka
    topics = {*wanted.topics, *(thing.name for thing in words.delete if thing.kind == "topic")}
    users = {user.principal for user in wanted.users.values()}
    users |= {f"User:{thing.name}" for thing in words.delete if thing.kind == "user"}
    entities = {(("user", principal.removeprefix("User:")),) for principal in users} | {EVERYBODY}
    return digest(
        [
            kafka.cluster_id,
            sorted(
                (name, topic.assignment, sorted(topic.config.items())) for name, topic in kafka.topics.items() if name in topics
            ),
            None if kafka.acls is None else sorted(repr(acl) for acl in kafka.acls if acl.principal in users),
            None
            if kafka.credentials is None
            else sorted(item for item in kafka.credentials.items() if f"User:{item[0]}" in users),
            None
            if kafka.quotas is None
            else sorted((repr(who), sorted(of.items())) for who, of in kafka.quotas.items() if who in entities),
            sorted((str(thing), mark) for thing, mark in owned.marks.items()),
            judged.schemas,
            judged.connectors,
            sorted(judged.halted.items()),
        ]
    )


def _is_there(thing: Object, seen: Observed) -> bool:
    kafka = seen.kafka
    if thing.kind == "topic":
        return thing.name in kafka.topics
    if thing.kind == "user":
        return _user_is_there(thing.name, seen)
    if thing.kind == "quota":
        return bool((kafka.quotas or {}).get(EVERYBODY))
    if thing.kind == "subject":
        return seen.registry is not None and thing.name in seen.registry.subjects
    return any(thing.name in connectors for connectors in (seen.connect or {}).values())


def _user_is_there(name: str, seen: Observed) -> bool:
    kafka = seen.kafka
    return (
        name in (kafka.credentials or {})
        or bool((kafka.quotas or {}).get((("user", name),)))
        or any(acl.principal in {f"User:{name}", f"User:CN={name}"} for acl in kafka.acls or ())
    )
