"""What the rendered configurations of nodes say about a key."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from components.core.paths import format_step
from components.kafka.settings import OWNED_BROKER_KEYS
from policies.model import NodeConfiguration, Subject


@dataclass(frozen=True, slots=True)
class Setting:
    """One value (``None`` when not set) of a key, and the nodes that have it: the first one's id, and how many."""

    value: str | None
    resource: str
    nodes: int

    @property
    def on(self) -> str:
        """`` on 3 nodes``, or nothing when there is one configuration only."""
        return f" on {self.nodes} nodes" if self.nodes > 1 else ""

    @property
    def said(self) -> str:
        """``is 1 on 3 nodes``, ``is not set``."""
        return f"is not set{self.on}" if self.value is None else f"is {self.value}{self.on}"


def node_settings(subject: Subject, key: str) -> Iterator[Setting]:
    """Every distinct value of ``key`` on brokers and controllers, once, however many nodes have it."""
    yield from _distinct(subject.nodes, key)


def broker_settings(subject: Subject, key: str) -> Iterator[Setting]:
    """Every distinct value of ``key`` on brokers alone: what controllers have no use for."""
    yield from _distinct((node for node in subject.nodes if node.is_broker), key)


def _distinct(nodes: Iterable[NodeConfiguration], key: str) -> Iterator[Setting]:
    found: dict[str | None, list[str]] = {}
    for node in nodes:
        found.setdefault(node.settings.get(key), []).append(node.resource)
    for value, resources in found.items():
        yield Setting(value, resources[0], len(resources))


def whole_number(value: str | None) -> int | None:
    """``value`` as an integer, or ``None`` when it is none."""
    return int(value) if value is not None and value.lstrip("-").isdigit() else None


def setting_path(key: str) -> str:
    """The spec field that sets a broker key."""
    return OWNED_BROKER_KEYS.get(key, f"kafka.config{format_step(key)}")
