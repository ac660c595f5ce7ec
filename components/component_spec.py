"""The base of one component's spec: what it asks of Kafka, which secrets its programs read, and what must hold between it and
the rest of the environment."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from components.core.errors import Problem
from components.core.model import SpecModel
from components.core.secrets import Use
from components.kafka.state import KafkaState

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec


class ComponentSpec(SpecModel):
    """A field of :class:`EnvironmentSpec`. The environment asks each of its components these questions, so that a new
    component changes nothing elsewhere."""

    def kafka_state(self, environment: "EnvironmentSpec") -> KafkaState:
        """The topics and users that its programs need, in any order."""
        return KafkaState((), ())

    def secret_uses(self, environment: "EnvironmentSpec") -> Iterator[Use]:
        """Its programs, each with the files of secrets that it reads, in any order; a program may have none."""
        yield from ()

    def misfits(self, environment: "EnvironmentSpec") -> Iterator[Problem]:
        """What does not fit the rest of the environment; paths begin at the environment's root. It is asked only once every
        reference between pipelines and tenants holds."""
        yield from ()

    def file_problems(self, root: Path) -> Iterator[Problem]:
        """What is wrong with the files that it names, which lie in the project folder ``root``; paths are relative to it. Asked
        by loading alone: a spec that is built from plain values reads no file."""
        yield from ()
