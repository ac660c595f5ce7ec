"""One broker on loopback whose users come with passwords, by the mechanisms that the platform renders."""

from pathlib import Path

from components.environment import EnvironmentSpec
from components.kafka.listeners import client_authentication, listener_name
from components.kafka.nodes import nodes
from tests.harness.kafka_broker import CLUSTER_ID, NAME, SETTINGS
from tests.harness.kafka_cluster import KafkaCluster, KafkaNode
from tests.harness.processes import LOOPBACK, free_ports

ADMIN, PASSWORD = "admin", "admin-secret"
_OLD = "OLD"
_LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


class LoginBroker(KafkaCluster):
    """``admin`` is the super user. Besides the listener of the spec it has one as it was before logins were rotated, which
    takes one mechanism only."""

    def __init__(self, folder: Path, spec: EnvironmentSpec) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        internal, controller, clients, old = free_ports(4)
        self.bootstrap, self.old_bootstrap = f"{LOOPBACK}:{clients}", f"{LOOPBACK}:{old}"
        self._folder = folder
        [listener] = spec.kafka.listeners
        name = listener_name(listener)
        [node] = nodes(spec.kafka)
        addresses = f"INTERNAL://{LOOPBACK}:{internal},{name}://{self.bootstrap},{_OLD}://{self.old_bootstrap}"
        protocols = f"INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,{name}:SASL_PLAINTEXT,{_OLD}:SASL_PLAINTEXT"
        lines = {
            **SETTINGS,
            "listeners": f"{addresses},CONTROLLER://{LOOPBACK}:{controller}",
            "advertised.listeners": addresses,
            "inter.broker.listener.name": "INTERNAL",
            "listener.security.protocol.map": protocols,
            **client_authentication(spec.kafka, node, spec.context),
            "listener.name.old.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.old.scram-sha-512.sasl.jaas.config": _LOGIN,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:ANONYMOUS;User:{ADMIN}",
            "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
            "log.dirs": str(folder / "data"),
        }
        properties = folder / "server.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        scram = f"SCRAM-SHA-512=[name={ADMIN},password={PASSWORD}]"
        super().__init__({NAME: KafkaNode(1, properties, clients)}, CLUSTER_ID, folder, format_arguments=["--add-scram", scram])

    def admin_file(self, bootstrap: str | None = None) -> Path:
        """librdkafka's settings of the super user."""
        settings = {"bootstrap.servers": bootstrap or self.bootstrap, "security.protocol": "SASL_PLAINTEXT"}
        settings |= {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": ADMIN, "sasl.password": PASSWORD}
        file = self._folder / f"admin-{settings['bootstrap.servers'].rpartition(':')[2]}.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        return file
