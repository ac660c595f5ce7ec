"""What changes the number of pods by load."""

from typing import Any

from tests.policy import environments as env
from tests.policy.cases.making import BROKERS, Body, at, extra, manifests, spec

SCALER = "HorizontalPodAutoscaler/cdc/sink-orders"


def scaled_object(name: str, kind: str, target: str, *triggers: Body) -> Body:
    """An object of KEDA's."""
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name, "namespace": "cdc"},
        "spec": {"scaleTargetRef": {"kind": kind, "name": target}, "maxReplicaCount": 2, "triggers": list(triggers)},
    }


def lag(**metadata: Any) -> Body:
    """A trigger that asks Kafka."""
    return {"type": "kafka", "metadata": metadata}


def unchecked(body: Body) -> None:
    body["metadata"].setdefault("annotations", {})["strimzi.io/skip-broker-scaledown-check"] = "true"


SCALING = (
    extra(
        "scaling-one",
        "two for one",
        "kafka",
        "ScaledObject/cdc/sink-orders",
        scaled_object("sink-orders", "Deployment", "sink-orders"),
    ),
    manifests(
        "scaling-useful",
        "more than partitions",
        "sink.autoscaling.most",
        SCALER,
        at("spec/maxReplicas", 1000),
        "HorizontalPodAutoscaler",
        name="sink-orders",
    ),
    spec(
        "scaling-useful",
        "replicas",
        "sink.replicas",
        {"sink.replicas": 90, "sink.autoscaling": env.REMOVED},
        "Deployment/cdc/sink-orders",
    ),
    extra(
        "scaling-credentials",
        "nobody's",
        "kafka",
        "ScaledObject/cdc/s",
        scaled_object("s", "Deployment", "other", lag(sasl="scram_sha512")),
    ),
    extra(
        "scaling-credentials",
        "written out",
        "kafka",
        "ScaledObject/cdc/s",
        scaled_object("s", "Deployment", "other", lag(password="hunter2")),
    ),
    extra("scaling-brokers", "by load", "kafka", "ScaledObject/cdc/s", scaled_object("s", "KafkaNodePool", "brokers")),
    manifests("scaling-brokers", "unchecked", "kafka.brokers", BROKERS, unchecked, "KafkaNodePool", name="brokers"),
)
