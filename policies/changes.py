"""Judges a change: an environment before and after (``cdc diff``). Pure."""

from datetime import date

from components.core.rendered import Rendered
from components.environment import EnvironmentSpec
from policies import footprint
from policies.engine import Verdict, apply_waivers, ordered, run
from policies.rules import changes
from policies.rules.changes import Change


def judge_change(before: EnvironmentSpec | Rendered, after: EnvironmentSpec, today: date) -> Verdict:
    """What the step from ``before`` to ``after`` breaks. The waivers are those of ``after``; :func:`policies.engine.judge`
    judges them. Before may be the manifests of an earlier rendered tree; :class:`CdcError` when they hold no Kafka cluster."""
    earlier = footprint.of_spec(before) if isinstance(before, EnvironmentSpec) else footprint.of_rendered(before)
    change = Change(earlier, footprint.of_spec(after))
    active, found = run(changes.RULES, change, change.tier)
    findings, _ = apply_waivers(found, after.waivers, today)
    return Verdict(after.name, change.tier, today, ordered(findings), active)


__all__ = ["judge_change"]
