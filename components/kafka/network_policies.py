"""What Kafka's pods may reach. Who may reach them is the operator's own policy, fed by the listeners' peers. Pure."""

from typing import Any

from components.core.context import Context
from components.core.rendered import Manifest
from components.kafka.spec import KafkaSpec

COMPONENT = "kafka"
CLIENT_LABEL = {"cdc.platform/kafka-client": "true"}
"""The label of a pod in the platform's own namespace that may connect to the brokers."""

_API_SERVER = {"ports": [{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]}
"""The API server is no pod, so it cannot be selected: only its ports can be opened."""


def egress_policies(kafka: KafkaSpec, context: Context) -> list[Manifest]:
    """Kafka to its own cluster; its operators, and the rack's init container, to the API server; clients to the listeners."""
    cluster = {"matchLabels": {"strimzi.io/cluster": kafka.name}}
    to_cluster = {"to": [{"podSelector": cluster}]}
    to_listeners = to_cluster | {"ports": [{"port": listener.port, "protocol": "TCP"} for listener in kafka.listeners]}
    cluster_rules = [to_cluster, _API_SERVER]
    if kafka.tiered is not None and kafka.tiered.endpoint is not None:
        cluster_rules.append({"ports": [{"port": _port(kafka.tiered.endpoint), "protocol": "TCP"}]})
    return [
        _policy(f"{kafka.name}-cluster", cluster, cluster_rules, context),
        _policy(f"{kafka.name}-clients", {"matchLabels": CLIENT_LABEL}, [to_listeners], context),
    ]


def _port(endpoint: str) -> int:
    """The port of ``https://host:port``; 443 or 80 when it names none."""
    scheme, _, rest = endpoint.rpartition("://")
    port = rest.partition("/")[0].rpartition(":")[2]
    return int(port) if port.isdigit() else 80 if scheme == "http" else 443


def _policy(name: str, selector: dict[str, Any], egress: list[Any], context: Context) -> Manifest:
    body = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": context.namespace, "labels": context.labels(COMPONENT)},
        "spec": {"podSelector": selector, "policyTypes": ["Egress"], "egress": egress},
    }
    return Manifest(COMPONENT, body)
