"""Kafka as containers on one machine. Pure."""

from components.core.context import Context
from components.core.rendered import Rendered
from components.kafka.spec import KafkaSpec
from components.kafka.state import KafkaState


def render(kafka: KafkaSpec, state: KafkaState, context: Context) -> Rendered:
    """One container per node."""
    raise NotImplementedError
