"""The smallest real Kafka: one node that is broker and controller, in plain text on loopback."""

from collections.abc import Mapping
from pathlib import Path

from tests.harness.kafka_cluster import KafkaCluster, KafkaNode
from tests.harness.processes import LOOPBACK, free_ports

CLUSTER_ID = "5M7h4ooTiU-fNDuL--Y97x"
NAME = "broker"
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    "num.network.threads": "2",
    "num.io.threads": "2",
    "log.segment.delete.delay.ms": "1000",
}


class KafkaBroker(KafkaCluster):
    """A cluster of one, named ``broker``. Topics are not created by themselves."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None, jvm_options: tuple[str, ...] = ()) -> None:
        """Data and log are under ``folder``; ``settings`` add to ``server.properties``, ``jvm_options`` to the command."""
        self.port, controller_port = free_ports(2)
        folder.mkdir(parents=True, exist_ok=True)
        properties = folder / "server.properties"
        listeners = f"PLAINTEXT://{LOOPBACK}:{self.port}"
        addresses = {
            "listeners": f"{listeners},CONTROLLER://{LOOPBACK}:{controller_port}",
            "advertised.listeners": listeners,
            "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
            "log.dirs": str(folder / "data"),
        }
        lines = {**SETTINGS, **addresses, **(settings or {})}
        properties.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        super().__init__({NAME: KafkaNode(1, properties, self.port, jvm_options)}, CLUSTER_ID, folder)

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"{LOOPBACK}:{self.port}"
