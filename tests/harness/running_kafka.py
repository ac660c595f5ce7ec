"""A running Kafka of the docker target, in the state that was rendered for it."""

import contextlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka.admin import AdminClient

from tests.harness.compose_project import ComposeProject
from tests.harness.docker_stack import DockerStack
from tests.harness.kafka_clients import Addresses, Config, Deliveries, KafkaClients, is_in_sync, properties_file
from tests.harness.kafka_cluster import run_tool
from tests.harness.kafka_state import apply_state
from tests.harness.processes import wait_until

LOAD_INTERVAL_SECONDS = 0.005
RECOVERY_SECONDS = 60


@dataclass(frozen=True)
class RunningKafka:
    """``brokers`` are the names of the brokers' containers; ``admin`` is a client of the super user."""

    stack: DockerStack
    project: ComposeProject
    clients: KafkaClients
    admin: AdminClient
    brokers: tuple[str, ...]

    def tool(self, main_class: str, *arguments: str) -> str:
        """The output of one of Kafka's own tools, run as the super user."""
        file = str(self.stack.work / "admin.properties")
        servers = ("--bootstrap-server", self.clients.addresses.mutual, "--command-config", file)
        return self.project.namespace.run(lambda: run_tool(main_class, *servers, *arguments))

    def restart(self, *names: str) -> None:
        """Start containers again, and wait until every replica is in sync."""
        for name in names:
            self.project.containers[name].start()
        for name in names:
            self.project.containers[name].wait_healthy()
        wait_until("every replica is in sync", lambda: is_in_sync(self.admin), RECOVERY_SECONDS, 0.5)


@contextmanager
def running_kafka(stack: DockerStack, super_user: str) -> Iterator[RunningKafka]:
    """Start the stack's Kafka, bring it to the state of its rendered ``desired-state.json``, then start what stands on it.

    ``super_user`` comes with a certificate; so the stack has a listener for those, and one for passwords.
    """
    brokers = tuple(
        workload.name for workload in stack.rendered.workloads if workload.name.rpartition("-")[0].endswith("brokers")
    )
    ports = {entry.authentication: entry.port for entry in stack.spec.kafka.listeners if entry.type == "internal"}
    addresses = Addresses(*(",".join(f"{name}:{ports[by]}" for name in brokers) for by in ("scram-sha-512", "tls")))
    properties_file(stack.work / "admin.properties", stack.identities[super_user], stack.cluster_ca)
    nodes = [workload.name for workload in stack.rendered.workloads if workload.component == "kafka"]
    with contextlib.closing(stack.project()) as project:
        project.up(*nodes)
        clients = KafkaClients(project.namespace, addresses, stack.cluster_ca, stack.passwords, stack.identities)
        kafka = RunningKafka(stack, project, clients, clients.admin(clients.as_user(super_user)), brokers)
        state = json.loads((stack.tree / "kafka" / "desired-state.json").read_text())
        apply_state(state, kafka.admin, clients, super_user, stack.passwords)
        project.up()
        yield kafka


class Load:
    """Writes numbered records to a topic, about 200 a second, until it is ended."""

    def __init__(self, clients: KafkaClients, config: Config, topic: str) -> None:
        self.deliveries = Deliveries()
        self._producer = clients.producer(config)
        self._topic = topic
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def acknowledged_since(self, moment: float) -> int:
        """How many records were acknowledged after ``moment`` of the monotonic clock."""
        return sum(moment < acknowledged for acknowledged in self.deliveries.times)

    def end(self) -> list[bytes]:
        """The values that were acknowledged, once nothing is on its way any more. A second call changes nothing."""
        self._ended.set()
        self._thread.join()
        assert self._producer.flush(RECOVERY_SECONDS) == 0
        return self.deliveries.acknowledged

    def _run(self) -> None:
        number = 0
        while not self._ended.wait(LOAD_INTERVAL_SECONDS):
            self._producer.produce(self._topic, f"load {number}".encode(), on_delivery=self.deliveries)
            self._producer.poll(0)
            number += 1
