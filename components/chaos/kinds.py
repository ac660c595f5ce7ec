"""The experiments there are: what each does to whom, what must hold meanwhile, and what an environment needs for it. Pure.

Every selector names pods of the platform's own namespace by labels that the platform itself gives them, or that the operator of
what it renders does: Strimzi and CloudNativePG. One pod at a time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Literal, get_args

from components.connect.names import cluster_name
from components.core.kubernetes import Body
from components.core.quantities import format_bytes, format_duration
from components.postgres.derive import PODS as POSTGRES
from components.redis.derive import NAME as REDIS
from components.redis.derive import pods
from components.schema_registry.derive import NAME as REGISTRY

if TYPE_CHECKING:
    from components.chaos.spec import ExperimentSpec
    from components.environment import EnvironmentSpec

KindName = Literal[
    "broker-kill",
    "broker-partition",
    "broker-latency",
    "broker-cpu",
    "broker-memory",
    "controller-partition",
    "registry-failure",
    "connect-worker-kill",
    "postgres-away",
    "redis-kill",
]
NAMES: tuple[KindName, ...] = get_args(KindName)

_QUORUM = 3
"""Fewest brokers and controllers of which one may be missing while writes and elections go on."""

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Kind:
    """``body`` gives the type of Chaos Mesh's object and what of its spec is not the same for all; ``lacks`` says what an
    environment has not that it takes, or nothing. ``at_once`` experiments are over when they have begun. ``holds`` is the
    hypothesis, ``alerts`` those that may fire while it is tried, ``runbook`` the page for when it does not hold."""

    body: Callable[["EnvironmentSpec", "ExperimentSpec"], tuple[str, Body]]
    lacks: Callable[["EnvironmentSpec"], str | None]
    holds: str
    alerts: tuple[str, ...]
    runbook: str
    at_once: bool = False


def selector(environment: "EnvironmentSpec", labels: Labels) -> Body:
    """Pods of the platform's namespace with ``labels``."""
    return {"namespaces": [environment.context.namespace], "labelSelectors": dict(labels)}


def brokers(environment: "EnvironmentSpec") -> Labels:
    """What Strimzi's pods of the brokers' pool are known by."""
    return {"strimzi.io/cluster": environment.kafka.name, "strimzi.io/pool-name": "brokers"}


def controllers(environment: "EnvironmentSpec") -> Labels:
    """The same of the controllers; of the brokers where they are both."""
    pool = "brokers" if environment.kafka.combined else "controllers"
    return {"strimzi.io/cluster": environment.kafka.name, "strimzi.io/pool-name": pool}


def _kill(environment: "EnvironmentSpec", labels: Labels) -> tuple[str, Body]:
    return "PodChaos", {"action": "pod-kill", "gracePeriod": 0, "selector": selector(environment, labels)}


def _partition(environment: "EnvironmentSpec", labels: Labels, others: Labels) -> tuple[str, Body]:
    target = {"mode": "all", "selector": selector(environment, others)}
    own = selector(environment, labels)
    return "NetworkChaos", {"action": "partition", "direction": "both", "selector": own, "target": target}


def _kafka_partition(environment: "EnvironmentSpec", labels: Labels) -> tuple[str, Body]:
    return _partition(environment, labels, {"strimzi.io/cluster": environment.kafka.name})


