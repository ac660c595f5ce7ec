"""From the subjects that a spec declares to the same in a registry: first everything is judged, then it is changed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.schema_registry.files import read_schema
from components.schema_registry.spec import SchemaRegistrySpec
from operations.live.registry import Registry

Step = tuple[Literal["level", "schema"], str | None]
"""A level that is set, or a schema that is registered, and of which subject; ``None`` is the level of all others."""

Tell = Callable[[Step, bool], None]
"""Is told what has been done, and what of it has been taken back (false)."""

State = Literal["new", "next", "unchanged", "incompatible", "level"]
"""Of a subject: it is new, has a compatible next version, has this very schema, may not have it, or declares no schema."""


@dataclass(frozen=True, slots=True)
class Level:
    """A compatibility level: of ``subject``, or of all others; ``live`` is ``None`` where none is set."""

    subject: str | None
    live: str | None
    wanted: str

    @property
    def differs(self) -> bool:
        return self.live != self.wanted


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one subject. ``version`` and ``id`` are those in the registry, where it has the schema."""

    subject: str
    state: State
    schema: str | None = None
    schema_type: str = "AVRO"
    version: int | None = None
    id: int | None = None
    objections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """All that differs between a spec and a registry."""

    levels: tuple[Level, ...]
    findings: tuple[Finding, ...]

    @property
    def compatible(self) -> bool:
        return all(finding.state != "incompatible" for finding in self.findings)

    @property
    def to_register(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.state in {"new", "next"})

    @property
    def differing_levels(self) -> tuple[Level, ...]:
        return tuple(level for level in self.levels if level.differs)


def observe_changes(spec: SchemaRegistrySpec, root: Path, registry: Registry) -> Changes:
    """Looks and changes nothing. Compatibility is judged under the levels in force."""
    return Changes(tuple(_levels(spec, registry)), tuple(_findings(spec, root, registry)))


def _levels(spec: SchemaRegistrySpec, registry: Registry) -> Iterator[Level]:
    yield Level(None, registry.compatibility(), spec.compatibility)
    for entry in spec.subjects:
        if entry.compatibility is not None:
            yield Level(entry.subject, registry.compatibility(entry.subject), entry.compatibility)


def _findings(spec: SchemaRegistrySpec, root: Path, registry: Registry) -> Iterator[Finding]:
    for entry in spec.subjects:
        if entry.file is None:
            yield Finding(entry.subject, "level")
            continue
        schema = read_schema(root, entry.file)
        yield _finding(entry.subject, schema, entry.schema_type, registry)


def _finding(subject: str, schema: str, schema_type: str, registry: Registry) -> Finding:
    there = registry.find(subject, schema, schema_type)
    if there is not None:
        return Finding(subject, "unchanged", schema, schema_type, there.version, there.id)
    latest = registry.latest(subject)
    if latest is None:
        return Finding(subject, "new", schema, schema_type)
    objections = registry.objections(subject, schema, schema_type)
    state: State = "incompatible" if objections else "next"
    return Finding(subject, state, schema, schema_type, objections=objections)


def _silent(_step: Step, _so: bool) -> None:
    """Nobody is told."""


def apply_changes(changes: Changes, registry: Registry, tell: Tell = _silent) -> Changes:
    """Sets levels, then registers; gives what was found under the new levels, with the ids of what is registered.

    Nothing is registered, and every level is as it was, where any schema is incompatible under the levels as they will be.
    A subject's own level comes after its first version: a registry may know no subject without one.
    """
    if not changes.compatible:
        return changes
    new = {finding.subject for finding in changes.findings if finding.state == "new"}
    early = [level for level in changes.differing_levels if level.subject not in new]
    _set(early, registry, tell)
    findings = changes.findings
    if early:
        findings = tuple(_again(finding, registry) for finding in findings)
        if not Changes(changes.levels, findings).compatible:
            _restore(early, registry, tell)
            return Changes(changes.levels, findings)
    registered = tuple(_registered(finding, registry, tell) for finding in findings)
    _set([level for level in changes.differing_levels if level.subject in new], registry, tell)
    return Changes(changes.levels, registered)


def _again(finding: Finding, registry: Registry) -> Finding:
    """The same subject under other levels."""
    if finding.state != "next" or finding.schema is None:
        return finding
    return _finding(finding.subject, finding.schema, finding.schema_type, registry)


def _set(levels: Sequence[Level], registry: Registry, tell: Tell) -> None:
    for level in levels:
        registry.set_compatibility(level.wanted, level.subject)
        tell(("level", level.subject), True)


def _restore(levels: Sequence[Level], registry: Registry, tell: Tell) -> None:
    for level in levels:
        tell(("level", level.subject), False)
        if level.live is not None:
            registry.set_compatibility(level.live, level.subject)
        elif level.subject is not None:
            registry.drop_compatibility(level.subject)


def _registered(finding: Finding, registry: Registry, tell: Tell) -> Finding:
    if finding.state not in {"new", "next"} or finding.schema is None:
        return finding
    schema_id = registry.register(finding.subject, finding.schema, finding.schema_type)
    tell(("schema", finding.subject), True)
    latest = registry.latest(finding.subject)
    version = latest.version if latest is not None else None
    return Finding(finding.subject, finding.state, finding.schema, finding.schema_type, version, schema_id)
