"""Whose an object is. Pure.

*Managed* is what ``cdc`` made; it answers for all of it. *Adopted* is what the spec names and was there before: it is brought
to what the spec says, and what the spec does not say of it stays. *External* is everything else: shown, never touched.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from operations.live.changes import Object

Mark = Literal["managed", "adopted"]


@dataclass(frozen=True, slots=True)
class Ownership:
    """What is recorded of the past. What the spec names needs no record to be ours: without one it is adopted."""

    marks: Mapping[Object, Mark] = field(default_factory=dict)

    def is_managed(self, thing: Object) -> bool:
        return self.marks.get(thing) == "managed"

    def holds(self, thing: Object) -> bool:
        return thing in self.marks

    def missing(self, named: Iterable[Object]) -> dict[Object, Mark]:
        """Marks for what the spec names and nothing is recorded of."""
        return {thing: "adopted" for thing in named if thing not in self.marks}
