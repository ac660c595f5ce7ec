"""Kafka Connect as Pulumi components."""

from components.connect import render
from components.targets.component import PlatformComponent


class KafkaConnectors(PlatformComponent):
    """The connectors of the active colour (Kubernetes only; elsewhere `cdc connect apply` has them)."""

    token = "cdc:connect:KafkaConnectors"  # noqa: S105 - a Pulumi type token
    part = render.CONNECTORS
    render = staticmethod(render.render)


class KafkaConnect(PlatformComponent):
    """Both Connect clusters, blue and green, and the connectors in them."""

    token = "cdc:connect:KafkaConnect"  # noqa: S105 - a Pulumi type token
    part = render.COMPONENT
    children = (KafkaConnectors,)
    render = staticmethod(render.render)
