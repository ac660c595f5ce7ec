"""What the parts of an environment must agree on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cluster:
    """The target, the number of brokers, the replicas of a topic that does not say, and whether old segments are tiered."""

    target: str
    brokers: int
    default_replicas: int
    tiered: bool

    def in_sync(self, replicas: int | None) -> int:
        """The most replicas that may be asked to be in sync."""
        return max(1, (replicas or self.default_replicas) - 1)
