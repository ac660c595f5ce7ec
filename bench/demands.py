"""What the project promises of its speed, held against what was measured. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.measure import growth_exponent
from bench.suites import WORK, WRITTEN_OUT, Group, Plan

GROWTH_BOUND = 1.1
"""Linear growth, with room for what a log-log slope over three sizes may be off by."""
PREVIEW_SECONDS = 2.0
FLOOR_BOUND = 1.2
FLOOR_TOPICS = 1_000
"""Within 20 % of the SDK's own floor; with fewer topics the start of the program is most of it."""


@dataclass(frozen=True, slots=True)
class Demand:
    """One promise: ``value`` lies below ``bound``. ``unit`` is ``×`` (of the peer's time), ``s``, or empty (an exponent).

    ``processor`` is the same ratio of processor times, which a busy machine disturbs less.
    """

    text: str
    value: float
    bound: float
    unit: str
    processor: float | None = None

    @property
    def met(self) -> bool:
        return self.value < self.bound

    def plain(self) -> dict[str, Any]:
        """For ``results.json``."""
        processor = {} if self.processor is None else {"processor": round(self.processor, 3)}
        value = {"value": round(self.value, 3), "bound": self.bound, "unit": self.unit, "met": self.met}
        return {"demand": self.text, **value, **processor}


def demands(groups: Mapping[str, Group], plan: Plan) -> list[Demand]:
    """Those that can be judged by what was measured."""
    found: list[Demand] = []
    if "stream" in groups:
        found += _against(groups["stream"], "whole", "helm", plan.largest.topics, "to one stream, checked: of helm template")
        exponent = growth_exponent(groups["stream"].points("whole"))
        found.append(Demand("growth exponent, the whole process", exponent, GROWTH_BOUND, ""))
    if "steps" in groups:
        points = [(size.topics, _work(groups["steps"], size.topics)) for size in plan.sizes]
        found.append(Demand("growth exponent, without the start", growth_exponent(points), GROWTH_BOUND, ""))
    if "files" in groups:
        found += _against(groups["files"], "whole", "helm", plan.largest.topics, "to files, checked: of helm template")
    if "start" in groups:
        seconds = groups["start"].median("prod", 0)
        found += [] if seconds is None else [Demand("cdc preview prod, cold start", seconds, PREVIEW_SECONDS, "s")]
    if "pulumi" in groups and plan.pulumi_topics >= FLOOR_TOPICS:
        for name, what in (("new", "a new stack"), ("same", "an unchanged stack")):
            text = f"registered, pulumi preview of {what}: of the SDK's floor"
            found += _against(groups["pulumi"], f"ours-{name}", f"floor-{name}", plan.pulumi_topics, text, FLOOR_BOUND)
    return found


def _work(steps: Group, topics: int) -> float:
    """Seconds from the text of the spec to one stream of YAML."""
    return sum(steps.median(step, topics, WRITTEN_OUT) or 0.0 for step in WORK)


def _against(group: Group, ours: str, theirs: str, topics: int, text: str, bound: float = 1.0) -> list[Demand]:
    mine, other = group.find(ours, topics), group.find(theirs, topics)
    if mine is None or other is None:
        return []
    processor = mine.cpu_seconds / other.cpu_seconds
    return [Demand(f"{topics:,} topics {text}", mine.seconds / other.seconds, bound, "×", processor)]
