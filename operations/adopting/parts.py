"""What every part of an adopted spec is made with. Pure."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.core.errors import WrongValue
from components.core.quantities import format_bytes, format_count_rate, parse_byte_rate, parse_count_rate, parse_percent

Plain = dict[str, Any]
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True, order=True)
class LeftOver:
    """What the spec cannot say, or does not. It stays as it is, and nobody touches it."""

    kind: str
    name: str
    why: str


@dataclass(slots=True)
class Draft:
    """Parts of a spec by name, in the order in which they are written; and what is left out of them."""

    topics: dict[str, Plain] = field(default_factory=dict)
    users: dict[str, Plain] = field(default_factory=dict)
    pipelines: dict[str, Plain] = field(default_factory=dict)
    left: set[LeftOver] = field(default_factory=set)

    def leave(self, kind: str, name: str, why: str) -> None:
        self.left.add(LeftOver(kind, name, why))


def is_label(text: str) -> bool:
    """Whether it can name a tenant, a pipeline or a user."""
    return _LABEL.fullmatch(text) is not None


def tenant_of(topic: str) -> str | None:
    """``shop`` of ``shop_orders_lines``: what names by the convention ``{tenant}_{application}_{entity}`` tell."""
    parts = topic.split("_")
    return parts[0] if len(parts) >= 3 and all(parts[:3]) and is_label(parts[0]) else None


def quota(figures: Mapping[str, float]) -> tuple[Plain, list[str]]:
    """A quota as the spec writes it, and Kafka's names of the figures that it cannot write."""
    found: Plain = {}
    odd: list[str] = []
    for key, value in sorted(figures.items()):
        field, spelt, parse = _FIGURES.get(key, ("", str, _never))
        try:
            text = spelt(value)
            if field and parse(text) == value:
                found[field] = text
                continue
        except WrongValue:
            pass
        odd.append(key)
    return found, odd


def _never(_text: object) -> float:
    return math.nan


def _rate(value: float) -> str:
    return f"{format_bytes(int(value))}/s"


_FIGURES: Mapping[str, tuple[str, Callable[[float], str], Callable[[object], float]]] = {
    "producer_byte_rate": ("produce", _rate, parse_byte_rate),
    "consumer_byte_rate": ("consume", _rate, parse_byte_rate),
    "request_percentage": ("request", lambda value: f"{int(value)}%", parse_percent),
    "controller_mutation_rate": ("controllerMutations", format_count_rate, parse_count_rate),
}
"""The spec's field for each of Kafka's figures, how it is spelt, and how that is read."""
