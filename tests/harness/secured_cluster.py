"""Three brokers that are controllers too, on loopback: clients come with SCRAM passwords, and ACLs bind all but one of them."""

from pathlib import Path

from tests.harness.kafka_broker import SETTINGS
from tests.harness.kafka_cluster import KafkaCluster, KafkaNode
from tests.harness.processes import LOOPBACK, free_ports

CLUSTER_ID = "5M7h4ooTiU-fNDuL--Y97w"
ADMIN, PASSWORD = "admin", "admin-secret"
NODES = range(3)
_LISTENERS = {"INTERNAL": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", "CLIENTS": "SASL_PLAINTEXT"}
_REPLICATED = {
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "default.replication.factor": "3",
}


class SecuredCluster(KafkaCluster):
    """``admin`` is the super user; brokers talk to each other in plain text, and nobody else knows those ports."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._ports = dict(zip(NODES, zip(*[iter(free_ports(9))] * 3, strict=True), strict=True))
        nodes = {f"node-{number}": self._node(folder, number) for number in NODES}
        scram = f"SCRAM-SHA-512=[name={ADMIN},password={PASSWORD}]"
        super().__init__(nodes, CLUSTER_ID, folder, format_arguments=["--add-scram", scram])
        self.admin_file = self.client_file(folder, ADMIN, PASSWORD)

    @property
    def bootstrap(self) -> str:
        """The address for clients with a password."""
        return ",".join(f"{LOOPBACK}:{clients}" for _, _, clients in self._ports.values())

    def client_file(self, folder: Path, user: str, password: str) -> Path:
        """librdkafka's settings of a user."""
        settings = {"bootstrap.servers": self.bootstrap, "security.protocol": "SASL_PLAINTEXT"}
        settings |= {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": user, "sasl.password": password}
        file = folder / f"{user}.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        return file

    def observe(self, main_class: str, *arguments: str) -> str:
        """The output of one of Kafka's own tools, over the brokers' own listener."""
        internal = f"{LOOPBACK}:{self._ports[0][0]}"
        return self.tool(main_class, "--bootstrap-server", internal, *arguments)

    def _node(self, folder: Path, number: int) -> KafkaNode:
        internal, controller, clients = self._ports[number]
        voters = ",".join(f"{node}@{LOOPBACK}:{ports[1]}" for node, ports in self._ports.items())
        addresses = f"INTERNAL://{LOOPBACK}:{internal},CLIENTS://{LOOPBACK}:{clients}"
        lines = {
            **SETTINGS,
            **_REPLICATED,
            "node.id": str(number),
            "broker.rack": f"rack-{number % 2}",
            "listeners": f"{addresses},CONTROLLER://{LOOPBACK}:{controller}",
            "advertised.listeners": addresses,
            "inter.broker.listener.name": "INTERNAL",
            "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in _LISTENERS.items()),
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.clients.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:ANONYMOUS;User:{ADMIN}",
            "controller.quorum.voters": voters,
            "log.dirs": str(folder / f"data-{number}"),
        }
        properties = folder / f"node-{number}.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        return KafkaNode(number, properties, clients)
