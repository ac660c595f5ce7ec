"""How many workers of a pipeline there are, by its load: CPU, and on request how far its group is behind (A12). Pure."""

from collections.abc import Mapping
from typing import Any

from components.core.context import Context
from components.core.kubernetes import SCALE_DOWN_SECONDS, autoscaler, config_map, manifest
from components.core.rendered import Manifest
from components.environment import EnvironmentSpec
from components.kafka.clients import CLUSTER_CA, KafkaClient, kafka_client, password_file, platform_listener
from components.kafka.derive import change_topic, pipeline_user, sink_group, source_tables
from components.pipelines.spec import PipelineSpec
from components.sink.derive import worker_name
from components.sink.spec import LagSpec, SinkAutoscalingSpec, SinkWorkersSpec

COMPONENT = "sink"
API_VERSION = "keda.sh/v1alpha1"
KEDA_OPERATOR = {"app": "keda-operator"}
"""The pods of KEDA that ask Kafka, as its own manifests and its chart label them."""

PROTOCOL = "3.6.0"
"""KEDA speaks Kafka 1.0 when nothing is said, parts of which Kafka 4 no longer understands (KIP-896)."""

_FAILED_LOOKS = 3
Body = dict[str, Any]


def partitions(environment: EnvironmentSpec) -> Mapping[str, int]:
    """Of every topic, by name."""
    return {topic.name: topic.partitions for topic in environment.kafka_state.topics}


def bounded(sink: SinkWorkersSpec, scaling: SinkAutoscalingSpec, count: int) -> SinkAutoscalingSpec:
    """Never more workers than ``count``, a pipeline's partitions, gives work to: each process of one reads at least one."""
    most = max(1, min(scaling.most, -(-count // sink.processes)))
    return scaling.model_copy(update={"most": most, "least": min(scaling.least, most)})


def scaler(
    environment: EnvironmentSpec, sink: SinkWorkersSpec, pipeline: PipelineSpec, known: Mapping[str, int]
) -> list[Manifest]:
    """One thing that changes the replicas, never two: a HorizontalPodAutoscaler, or KEDA's object, which makes one itself."""
    if sink.autoscaling is None:
        return []
    context, name = environment.context, worker_name(pipeline)
    count = sum(known[change_topic(pipeline, environment.naming, table)] for table in source_tables(pipeline))
    scaling = bounded(sink, sink.autoscaling, count)
    if scaling.lag is None:
        return [autoscaler(COMPONENT, context, "apps/v1", "Deployment", name, scaling)]
    client = kafka_client(environment.kafka, context, pipeline_user(pipeline, "sink"))
    access = _access(client, name, context)
    lag: Body = {"type": "kafka", "metadata": _lag(client, sink_group(pipeline, environment.naming), scaling.lag)}
    if access:
        lag["authenticationRef"] = {"name": name}
    return [*access, _scaled_object(name, context, scaling, lag)]


def _lag(client: KafkaClient, group: str, lag: LagSpec) -> Body:
    """No topic is named, so that the lag is that of all topics of the group together: KEDA takes the greatest of several
    triggers, not their sum. A partition without a position is behind by all that it holds."""
    return {
        "bootstrapServers": client.bootstrap,
        "consumerGroup": group,
        "lagThreshold": str(lag.threshold),
        "offsetResetPolicy": "earliest",
        "allowIdleConsumers": "false",
        "version": PROTOCOL,
        "tls": "enable" if client.tls else "disable",
        "sasl": "scram_sha512" if client.with_password else "none",
    }


def _scaled_object(name: str, context: Context, scaling: SinkAutoscalingSpec, lag: Body) -> Manifest:
    """Where Kafka does not answer, workers stay as many as they are."""
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "minReplicaCount": scaling.least,
        "maxReplicaCount": scaling.most,
        "fallback": {
            "failureThreshold": _FAILED_LOOKS,
            "replicas": scaling.least,
            "behavior": "currentReplicasIfHigher",
        },
        "advanced": {
            "horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": SCALE_DOWN_SECONDS}}}
        },
        "triggers": [lag, {"type": "cpu", "metricType": "Utilization", "metadata": {"value": str(scaling.cpu)}}],
    }
    return manifest(COMPONENT, context, API_VERSION, "ScaledObject", name, spec=spec)


def _access(client: KafkaClient, name: str, context: Context) -> list[Manifest]:
    """KEDA asks as the pipeline's own user, who may read its group and its topics and nothing else."""
    files = {file.name: file for file in client.secrets}
    parameters = {CLUSTER_CA: "ca", password_file(client.user): "password"}
    secrets = [
        {"parameter": parameter, "name": files[file].secret, "key": files[file].key}
        for file, parameter in parameters.items()
        if file in files
    ]
    if not secrets:
        return []
    spec: Body = {"secretTargetRef": secrets}
    made = []
    if client.with_password:
        made.append(config_map(COMPONENT, f"{name}-scaler", context, {"username": client.user}))
        spec["configMapTargetRef"] = [{"parameter": "username", "name": f"{name}-scaler", "key": "username"}]
    return [*made, manifest(COMPONENT, context, API_VERSION, "TriggerAuthentication", name, spec=spec)]


def opening(environment: EnvironmentSpec, lag: LagSpec) -> Manifest:
    """KEDA's way to the brokers, from its own namespace."""
    listener = platform_listener(environment.kafka)
    peer = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": lag.keda_namespace}},
        "podSelector": {"matchLabels": KEDA_OPERATOR},
    }
    ports = [] if listener is None else [{"port": listener.port, "protocol": "TCP"}]
    selector = {"strimzi.io/cluster": environment.kafka.name, "strimzi.io/kind": "Kafka"}
    spec = {
        "podSelector": {"matchLabels": selector},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [peer], "ports": ports}],
    }
    name = f"{environment.kafka.name}-keda"
    return manifest(COMPONENT, environment.context, "networking.k8s.io/v1", "NetworkPolicy", name, spec=spec)
