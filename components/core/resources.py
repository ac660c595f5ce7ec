"""CPU and memory of a container, and how many of its kind there are, as the user writes them."""

from typing import ClassVar

from components.core.errors import Problem
from components.core.model import SpecModel, setting
from components.core.quantities import ByteSize, Cpu

_GIB = 1 << 30


class ResourcesSpec(SpecModel):
    """CPU and memory of one container. Memory is requested and limited alike; CPU is limited only when said."""

    cpu: Cpu = setting(1000, help="CPU requested, in cores.", becomes="resources.requests.cpu")
    cpu_limit: Cpu | None = setting(
        None, help="Most CPU, in cores; twice the request when left out.", becomes="resources.limits.cpu"
    )
    memory: ByteSize = setting(
        4 * _GIB, help="Memory requested and allowed.", becomes="resources.requests.memory and limits.memory"
    )

    @property
    def cpu_limit_millicores(self) -> int:
        return self.cpu_limit if self.cpu_limit is not None else 2 * self.cpu

    def problems(self) -> list[Problem]:
        if self.cpu_limit is not None and self.cpu_limit < self.cpu:
            return [Problem("cpuLimit", "is less than the CPU requested", "write at least cpu, or leave it out")]
        return []


class AutoscalingSpec(SpecModel):
    """Pods by load (Kubernetes only); ``autoscaling: 10`` is short for ``{most: 10}`` (requirement A12)."""

    shorthand: ClassVar[str | None] = "most"
    least: int = setting(
        3,
        help="Fewest pods.",
        becomes="spec.minReplicas of HorizontalPodAutoscaler, minReplicaCount of ScaledObject",
        ge=1,
        le=100,
    )
    most: int = setting(
        10,
        help="Most pods.",
        becomes="spec.maxReplicas of HorizontalPodAutoscaler, maxReplicaCount of ScaledObject",
        ge=1,
        le=100,
    )
    cpu: int = setting(
        70,
        help="CPU, in percent of what is requested, above which pods are added.",
        becomes="spec.metrics of HorizontalPodAutoscaler, a trigger of ScaledObject",
        ge=1,
        le=100,
    )

    def problems(self) -> list[Problem]:
        if self.least > self.most:
            return [Problem("least", f"{self.least} is more than the most, {self.most}", "write at most that")]
        return []
