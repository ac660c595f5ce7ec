"""The nodes of a cluster that runs as containers: names, ids, roles, racks and what KRaft knows them by. Pure."""

import base64
import hashlib
from dataclasses import dataclass
from itertools import count

from components.core.context import Context
from components.kafka.node_spec import NodePoolSpec
from components.kafka.spec import KafkaSpec

FIRST_CONTROLLER_ID = 100
"""Brokers count from 0, controllers from here, so that a broker added later never takes a controller's id."""

CONTROLLER_PORT = 9090


@dataclass(frozen=True, slots=True)
class Node:
    """One node. ``name`` is its container's and host's name, ``rack`` the failure domain of a broker."""

    id: int
    name: str
    is_controller: bool
    is_broker: bool
    pool: NodePoolSpec
    rack: str | None = None

    @property
    def roles(self) -> str:
        """Kafka's own spelling (``process.roles``)."""
        return ",".join(role for role, held in (("broker", self.is_broker), ("controller", self.is_controller)) if held)

    @property
    def controller_endpoint(self) -> str:
        """Where the other nodes reach it as a controller."""
        return f"{self.name}:{CONTROLLER_PORT}"


def nodes(kafka: KafkaSpec) -> tuple[Node, ...]:
    """Controllers, then brokers, each by id; the brokers are the controllers where there are no dedicated ones."""
    racks = kafka.racks.names if kafka.racks is not None else ()
    controllers = [
        Node(node_id, f"{kafka.name}-controllers-{node_id}", is_controller=True, is_broker=False, pool=kafka.controllers)
        for node_id in range(FIRST_CONTROLLER_ID, FIRST_CONTROLLER_ID + kafka.controllers.replicas)
    ]
    brokers = [
        Node(
            node_id,
            f"{kafka.name}-brokers-{node_id}",
            is_controller=kafka.combined,
            is_broker=True,
            pool=kafka.brokers,
            rack=racks[node_id % len(racks)] if racks else None,
        )
        for node_id in range(kafka.brokers.replicas)
    ]
    return (*controllers, *brokers)


def controllers(kafka: KafkaSpec) -> tuple[Node, ...]:
    """The nodes that vote."""
    return tuple(node for node in nodes(kafka) if node.is_controller)


def cluster_id(kafka: KafkaSpec, context: Context) -> str:
    """The cluster's KRaft id: the same spec gives the same id, so that every node of it formats its storage alike."""
    return _kafka_uuid(f"{context.environment}/{kafka.name}")


def initial_controllers(kafka: KafkaSpec, context: Context) -> str:
    """The voters of a new cluster as ``kafka-storage format --initial-controllers`` takes them: every one of them is
    formatted with the same text, each finding the id of its own metadata directory in it (KIP-853).

    Controllers added to a running quorum join it by themselves, as long as the old ones are the majority of the new list: new
    ones that are the majority (two beside one) must not start before the old one leads, or they elect each other.
    """
    return ",".join(
        f"{node.id}@{node.controller_endpoint}:{_kafka_uuid(f'{context.environment}/{kafka.name}/{node.name}')}"
        for node in controllers(kafka)
    )


def _kafka_uuid(seed: str) -> str:
    """128 bits of a hash as Kafka writes its ids: URL-safe base64 in 22 characters, never beginning with ``-``, which a
    command line would take for an option."""
    texts = (_base64(f"{seed}#{attempt}" if attempt else seed) for attempt in count())
    return next(text for text in texts if not text.startswith("-"))


def _base64(seed: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(seed.encode()).digest()[:16]).decode().rstrip("=")
