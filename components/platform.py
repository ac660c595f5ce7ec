"""Composes the components in order. A new component is one line here."""

from collections.abc import Callable
from dataclasses import dataclass

from components.core.rendered import Rendered, merge
from components.environment import EnvironmentSpec
from components.foundation import render as foundation
from components.kafka import render as kafka


@dataclass(frozen=True, slots=True)
class Part:
    """One component: how it is rendered, and the name of its Pulumi class, loaded only where Pulumi runs."""

    render: Callable[[EnvironmentSpec], Rendered]
    component: str


PARTS = (
    Part(foundation.render, "components.foundation.component:Foundation"),
    Part(kafka.render, "components.kafka.component:KafkaCluster"),
)
"""In the order in which they stand on each other."""


def render(spec: EnvironmentSpec) -> Rendered:
    """The whole environment as plain values. Pure and deterministic: the same spec gives the same values in the same order."""
    return merge(part.render(spec) for part in PARTS)
