"""Experiments as Chaos Mesh's Schedules. Pure."""

from components.chaos.kinds import KINDS
from components.chaos.spec import ChaosSpec, ExperimentSpec
from components.core.kubernetes import manifest
from components.core.quantities import format_duration
from components.core.rendered import Manifest, Rendered
from components.environment import EnvironmentSpec

COMPONENT = "chaos"
API_VERSION = "chaos-mesh.org/v1alpha1"
HOLDS, ALERTS, RUNBOOK, OWNER = (f"cdc.platform/{name}" for name in ("must-hold", "alerts", "runbook", "owner"))
_LATEST_SECONDS = 60
"""One that could not begin in time is left out: it would begin outside its window, or beside another."""
_KEPT = 5
"""How many runs of each can be looked at."""


def render(spec: EnvironmentSpec) -> Rendered:
    """One Schedule for each experiment; nothing where none is declared."""
    if spec.chaos is None:
        return Rendered()
    return Rendered(manifests=tuple(_schedule(spec, spec.chaos, experiment) for experiment in spec.chaos.experiments))


def _schedule(spec: EnvironmentSpec, chaos: ChaosSpec, experiment: ExperimentSpec) -> Manifest:
    kind = KINDS[experiment.kind]
    type_, own = kind.body(spec, experiment)
    body = {**own, "mode": "one"}
    if not kind.at_once:
        body["duration"] = format_duration(experiment.duration)
    annotations = {HOLDS: kind.holds, ALERTS: ", ".join(kind.alerts), RUNBOOK: f"docs/runbooks/{kind.runbook}.md"}
    if chaos.window is not None:
        annotations[OWNER] = chaos.window.owner
    return manifest(
        COMPONENT,
        spec.context,
        API_VERSION,
        "Schedule",
        f"chaos-{experiment.title}",
        annotations=annotations,
        spec={
            "schedule": experiment.schedule,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": _LATEST_SECONDS,
            "historyLimit": _KEPT,
            "type": type_,
            f"{type_[0].lower()}{type_[1:]}": body,
        },
    )
