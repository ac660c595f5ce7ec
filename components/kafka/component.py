"""Kafka as Pulumi components."""

from components.core.rendered import Rendered
from components.environment import EnvironmentSpec
from components.kafka import render, topics_and_users
from components.targets.component import PlatformComponent


class KafkaTopics(PlatformComponent):
    """Every topic, declared and derived."""

    token = "cdc:kafka:KafkaTopics"  # noqa: S105 - a Pulumi type token
    part = topics_and_users.TOPICS
    render = staticmethod(render.render)


class KafkaUsers(PlatformComponent):
    """Every user, with its ACLs and quotas."""

    token = "cdc:kafka:KafkaUsers"  # noqa: S105 - a Pulumi type token
    part = topics_and_users.USERS
    render = staticmethod(render.render)


class KafkaCluster(PlatformComponent):
    """Controllers, brokers, their security and network policies; topics and users inside it."""

    token = "cdc:kafka:KafkaCluster"  # noqa: S105 - a Pulumi type token
    part = "kafka"
    children = (KafkaTopics, KafkaUsers)

    @classmethod
    def render(cls, spec: EnvironmentSpec) -> Rendered:
        """Kafka, less the topics and users that a GitOps controller applies."""
        return render.registered(spec, render.render(spec))
