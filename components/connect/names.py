"""What the two Connect clusters and their connectors are called. Pure."""

from typing import Literal, get_args

from components.core.context import Target
from components.kafka.derive import format_name
from components.kafka.spec import KafkaSpec
from components.pipelines.spec import PipelineSpec
from components.tenancy.spec import NamingSpec

COMPONENT = "connect"
CONNECTORS = "connect/connectors"
"""The part of the platform's tree that connectors belong to."""

Colour = Literal["blue", "green"]
Role = Literal["source", "sink"]
COLOURS: tuple[Colour, ...] = get_args(Colour)


def other(colour: Colour) -> Colour:
    """The colour that is not ``colour``."""
    return "green" if colour == "blue" else "blue"


def cluster_name(kafka: KafkaSpec, colour: Colour) -> str:
    """The Connect cluster's name: its group id, the beginning of its topics, its Kubernetes object, its containers."""
    return f"{kafka.name}-connect-{colour}"


def worker_user(colour: Colour) -> str:
    """The Kafka user of a colour's workers."""
    return f"connect-{colour}"


def storage_topics(kafka: KafkaSpec, colour: Colour) -> dict[str, str]:
    """The cluster's three topics by Connect's own words for them: ``config``, ``offset`` and ``status``."""
    name = cluster_name(kafka, colour)
    return {"config": f"{name}-configs", "offset": f"{name}-offsets", "status": f"{name}-status"}


def connector_name(pipeline: str, role: Role, colour: Colour, target: Target) -> str:
    """A connector's name in its cluster. On Kubernetes it is an object's, and both colours' live in one namespace."""
    return f"{pipeline}-{role}" + (f"-{colour}" if target == "kubernetes" else "")


def offsets_topic(pipeline: PipelineSpec, naming: NamingSpec, colour: Colour) -> str:
    """Where a source connector keeps its offsets: a topic of its own, so that no tenant's user can write another's."""
    return f"{format_name(naming.internal, pipeline)}_offsets_{colour}"


def database_secret(pipeline: PipelineSpec, role: Role) -> str:
    """The file, in the workers' folder of secrets, with the password of a connector's database user."""
    return f"{pipeline.name}-{role}.database-password"
