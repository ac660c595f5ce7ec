"""What observability asks of Kafka, and where the JMX exporter's agent is. Pure."""

from typing import TYPE_CHECKING

from components.connect.names import COMPONENT as CONNECT
from components.kafka.state import AclBinding, KafkaState, Quota, User
from components.kafka.topics import PLATFORM_OWNER

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec

ORIGIN = "observability"
USER = "kafka-exporter"
DEBEZIUM_AGENT = "/kafka/libs/jmx_prometheus_javaagent*.jar"
"""Where Debezium's image has the agent: its own start script looks for it there."""


def kafka_state(environment: "EnvironmentSpec") -> KafkaState:
    """On docker the exporter is a client like others: it sees the names of all topics and groups, so that none is short of
    replicas unseen, and reads nothing. On Kubernetes Strimzi gives its exporter a certificate of the cluster's."""
    if environment.target == "kubernetes":
        return KafkaState()
    user = User(
        name=USER,
        authentication="scram-sha-512",
        quota=Quota(),
        acls=(AclBinding("group", "*", "literal", ("Describe",)), AclBinding("topic", "*", "literal", ("Describe",))),
        owner=PLATFORM_OWNER,
        origin=ORIGIN,
    )
    return KafkaState(users=(user,))


def agent(environment: "EnvironmentSpec", component: str) -> str | None:
    """On docker: where the image of ``component`` has the agent; ``None`` where it has none, or nobody would read it."""
    spec = environment.observability
    if spec is None:
        return None
    if spec.jmx_agent is not None:
        return spec.jmx_agent
    connect = environment.connect
    own = connect is not None and (connect.image is not None or connect.images)
    return DEBEZIUM_AGENT if component == CONNECT and not own else None
