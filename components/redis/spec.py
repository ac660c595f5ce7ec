"""What the user writes about Redis (requirements B3 and B9)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.component_spec import ComponentSpec
from components.core import tls
from components.core.errors import Problem
from components.core.model import SecretReference, SpecModel, setting
from components.core.quantities import ByteSize, Duration
from components.core.resources import ResourcesSpec
from components.core.secrets import Use
from components.postgres.spec import VolumeSpec
from components.redis import derive

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec

_MIB = 1 << 20
_LARGEST_SHARE = 0.75
"""Of a container's memory. While Redis writes a snapshot, pages that change are there twice."""


class SnapshotSpec(SpecModel):
    """When Redis writes all that it holds into a file."""

    after: Duration = setting(help="After so long, if enough was changed.", becomes="save <seconds> …")
    changes: int = setting(help="How many keys must have been changed.", becomes="save … <changes>", ge=1, le=1_000_000_000)

    def problems(self) -> list[Problem]:
        if self.after < 1000:
            return [Problem("after", "Redis counts whole seconds", "write at least 1s")]
        return []


class RedisTlsSpec(SpecModel):
    """How connections to Redis and its Sentinels are encrypted."""

    enabled: bool = setting(
        True, help="Whether every port speaks TLS, and none speaks without it.", becomes="port 0, tls-port, tls-replication"
    )
    certificate: SecretReference = tls.certificate(
        "redis-tls",
        help="Reference to the certificate of every node and Sentinel, PEM; it is good for all their host names "
        "(docker: redis-0 …, Kubernetes: *.redis.<namespace>.svc and *.redis-sentinel.<namespace>.svc).",
        becomes="tls-cert-file",
    )
    key: SecretReference = tls.private_key("redis-tls", help="Reference to its key, PEM.", becomes="tls-key-file")
    ca: SecretReference = tls.authority(
        "redis-tls", help="Reference to what signed it, PEM.", becomes="tls-ca-cert-file; ca_file of the workers"
    )


class RedisSpec(ComponentSpec):
    """Redis. Its users, and the keys that each may touch, are derived from the pipelines."""

    nodes: int = setting(
        3,
        help="A master and its replicas; one alone has no replica.",
        becomes="StatefulSet redis; containers redis-0 …",
        ge=1,
        le=9,
    )
    sentinels: int = setting(
        3,
        help="Sentinels, which make a replica the master where the master dies; none for a node alone.",
        becomes="StatefulSet redis-sentinel; containers redis-sentinel-0 …",
        ge=0,
        le=9,
    )
    image: str | None = setting(
        None, help="Image, when not the platform's own; pinned by tag or digest.", becomes="container image", min_length=1
    )
    storage: VolumeSpec = setting(
        lambda: VolumeSpec(size="10Gi"), help="Disk of each node.", becomes="volumeClaimTemplates; volumes redis-0 …"
    )
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(cpu="500m", memory="4Gi"), help="CPU and memory of each node.", becomes="container resources"
    )
    max_memory: ByteSize | None = setting(
        None,
        help="Most memory for data; half of the node's when left out. Writes beyond it are refused, nothing is dropped.",
        becomes="maxmemory; maxmemory-policy noeviction",
    )
    snapshots: tuple[SnapshotSpec, ...] = setting(
        lambda: (SnapshotSpec(after="5m", changes=10), SnapshotSpec(after="1m", changes=100)),
        help="When everything is written into a file, besides the log of writes that is flushed every second.",
        becomes="save; appendonly yes and appendfsync everysec stand beside it",
        min_length=1,
    )
    failover_after: Duration = setting(
        5_000,
        help="How long the master may be silent before the Sentinels take it for dead.",
        becomes="sentinel down-after-milliseconds",
    )
    tls: RedisTlsSpec = setting(RedisTlsSpec, help="Encryption.", becomes="tls-port and its files")

    @property
    def memory_for_data(self) -> int:
        return self.resources.memory // 2 if self.max_memory is None else self.max_memory

    @property
    def quorum(self) -> int:
        """How many Sentinels must agree that the master is dead: the smallest majority."""
        return self.sentinels // 2 + 1

    def problems(self) -> list[Problem]:
        found = []
        if self.memory_for_data > self.resources.memory * _LARGEST_SHARE:
            found.append(Problem("maxMemory", "leaves too little of resources.memory", "write at most three quarters of it"))
        if self.resources.memory < 64 * _MIB:
            found.append(Problem("resources.memory", "is too little for Redis", "write at least 64Mi"))
        if self.nodes > 1 and self.sentinels == 0:
            found.append(Problem("sentinels", "nobody would make a replica the master", "write 3, or nodes: 1"))
        if self.sentinels > 0 and self.nodes == 1:
            found.append(Problem("nodes", "Sentinels have no replica to choose", "write 3, or sentinels: 0"))
        if self.sentinels > 0 and self.sentinels % 2 == 0:
            found.append(Problem("sentinels", f"{self.sentinels} can be split into two halves", "write an odd number"))
        if self.failover_after < 500:
            found.append(Problem("failoverAfter", "a pause of the network would look like a death", "write at least 500ms"))
        return found

    def secret_uses(self, environment: "EnvironmentSpec") -> Iterator[Use]:
        from components.redis.uses import secret_uses

        return secret_uses(environment, self)

    def misfits(self, environment: "EnvironmentSpec") -> Iterator[Problem]:
        """Users that Redis could not tell apart."""
        names = [user.name for user in derive.users(environment)]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield Problem("redis", f"two users would be {name}", "rename the tenant or the pipeline")
