"""What the user writes about Kafka's nodes: how many, on what disks, where, and their JVM."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from components.core.errors import Problem
from components.core.model import DnsLabel, SpecModel, setting
from components.core.quantities import ByteSize
from components.core.resources import ResourcesSpec

_MIB, _GIB = 1 << 20, 1 << 30


class StorageSpec(SpecModel):
    """The disks of one node; ``storage: 500Gi`` is short for ``storage: {size: 500Gi}``."""

    shorthand: ClassVar[str | None] = "size"
    size: ByteSize = setting(100 * _GIB, help="Size of each volume.", becomes="KafkaNodePool.spec.storage.volumes[].size")
    volumes: int = setting(
        1, help="Volumes per node (JBOD).", becomes="KafkaNodePool.spec.storage.volumes; log.dirs", ge=1, le=32
    )
    storage_class: str | None = setting(
        None,
        help="Storage class of the claims.",
        becomes="KafkaNodePool.spec.storage.volumes[].class",
        alias="class",
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        max_length=253,
    )
    type: Literal["persistent", "ephemeral"] = setting(
        "persistent", help="Whether the data outlives the pod.", becomes="storage type persistent-claim or ephemeral"
    )
    keep: bool = setting(True, help="Keep the claims when the pool is deleted.", becomes="deleteClaim: false")


class JvmSpec(SpecModel):
    """The Java virtual machine; ``jvm: 2Gi`` is short for ``jvm: {heap: 2Gi}``."""

    shorthand: ClassVar[str | None] = "heap"
    heap: ByteSize | None = setting(
        None,
        help="Heap, minimum and maximum; half the memory when left out (the rest is page cache).",
        becomes="jvmOptions -Xms and -Xmx; KAFKA_HEAP_OPTS",
    )
    options: Mapping[str, str] = setting(
        dict, help="-XX options by name, such as MaxGCPauseMillis: '20'.", becomes='jvmOptions."-XX"'
    )


class NodePoolSpec(SpecModel):
    """Nodes of one role; ``brokers: 3`` is short for ``brokers: {replicas: 3}``."""

    shorthand: ClassVar[str | None] = "replicas"
    replicas: int = setting(3, help="Number of nodes.", becomes="KafkaNodePool.spec.replicas; one container each", ge=0, le=100)
    storage: StorageSpec = setting(
        StorageSpec, help="The disks of each node.", becomes="KafkaNodePool.spec.storage; a volume each"
    )
    resources: ResourcesSpec = setting(
        ResourcesSpec, help="CPU and memory of each node.", becomes="KafkaNodePool.spec.resources; container limits"
    )
    jvm: JvmSpec = setting(JvmSpec, help="JVM of each node.", becomes="KafkaNodePool.spec.jvmOptions")

    @property
    def heap_bytes(self) -> int:
        return self.jvm.heap if self.jvm.heap is not None else self.resources.memory // 2

    def problems(self) -> list[Problem]:
        if self.heap_bytes < _MIB:
            where = "jvm.heap" if self.jvm.heap is not None else "resources.memory"
            return [Problem(where, "leaves the heap less than 1MiB", "write more")]
        if self.heap_bytes >= self.resources.memory:
            return [
                Problem(
                    "jvm.heap",
                    "is not less than resources.memory: the node would be killed, or have no page cache",
                    "write about half of the memory",
                )
            ]
        return []


class ControllerPoolSpec(NodePoolSpec):
    """Dedicated controllers. They hold the cluster's metadata and no records, so that less is enough for them."""

    storage: StorageSpec = setting(
        lambda: StorageSpec(size="20Gi"), help="The disks of each node.", becomes="KafkaNodePool.spec.storage; a volume each"
    )
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(memory="2Gi"),
        help="CPU and memory of each node.",
        becomes="KafkaNodePool.spec.resources; container limits",
    )


class RackSpec(SpecModel):
    """Spreads replicas over failure domains; ``racks: topology.kubernetes.io/zone`` is enough on Kubernetes."""

    shorthand: ClassVar[str | None] = "topology_key"
    topology_key: str = setting(
        "topology.kubernetes.io/zone",
        help="Node label that names the failure domain.",
        becomes="Kafka.spec.kafka.rack and topologySpreadConstraints",
        pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
    )
    names: tuple[DnsLabel, ...] = setting(
        (), help="Rack names on the docker target, given to brokers in turn.", becomes="broker.rack"
    )
    max_skew: int = setting(
        1,
        help="Most by which two domains' node counts may differ.",
        becomes="topologySpreadConstraints[].maxSkew",
        ge=1,
        le=2_147_483_647,
    )
