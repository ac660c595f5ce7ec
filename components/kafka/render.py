"""Kafka, rendered for the environment's target. Pure."""

from components.core.rendered import Rendered
from components.environment import EnvironmentSpec
from components.kafka import render_docker, render_kubernetes
from components.kafka.topics_and_users import TOPICS, USERS
from components.observability.derive import agent
from components.observability.strimzi import kafka_exporter, kafka_metrics


def registered(spec: EnvironmentSpec, rendered: Rendered) -> Rendered:
    """What of ``rendered`` a stack declares: all, or all but topics and users where a GitOps controller applies those."""
    return rendered.without(TOPICS, USERS) if spec.kubernetes.topics_and_users == "gitops" else rendered


def render(spec: EnvironmentSpec) -> Rendered:
    """Strimzi objects on Kubernetes; containers and the desired state's file on docker."""
    if spec.target == "docker":
        return render_docker.render(spec.kafka, spec.kafka_state, spec.context, agent(spec, render_docker.COMPONENT))
    watched = render_kubernetes.Watched(kafka_metrics(spec), kafka_exporter(spec))
    return render_kubernetes.render(spec.kafka, spec.kafka_state, spec.tenants, spec.context, watched)
