"""CPU and memory of a container, as the user writes them."""

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
