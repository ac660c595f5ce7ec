"""Where an environment goes, and what surrounds it."""

from tests.policy import environments as env
from tests.policy.cases.making import BROKER, KAFKA, ORDERS_SOURCE, Body, Case, at, extra, manifests, spec


def _policy(ingress: list[Body]) -> Body:
    metadata = {"name": "open", "namespace": "cdc", "labels": {}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata,
        "spec": {"podSelector": {"matchLabels": {"a": "b"}}, "policyTypes": ["Ingress"], "ingress": ingress},
    }


ENVIRONMENT = (
    spec("environment-context", "no context", "kubernetes.context", {"kubernetes": {}}),
    spec("environment-one-machine", "docker", "target", {"tier": "production"}, base="docker"),
    spec(
        "environment-stack-size",
        "1,100 topics",
        "kubernetes.topicsAndUsers",
        {"kafka.topics": [{"name": f"shop_a_{i}", "tenant": "shop"} for i in range(1_100)]},
    ),
    manifests(
        "environment-rendered-state",
        "fewer replicas rendered",
        ORDERS_SOURCE,
        "KafkaTopic/cdc/shop-orders-orders",
        at("spec/replicas", 1),
        "KafkaTopic",
        name="shop-orders-orders",
    ),
    Case(
        "environment-rendered-state",
        "a topic not rendered",
        lambda: env.without_manifest("KafkaTopic", "shop-orders-dlq"),
        "pipelines[0].dlq",
        "KafkaTopic/cdc/shop-orders-dlq",
    ),
    Case(
        "environment-rendered-state",
        "a user not rendered",
        lambda: env.without_manifest("KafkaUser", "shop-orders-sink"),
        "pipelines[0].sinkUser",
        "KafkaUser/cdc/shop-orders-sink",
    ),
    manifests(
        "environment-rendered-state",
        "a right more than asked for",
        "kafka.users[0]",
        "KafkaUser/cdc/platform-admin",
        at("spec/authorization", {"type": "simple", "acls": [{}]}),
        "KafkaUser",
        name="platform-admin",
    ),
    Case(
        "network-default-deny",
        "policy gone",
        lambda: env.without_manifest("NetworkPolicy", "default-deny"),
        "kubernetes.namespace",
        "Namespace/cdc",
    ),
    manifests(
        "network-default-deny",
        "one way only",
        "kubernetes.namespace",
        "Namespace/cdc",
        at("spec/policyTypes", ["Ingress"]),
        "NetworkPolicy",
        name="default-deny",
    ),
    manifests(
        "network-default-deny",
        "open egress",
        "kubernetes.namespace",
        "Namespace/cdc",
        at("spec/egress", [{}]),
        "NetworkPolicy",
        name="default-deny",
    ),
    extra("network-open-ingress", "no peers", "kafka", "NetworkPolicy/cdc/open", _policy([{"ports": [{"port": 9093}]}])),
    extra(
        "network-open-ingress",
        "every namespace",
        "kafka",
        "NetworkPolicy/cdc/open",
        _policy([{"from": [{"namespaceSelector": {}}]}]),
    ),
    extra(
        "network-open-ingress",
        "the Internet",
        "kafka",
        "NetworkPolicy/cdc/open",
        _policy([{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]),
    ),
    manifests(
        "namespace-pod-security",
        "baseline",
        "kubernetes.namespace",
        "Namespace/cdc",
        lambda body: body["metadata"]["labels"].update({"pod-security.kubernetes.io/enforce": "baseline"}),
        "Namespace",
    ),
    Case("stateful-protected", "cluster", lambda: env.unprotected("Kafka"), "kafka", KAFKA),
    Case(
        "stateful-protected",
        "topics",
        lambda: env.unprotected("KafkaTopic"),
        "pipelines[0].dlq",
        "KafkaTopic/cdc/shop-orders-dlq",
    ),
    Case("stateful-protected", "container", lambda: env.with_workloads(stateful=False), "kafka", BROKER, "docker"),
)
