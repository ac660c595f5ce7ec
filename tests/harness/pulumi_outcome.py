"""What one run of the Pulumi command did, read from the engine's own event log."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENGINES_OWN = ("pulumi:pulumi:Stack", "pulumi:providers:")


class PulumiFailed(AssertionError):
    """The command ended with another exit code than the test needs. The message holds everything it wrote."""


@dataclass(frozen=True)
class Step:
    """One step of the engine: what it does to which resource, and which properties make it do so.

    ``op`` is the engine's word: ``same``, ``create``, ``update``, ``delete``, ``replace``, ``create-replacement``,
    ``delete-replaced``, ``read``, ``refresh``, … ``detailed_diff`` maps a property's path to ``update``, ``add-replace``, ….
    A ``planned`` step was only previewed.
    """

    op: str
    urn: str
    type: str
    detailed_diff: Mapping[str, str]
    planned: bool

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.rsplit("::", 1)[-1]


@dataclass(frozen=True)
class Violation:
    """A policy's verdict on a resource; ``level`` is ``mandatory`` or ``advisory``."""

    policy: str
    level: str
    urn: str
    message: str


@dataclass(frozen=True)
class Outcome:
    """Exit code, output and events of a command. ``up`` previews first: its steps are the update's, if it came to that."""

    command: str
    returncode: int
    stdout: str
    stderr: str
    seconds: float
    events: tuple[Mapping[str, Any], ...]

    @property
    def output(self) -> str:
        """Both streams, for messages."""
        return f"{self.stdout}{self.stderr}"

    def succeeded(self) -> "Outcome":
        """This outcome, if the command succeeded; else :class:`PulumiFailed`."""
        if self.returncode != 0:
            raise PulumiFailed(f"pulumi {self.command} ended with {self.returncode}:\n{self.output}")
        return self

    def refused(self) -> "Outcome":
        """This outcome, if the command failed; else :class:`PulumiFailed`."""
        if self.returncode == 0:
            raise PulumiFailed(f"pulumi {self.command} was to fail, and did not:\n{self.output}")
        return self

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the last operation, in order; those of the stack itself and of providers are left out."""
        steps = (_step(event["resourcePreEvent"]) for event in self._last_operation() if "resourcePreEvent" in event)
        return tuple(step for step in steps if not step.type.startswith(ENGINES_OWN))

    @property
    def applied(self) -> tuple[Step, ...]:
        """The steps that were really taken: none for a preview, nor for an ``up`` whose preview was refused."""
        return tuple(step for step in self.steps if not step.planned)

    def count(self, op: str) -> int:
        """How many steps have this operation."""
        return sum(step.op == op for step in self.steps)

    def urns(self, *ops: str) -> set[str]:
        """The URNs of the steps with these operations, or of all steps."""
        return {step.urn for step in self.steps if not ops or step.op in ops}

    @property
    def changes(self) -> dict[str, int]:
        """Resources per operation as the engine's summary counts them, the stack included; a replacement counts once."""
        summaries = [event["summaryEvent"] for event in self._last_operation() if "summaryEvent" in event]
        return dict(summaries[-1]["resourceChanges"]) if summaries else {}

    @property
    def violations(self) -> tuple[Violation, ...]:
        """What policies reported, over all operations, each once."""
        found = (_violation(event["policyEvent"]) for event in self.events if "policyEvent" in event)
        return tuple(dict.fromkeys(found))

    @property
    def diagnostics(self) -> tuple[str, ...]:
        """The messages of warnings and errors, as shown to the user."""
        found = (event["diagnosticEvent"] for event in self.events if "diagnosticEvent" in event)
        return tuple(it["message"] for it in found if it["severity"] in {"warning", "error"} and not it.get("ephemeral"))

    def _last_operation(self) -> Iterator[Mapping[str, Any]]:
        starts = [index for index, event in enumerate(self.events) if "preludeEvent" in event]
        return iter(self.events[starts[-1] if starts else 0 :])


def _step(event: Mapping[str, Any]) -> Step:
    metadata = event["metadata"]
    changed = metadata.get("detailedDiff") or {}
    kinds = {path: difference["diffKind"] for path, difference in changed.items()}
    return Step(metadata["op"], metadata["urn"], metadata["type"], kinds, event.get("planning", False))


def _violation(event: Mapping[str, Any]) -> Violation:
    return Violation(event["policyName"], event["enforcementLevel"], event.get("resourceUrn", ""), event["message"])


def read_events(log: Path) -> tuple[Mapping[str, Any], ...]:
    """The events of a log, one JSON object a line; none when the command ended before the engine started."""
    if not log.exists():
        return ()
    return tuple(json.loads(line) for line in log.read_text().splitlines() if line)
