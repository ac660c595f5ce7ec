"""Which secrets MirrorMaker reads. Pure."""

from collections.abc import Iterator

from components.core.secrets import Use
from components.environment import EnvironmentSpec
from components.kafka.clients import kafka_client
from components.mirror_maker.derive import WRITER
from components.mirror_maker.names import node_name, source_client
from components.mirror_maker.spec import MirrorMakerSpec


def secret_uses(environment: EnvironmentSpec, mirror: MirrorMakerSpec) -> Iterator[Use]:
    """What opens the source, and the cluster that it writes to."""
    kafka = environment.kafka
    here = kafka_client(kafka, environment.context, WRITER)
    count = 0 if mirror.failed_over else mirror.replicas
    containers = tuple(node_name(kafka.name, node) for node in range(count))
    files = tuple(sorted([*here.secrets, *source_client(mirror.source).secrets]))
    yield Use(f"{kafka.name}-mirror-maker", files, containers)
