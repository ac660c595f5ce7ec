"""Everything that runs is bounded, pinned, unprivileged and watched."""

from tests.policy import environments as env
from tests.policy.cases.making import BROKER, BROKERS, KAFKA, Body, Case, at, extra, manifests, spec

_SECURITY = "spec/kafka/template/kafkaContainer/securityContext"


def _deployment(**container: object) -> Body:
    security = {
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    bounds = {"cpu": "1", "memory": "1Gi"}
    good = {"name": "app", "image": "a:1", "resources": {"requests": bounds, "limits": bounds}, "securityContext": security}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "app", "namespace": "cdc"},
        "spec": {"template": {"spec": {"containers": [{**good, **container}]}}},
    }


WORKLOADS = (
    manifests(
        "workload-resources",
        "node pool",
        "kafka.brokers",
        BROKERS,
        at("spec/resources/limits", env.REMOVED),
        "KafkaNodePool",
        name="brokers",
    ),
    manifests(
        "workload-resources", "operator", "kafka", KAFKA, at("spec/entityOperator/userOperator/resources", env.REMOVED), "Kafka"
    ),
    manifests(
        "workload-resources",
        "Cruise Control",
        "kafka",
        KAFKA,
        at("spec/cruiseControl/resources/requests/cpu", env.REMOVED),
        "Kafka",
    ),
    manifests(
        "workload-resources", "PostgreSQL", "postgres", "Cluster/cdc/postgres", at("spec/resources", env.REMOVED), "Cluster"
    ),
    extra("workload-resources", "any pod", "kafka", "Deployment/cdc/app", _deployment(resources={})),
    Case("workload-resources", "container", lambda: env.with_workloads(memory_bytes=None), "kafka", BROKER, "docker"),
    spec("workload-image-pinned", "latest", "kafka.image", {"kafka.image": "registry.local:5000/kafka:latest"}, KAFKA),
    spec("workload-image-pinned", "no tag behind a port", "kafka.image", {"kafka.image": "registry.local:5000/kafka"}, KAFKA),
    extra("workload-image-pinned", "any pod", "kafka", "Deployment/cdc/app", _deployment(image="app:latest-1")),
    Case(
        "workload-image-pinned", "container", lambda: env.with_workloads(image="apache/kafka"), "kafka.image", BROKER, "docker"
    ),
    manifests(
        "workload-pod-rights",
        "writable root",
        "kafka.brokers",
        BROKERS,
        at(f"{_SECURITY}/readOnlyRootFilesystem", False),
        "Kafka",
    ),
    manifests(
        "workload-pod-rights",
        "capabilities",
        "kafka.brokers",
        BROKERS,
        at(f"{_SECURITY}/capabilities", {"drop": ["ALL"], "add": ["NET_RAW"]}),
        "Kafka",
    ),
    manifests(
        "workload-pod-rights",
        "init container",
        "kafka.brokers",
        BROKERS,
        at("spec/kafka/template/initContainer", env.REMOVED),
        "Kafka",
    ),
    manifests(
        "workload-pod-rights",
        "operator",
        "kafka",
        KAFKA,
        at("spec/entityOperator/template/topicOperatorContainer", env.REMOVED),
        "Kafka",
    ),
    manifests(
        "workload-pod-rights",
        "PostgreSQL",
        "postgres",
        "Cluster/cdc/postgres",
        at("spec/seccompProfile", env.REMOVED),
        "Cluster",
    ),
    extra("workload-pod-rights", "any pod", "kafka", "Deployment/cdc/app", _deployment(securityContext={"runAsUser": 0})),
    Case("workload-container-rights", "root", lambda: env.with_workloads(user="0:0"), "kafka", BROKER, "docker"),
    Case("workload-container-rights", "writable root", lambda: env.with_workloads(read_only=False), "kafka", BROKER, "docker"),
    Case("workload-health-check", "none", lambda: env.with_workloads(health=None), "kafka", BROKER, "docker"),
    Case("workload-port", "published", lambda: env.with_workloads(ports=((443, 9093),)), "kafka", BROKER, "docker"),
    manifests("workload-port", "listener", "kafka.listeners[0].port", KAFKA, at("spec/kafka/listeners/0/port", 443), "Kafka"),
)