def _latency(environment: "EnvironmentSpec", experiment: "ExperimentSpec") -> tuple[str, Body]:
    delay = {"latency": format_duration(experiment.latency), "jitter": format_duration(max(1, experiment.latency // 10))}
    own = selector(environment, brokers(environment))
    return "NetworkChaos", {"action": "delay", "direction": "to", "delay": delay, "selector": own}


def _stress(environment: "EnvironmentSpec", stressors: Body) -> tuple[str, Body]:
    own = selector(environment, brokers(environment))
    return "StressChaos", {"containerNames": ["kafka"], "stressors": stressors, "selector": own}


def _cpu(environment: "EnvironmentSpec", experiment: "ExperimentSpec") -> tuple[str, Body]:
    workers = ceil(environment.kafka.brokers.resources.cpu_limit_millicores / 1000)
    return _stress(environment, {"cpu": {"workers": workers, "load": experiment.load}})


def _memory(environment: "EnvironmentSpec", experiment: "ExperimentSpec") -> tuple[str, Body]:
    """Of what the heap leaves: the page cache, which reads and writes live on."""
    pool = environment.kafka.brokers
    size = (pool.resources.memory - pool.heap_bytes) * experiment.load // 100
    return _stress(environment, {"memory": {"workers": 1, "size": format_bytes(max(1, size))}})


def _registry(environment: "EnvironmentSpec", _: "ExperimentSpec") -> tuple[str, Body]:
    own = selector(environment, {"app.kubernetes.io/name": REGISTRY})
    return "PodChaos", {"action": "pod-failure", "selector": own}


def _worker(environment: "EnvironmentSpec", _: "ExperimentSpec") -> tuple[str, Body]:
    assert environment.connect is not None
    active = cluster_name(environment.kafka, environment.connect.active)
    return _kill(environment, {"strimzi.io/cluster": active, "strimzi.io/kind": "KafkaConnect"})


def _postgres(environment: "EnvironmentSpec", _: "ExperimentSpec") -> tuple[str, Body]:
    """The server lives on and is not failed over: only those who write do not reach it."""
    primary = {**POSTGRES, "cnpg.io/instanceRole": "primary"}
    return _partition(environment, primary, {"app.kubernetes.io/component": "sink"})


def _few_brokers(environment: "EnvironmentSpec") -> str | None:
    kafka = environment.kafka
    if kafka.brokers.replicas < _QUORUM:
        return f"{kafka.brokers.replicas} brokers, of which none may be missing"
    if kafka.topic_defaults.replicas == 1:
        return "topics of one replica"
    return None


def _few_controllers(environment: "EnvironmentSpec") -> str | None:
    kafka = environment.kafka
    voters = kafka.brokers.replicas if kafka.combined else kafka.controllers.replicas
    return None if voters >= _QUORUM else f"{voters} controllers, of which none may be missing"


def _few_registries(environment: "EnvironmentSpec") -> str | None:
    registry = environment.schema_registry
    count = 0 if registry is None else registry.replicas
    return None if count > 1 else f"{count} schema registries, of which none may be missing"


def _few_workers(environment: "EnvironmentSpec") -> str | None:
    connect = environment.connect
    count = 0 if connect is None else connect.workers(connect.active)
    return None if count > 1 else f"{count} workers of Connect, of which none may be missing"


def _no_writers(environment: "EnvironmentSpec") -> str | None:
    if environment.postgres is None or environment.postgres.external is not None:
        return "no PostgreSQL of its own"
    return None if environment.sink is not None else "no sink workers"


def _few_redis(environment: "EnvironmentSpec") -> str | None:
    redis = environment.redis
    if redis is None or redis.nodes < 2 or not redis.sentinels:
        return "no Redis whose master can be replaced"
    return None


KINDS: Mapping[KindName, Kind] = {
    "broker-kill": Kind(
        lambda environment, _: _kill(environment, brokers(environment)),
        _few_brokers,
        "No acknowledged write is lost and writes go on; within 5 minutes every replica is in sync again.",
        ("BrokersMissing", "UnderReplicatedPartitions", "TargetDown"),
        "brokers",
        at_once=True,
    ),
    "broker-partition": Kind(
        lambda environment, _: _kafka_partition(environment, brokers(environment)),
        _few_brokers,
        "The others lead its partitions, writes go on, and no acknowledged write is lost.",
        ("BrokersMissing", "OfflinePartitions", "UnderReplicatedPartitions"),
        "brokers",
    ),
    "broker-latency": Kind(
        _latency,
        _few_brokers,
        "Writes are slower, none is refused, and lag is worked off afterwards.",
        ("UnderReplicatedPartitions", "HighConsumerLag", "PipelineBehind"),
        "brokers",
    ),
    "broker-cpu": Kind(
        _cpu,
        _few_brokers,
        "Writes are slower, none is lost, and the broker stays or comes back in sync.",
        ("UnderReplicatedPartitions", "BrokersMissing", "HighConsumerLag", "PipelineBehind"),
        "brokers",
    ),
    "broker-memory": Kind(
        _memory,
        _few_brokers,
        "The broker reads from disk what it had in memory; it is not killed for want of memory.",
        ("UnderReplicatedPartitions", "BrokersMissing", "HighConsumerLag", "PipelineBehind"),
        "brokers",
    ),
    "controller-partition": Kind(
        lambda environment, _: _kafka_partition(environment, controllers(environment)),
        _few_controllers,
        "Another controller leads, the cluster can be changed, and writes go on.",
        ("NoActiveController", "TargetDown"),
        "brokers",
    ),
    "registry-failure": Kind(
        _registry,
        _few_registries,
        "HAProxy asks another registry; no client sees a failed request.",
        ("SchemaRegistryDegraded", "TargetDown"),
        "schema-registry",
    ),
    "connect-worker-kill": Kind(
        _worker,
        _few_workers,
        "The other workers take its tasks over where they were; no change is lost.",
        ("ConnectorTaskFailed", "SourceBehind", "TargetDown"),
        "connectors",
        at_once=True,
    ),
    "postgres-away": Kind(
        _postgres,
        _no_writers,
        "Workers wait and read no further; afterwards every row is there, once.",
        ("CircuitBreakerOpen", "PostgresqlUnreachable", "HighConsumerLag", "PipelineBehind"),
        "postgresql",
    ),
    "redis-kill": Kind(
        lambda environment, _: _kill(environment, pods(REDIS)),
        _few_redis,
        "Rows are written all the same; where the master died a replica is made master.",
        ("RedisHintsFail", "TargetDown"),
        "redis",
        at_once=True,
    ),
}
