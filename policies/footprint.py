"""What of an environment cannot be changed back, in a form that a spec and a rendered tree both give. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from components.connect.connectors import connectors
from components.connect.render_kubernetes import COLOUR_LABEL
from components.core.context import Tier
from components.core.errors import CdcError
from components.core.quantities import parse_bytes
from components.core.rendered import Manifest, Rendered
from components.environment import EnvironmentSpec
from components.kafka.node_spec import NodePoolSpec
from components.kafka.state import Topic

Body = Mapping[str, Any]
_ENVIRONMENT = "cdc.platform/environment"
_DRAIN = "remove-brokers"


@dataclass(frozen=True, slots=True)
class TopicFootprint:
    """A topic as Kafka keeps it. ``path`` is where the spec says it (empty when read from a tree), ``resource`` its object."""

    name: str
    partitions: int
    replicas: int
    cleanup: str
    tiered: bool
    resource: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class PoolFootprint:
    """Nodes of one role: how many, and the bytes of each of a node's volumes."""

    replicas: int
    volume_bytes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Footprint:
    """An environment: its topics by name, pools by name (``brokers``, ``controllers``), users' objects and
    listeners' ports by name. ``drains`` tells whether replicas leave a broker before it goes; ``colour`` is that of the
    connectors, empty where there are none."""

    environment: str
    target: str
    namespace: str
    cluster: str
    version: str
    metadata_version: str
    tier: Tier | None = None
    topics: Mapping[str, TopicFootprint] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)
    pools: Mapping[str, PoolFootprint] = field(default_factory=dict)
    listeners: Mapping[str, str] = field(default_factory=dict)
    drains: bool = False
    colour: str = ""


def of_spec(spec: EnvironmentSpec) -> Footprint:
    """What ``spec`` asks for."""
    kafka = spec.kafka
    pools = {"brokers": kafka.brokers, "controllers": kafka.controllers}
    return Footprint(
        environment=spec.name,
        target=spec.target,
        namespace=spec.kubernetes.namespace if spec.target == "kubernetes" else spec.context.network,
        cluster=kafka.name,
        version=kafka.version,
        metadata_version=kafka.metadata_version,
        tier=spec.tier,
        topics={topic.name: _topic(spec, topic) for topic in spec.kafka_state.topics},
        users={user.name: _resource(spec, "User", user.name, user.name) for user in spec.kafka_state.users},
        pools={name: _pool(pool) for name, pool in pools.items() if pool.replicas},
        listeners={entry.name: str(entry.port) for entry in kafka.listeners},
        drains=kafka.cruise_control is not None and kafka.cruise_control.auto_rebalance,
        colour=_colour(spec),
    )


def of_rendered(rendered: Rendered) -> Footprint:
    """What Kubernetes manifests say, such as those of a tree that was rendered before. They do not tell the tier.

    Raises :class:`CdcError` when they hold no Kafka cluster, or more than one.
    """
    clusters = [manifest for manifest in rendered.manifests if manifest.kind == "Kafka"]
    if len(clusters) != 1:
        raise CdcError(
            f"the rendered tree holds {len(clusters)} Kafka objects, and exactly one can be compared\n"
            "      → render the environment again, or compare two specs"
        )
    body: Body = clusters[0].body
    kafka = body["spec"]["kafka"]
    by_kind = defaultdict(list)
    for manifest in rendered.manifests:
        by_kind[manifest.kind].append(manifest)
    topics = [_rendered_topic(manifest) for manifest in by_kind["KafkaTopic"]]
    return Footprint(
        environment=body["metadata"].get("labels", {}).get(_ENVIRONMENT, ""),
        target="kubernetes",
        namespace=body["metadata"].get("namespace", ""),
        cluster=body["metadata"]["name"],
        version=str(kafka.get("version", "")),
        metadata_version=str(kafka.get("metadataVersion", "")),
        topics={topic.name: topic for topic in topics},
        users={manifest.name: manifest.id for manifest in by_kind["KafkaUser"]},
        pools={manifest.name: _rendered_pool(manifest.body["spec"]) for manifest in by_kind["KafkaNodePool"]},
        listeners={entry["name"]: str(entry["port"]) for entry in kafka["listeners"]},
        drains=_DRAIN in {one["mode"] for one in body["spec"].get("cruiseControl", {}).get("autoRebalance", ())},
        colour=_rendered_colour(by_kind["KafkaConnector"], by_kind["KafkaConnect"]),
    )


def _colour(spec: EnvironmentSpec) -> str:
    return spec.connect.active if spec.connect is not None and connectors(spec, spec.connect.active) else ""


def _rendered_colour(found: list[Manifest], clusters: list[Manifest]) -> str:
    """That of the Connect cluster that the connectors name."""
    named = {manifest.body["metadata"]["labels"].get("strimzi.io/cluster") for manifest in found}
    colours = {cluster.body["metadata"]["labels"].get(COLOUR_LABEL, "") for cluster in clusters if cluster.name in named}
    return min(colours, default="")


def _rendered_topic(manifest: Manifest) -> TopicFootprint:
    spec: Body = manifest.body["spec"]
    config = spec.get("config") or {}
    return TopicFootprint(
        name=spec.get("topicName", manifest.name),
        partitions=int(spec["partitions"]),
        replicas=int(spec["replicas"]),
        cleanup=str(config.get("cleanup.policy", "delete")),
        tiered=_is_true(config.get("remote.storage.enable")),
        resource=manifest.id,
    )


def _rendered_pool(spec: Body) -> PoolFootprint:
    storage = spec["storage"]
    volumes = storage.get("volumes", ()) if storage.get("type") == "jbod" else (storage,)
    sizes = (volume.get("size", volume.get("sizeLimit")) for volume in volumes)
    return PoolFootprint(int(spec["replicas"]), tuple(parse_bytes(size) for size in sizes if size is not None))


def _resource(spec: EnvironmentSpec, kind: str, name: str, resource_name: str) -> str:
    """The id of the object that stands for a topic or user; docker has none, so its name says it."""
    return f"{kind}/{name}" if spec.target == "docker" else f"Kafka{kind}/{spec.kubernetes.namespace}/{resource_name}"


def _topic(spec: EnvironmentSpec, topic: Topic) -> TopicFootprint:
    return TopicFootprint(
        name=topic.name,
        partitions=topic.partitions,
        replicas=topic.replicas,
        cleanup=str(topic.config.get("cleanup.policy", "delete")),
        tiered=_is_true(topic.config.get("remote.storage.enable")),
        resource=_resource(spec, "Topic", topic.name, topic.resource_name),
        path=topic.origin,
    )


def _is_true(value: object) -> bool:
    return str(value).lower() == "true"


def _pool(pool: NodePoolSpec) -> PoolFootprint:
    return PoolFootprint(pool.replicas, (pool.storage.size,) * pool.storage.volumes)
