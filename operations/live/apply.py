"""Brings a live system to what was planned: in order, many changes at a time, up to the first that fails."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.connect.connectors import connectors
from components.core.errors import CdcError
from components.environment import EnvironmentSpec
from operations.audit_log import AuditLog
from operations.connect import planning
from operations.connect.cluster import ConnectError
from operations.live.changes import (
    Change,
    ChangeConnector,
    CreateTopic,
    Delete,
    Object,
    Planned,
    RegisterSchema,
    SetLevel,
    SetPassword,
)
from operations.live.ledger import Ledger
from operations.live.making import Failure, Maker, Outcome
from operations.live.observe import Sources
from operations.live.ownership import Mark
from operations.live.report import change_record
from operations.live.session import Look
from operations.schema_changes import Step, apply_changes

Progress = Callable[[int, int, str], None]
"""How many of how many changes are made, and what was the last."""

_AT_ONCE = 200
_PASSWORDS_AT_ONCE = 20
_MOST_TOLD = 5
_PARTITIONS_AT_ONCE = 2_000
"""A controller takes at most 10,000 records in one request (``MAX_RECORDS_PER_USER_OP``), and a partition is one."""


class ApplyError(CdcError):
    """A change failed. The message says what was made before it and what was not."""


@dataclass
class Applied:
    """What was done so far."""

    plan: Sequence[Planned]
    made: list[Planned] = field(default_factory=list)

    def error(self, failures: Sequence[Failure]) -> ApplyError:
        """What went wrong, where, and how far it came."""
        lines = [f"{one.planned.object}: {one.why}\n      → {one.remedy}" for one in failures[:_MOST_TOLD]]
        if len(failures) > _MOST_TOLD:
            lines.append(f"… and {len(failures) - _MOST_TOLD:,} more that failed with them")
        left = [planned for planned in self.plan if not any(planned is made for made in self.made)]
        lines += [f"Made before that ({len(self.made):,} of {len(self.plan):,}):", *_listed(self.made)]
        lines += [f"Not made ({len(left):,}):", *_listed(left)]
        return ApplyError("\n".join([*lines, "      → mend it and run the same again: it goes on from there"]))


def _listed(planned: Sequence[Planned], most: int = 20) -> list[str]:
    lines = [f"  {type(one.change).__name__} {one.object}" for one in planned[:most]]
    return lines + ([f"  … and {len(planned) - most:,} more"] if len(planned) > most else []) or ["  nothing"]


def marks_of(look: Look) -> dict[Object, Mark | None]:
    """What is recorded before anything is made: that what we make is ours, and that what was there is adopted. So a run that is
    killed leaves nothing that nobody knows to be ours."""
    marks: dict[Object, Mark | None] = {**look.unrecorded}
    for planned in look.to_make:
        change, thing = planned.change, planned.object
        if _makes(change):
            marks[thing] = "managed"
        elif thing.kind in {"user", "quota"} and thing not in look.owned.marks and thing not in marks:
            marks[thing] = "managed" if thing not in look.words.delete else "adopted"
    return marks


def _makes(change: Change) -> bool:
    """Whether its object was not there before."""
    if isinstance(change, ChangeConnector):
        return change.action == "create"
    return isinstance(change, CreateTopic) or (isinstance(change, RegisterSchema) and not change.next)


def batches(plan: Sequence[Planned]) -> Iterator[list[Planned]]:
    """Successive changes that may be asked for in one request. Schemas are judged together, connectors settle together."""
    batch: list[Planned] = []
    weight = 0
    for planned in plan:
        heavy = _weight(planned.change)
        together = bool(batch) and _family(batch[0]) == _family(planned)
        endless = _family(planned) in {"schemas", "connectors"}
        if batch and (not together or (not endless and (len(batch) >= _AT_ONCE or weight + heavy > _PARTITIONS_AT_ONCE))):
            yield batch
            batch, weight = [], 0
        batch.append(planned)
        weight += heavy
    if batch:
        yield batch


def _weight(change: Change) -> int:
    """In partitions: a password costs this machine thousands of rounds of its hash, before the request leaves."""
    if isinstance(change, SetPassword):
        return _PARTITIONS_AT_ONCE // _PASSWORDS_AT_ONCE
    return change.partitions if isinstance(change, CreateTopic) else 1


def _family(planned: Planned) -> str:
    change = planned.change
    if isinstance(change, (RegisterSchema, SetLevel)):
        return "schemas"
    if isinstance(change, Delete):
        return f"delete {planned.object.kind}"
    return "connectors" if isinstance(change, ChangeConnector) else type(change).__name__


@dataclass(frozen=True, slots=True)
class Applier:
    """Makes the changes of one look."""

    spec: EnvironmentSpec
    sources: Sources
    ledger: Ledger
    log: AuditLog
    secrets: Path | None
    patience: float
    progress: Progress

    def run(self, look: Look) -> Applied:
        """All that is to be made. Raises :class:`ApplyError` for the first batch in which anything fails."""
        maker, plan = Maker(self.sources.kafka, self.secrets), look.to_make
        for planned in plan:
            if isinstance(planned.change, SetPassword):
                maker.password(planned.change.user, planned.change.mechanism)
        self.ledger.write(marks_of(look))
        applied = Applied(plan)
        for batch in batches(plan):
            self.ledger.check()
            outcome = self._make(maker, batch, look)
            applied.made += outcome.made
            self._tell(outcome)
            if outcome.found:
                self.ledger.write({Object("topic", name): "adopted" for name in outcome.found})
            self.progress(len(applied.made), len(plan), f"{_family(batch[0])} {batch[-1].object}")
            if outcome.failed:
                raise applied.error(outcome.failed)
        gone: dict[Object, Mark | None] = {thing: None for thing in look.words.delete if look.owned.holds(thing)}
        self.ledger.write(gone)
        return applied

    def _make(self, maker: Maker, batch: Sequence[Planned], look: Look) -> Outcome:
        family, made = _family(batch[0]), set[int]()
        try:
            if family == "schemas":
                self._schemas(batch, look, made)
            elif family == "connectors":
                self._connectors(batch, look, made)
            elif family in {"delete subject", "delete connector"}:
                self._delete(batch, made)
            else:
                return maker.make(batch)
        except CdcError as error:
            return _broken_off(batch, made, error)
        return Outcome(list(batch))

    def _schemas(self, batch: Sequence[Planned], look: Look, made: set[int]) -> None:
        assert self.sources.registry is not None
        assert look.judged.schemas is not None
        told = {_told_of(planned.change): id(planned) for planned in batch}

        def tell(step: Step, so: bool) -> None:
            if step in told:
                (made.add if so else made.discard)(told[step])

        after = apply_changes(look.judged.schemas, self.sources.registry, tell)
        if not after.compatible:
            names = ", ".join(finding.subject for finding in after.findings if finding.state == "incompatible")
            raise CdcError(
                f"not compatible under the levels of the spec: {names}; no schema was registered"
                "\n      → change the schema, or its level"
            )

    def _connectors(self, batch: Sequence[Planned], look: Look, made: set[int]) -> None:
        """As ``cdc connect apply`` does it, plugins asked first. One that does not run then is not made."""
        from operations.connect.commands import wanted_lives

        assert self.sources.connect is not None
        assert self.spec.connect is not None
        cluster = self.sources.connect[look.judged.active]
        wanted, planned = connectors(self.spec, self.spec.connect.active), look.judged.connectors or ()
        refused = planning.refusals(cluster, wanted, planned)
        if refused:
            raise ConnectError("refused by their plugins, no connector was changed:\n  " + "\n  ".join(refused))
        lives = wanted_lives(self.spec)
        by_name = {planned.object.name: id(planned) for planned in batch}

        def say(line: str) -> None:
            if (name := line.partition(":")[0]) in by_name:
                made.add(by_name[name])

        planning.apply(cluster, wanted, planned, say, lives)
        names = [one.name for one in wanted]
        try:
            planning.settle(cluster, names, self.spec.connect.max_restarts, self.patience, lambda _: None, lives)
        except ConnectError:
            made.clear()
            states = cluster.states()
            made.update(planned for name, planned in by_name.items() if planning.is_settled(states.get(name), lives))
            raise

    def _delete(self, batch: Sequence[Planned], made: set[int]) -> None:
        for planned in batch:
            change = planned.change
            assert isinstance(change, Delete)
            if change.object.kind == "subject":
                assert self.sources.registry is not None
                self.sources.registry.delete(change.object.name)
            else:
                assert self.sources.connect is not None
                self.sources.connect[change.colour].delete(change.object.name)
            made.add(id(planned))

    def _tell(self, outcome: Outcome) -> None:
        for planned in outcome.made:
            self.log.change(str(planned.object), after=change_record(planned.change))
        for failure in outcome.failed:
            self.log.change(
                str(failure.planned.object), after=change_record(failure.planned.change), outcome="failed", why=failure.why
            )


def _broken_off(batch: Sequence[Planned], made: set[int], error: CdcError) -> Outcome:
    """The first that was not made is the one that failed, as far as can be told. ``made`` are ids of what was."""
    why, _, remedy = str(error).partition("\n      → ")
    failed = next((planned for planned in batch if id(planned) not in made), batch[-1])
    done = [planned for planned in batch if id(planned) in made and planned is not failed]
    return Outcome(done, [Failure(failed, why, remedy or "look into its log")])


def _told_of(change: Change) -> Step:
    """What :func:`apply_changes` calls it."""
    assert isinstance(change, (SetLevel, RegisterSchema))
    return ("level" if isinstance(change, SetLevel) else "schema"), change.subject


def settled(again: Callable[[], Look], seconds: float, pause: float = 0.2) -> Look:
    """Look until everything that was made is seen: what a controller has taken, brokers know a moment later."""
    deadline = time.monotonic() + seconds
    while ((found := again()).to_make or found.seen.gaps) and time.monotonic() < deadline:
        time.sleep(pause)
    return found


def still_different(look: Look) -> ApplyError:
    """Something was taken and is not so: somebody else undid it, or it is not to be seen."""
    lines = _listed(look.to_make)
    return ApplyError(
        "\n".join(
            [
                f"{len(look.to_make):,} still not so after they were made:",
                *lines,
                "      → look who else changes them, and whether this user may Describe them",
            ]
        )
    )
