"""What the user writes about Kafka Connect (requirements A1, A4, A9, A10, A12)."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from components.component_spec import ComponentSpec
from components.connect.converters import Converter
from components.connect.names import Colour
from components.core.errors import Problem
from components.core.model import Scalar, SpecModel, Text, setting
from components.core.resources import AutoscalingSpec, ResourcesSpec
from components.core.secrets import Use
from components.kafka.node_spec import JvmSpec
from components.kafka.state import KafkaState

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec

_MIB, _GIB = 1 << 20, 1 << 30
_COORDINATE = r"^[A-Za-z0-9_.-]+:[A-Za-z0-9_.-]+:[A-Za-z0-9_.-]+$"
Coordinate = Annotated[str, Field(pattern=_COORDINATE)]
"""``group:artifact:version``."""

Lineage = Literal["header", "field", "both", "none"]
ServerId = Annotated[int, Field(ge=1, le=2**31 - 2)]


class PluginSpec(SpecModel):
    """A plugin that the operator builds into the image: a Maven artifact with everything it needs."""

    name: str = setting(
        help="The plugin's name.", becomes="KafkaConnect.spec.build.plugins[].name", pattern=r"^[a-z0-9][-_a-z0-9]*[a-z0-9]$"
    )
    artifacts: tuple[Coordinate, ...] = setting(
        help="Maven coordinates, group:artifact:version.",
        becomes="KafkaConnect.spec.build.plugins[].artifacts",
        min_length=1,
    )


class BuildSpec(SpecModel):
    """An image that the operator builds from Strimzi's own and pushes (Kubernetes only)."""

    image: str = setting(
        help="Where it is pushed to, with its tag.", becomes="KafkaConnect.spec.build.output.image", min_length=1
    )
    push_secret: Text | None = setting(
        None, help="Secret with the registry's credentials.", becomes="KafkaConnect.spec.build.output.pushSecret"
    )
    plugins: tuple[PluginSpec, ...] = setting(
        help="What is built into it.", becomes="KafkaConnect.spec.build.plugins", min_length=1
    )
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(cpu="500m", memory="1Gi"),
        help="CPU and memory of the build.",
        becomes="KafkaConnect.spec.build.resources",
    )


class ConnectSpec(ComponentSpec):
    """Two Kafka Connect clusters, blue and green: connectors run on one, the other stands by for the next release."""

    active: Colour = setting(
        "blue",
        help="The colour that runs the connectors. `cdc connect switch` moves them and then changes this: changed by hand, "
        "connectors would begin anew with a second snapshot.",
        becomes="where connectors are declared; the server behind HAProxy :8083",
    )
    image: str | None = setting(
        None,
        help="Image with Connect and its plugins, pinned. Docker: laid out as Debezium's own, which is the default. "
        "Kubernetes: made from Strimzi's; there it or build is needed.",
        becomes="KafkaConnect.spec.image; container image",
        min_length=1,
    )
    images: Mapping[Colour, Text] = setting(
        dict,
        help="Another image for one colour: the next release is put on the one that stands by.",
        becomes="KafkaConnect.spec.image; container image",
    )
    build: BuildSpec | None = setting(
        None, help="Let the operator build the image (Kubernetes only).", becomes="KafkaConnect.spec.build"
    )
    replicas: int = setting(3, help="Workers of the active colour.", becomes="KafkaConnect.spec.replicas", ge=1, le=100)
    standby_replicas: int | None = setting(
        None,
        help="Workers of the colour that stands by; as many as the active one's when left out.",
        becomes="KafkaConnect.spec.replicas",
        ge=1,
        le=100,
    )
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(memory="2Gi"), help="CPU and memory of each worker.", becomes="KafkaConnect.spec.resources"
    )
    jvm: JvmSpec = setting(JvmSpec, help="JVM of each worker.", becomes="KafkaConnect.spec.jvmOptions; KAFKA_HEAP_OPTS")
    converter: Converter = setting(
        "confluent",
        help="Whose converter writes Avro where there is a schema registry; the image brings it. json does without one.",
        becomes="key.converter and value.converter of the connectors",
    )
    lineage: Lineage = setting(
        "header",
        help="Whether each record says where it comes from: _lineage has environment, pipeline, connector and source as JSON, "
        "in a header, in a field of the value beside before, after and source, or in both. A field is one more of every "
        "value's schema; a tombstone has none, and neither sink makes it a column.",
        becomes="transforms.lineage (InsertHeader) and transforms.lineageField (InsertField) of the source connectors",
    )
    max_restarts: int = setting(
        7,
        help="How often a failed connector or task is started again before somebody has to look.",
        becomes="KafkaConnector.spec.autoRestart.maxRestarts; the bound of `cdc connect apply`",
        ge=0,
        le=1000,
    )
    autoscaling: AutoscalingSpec | None = setting(
        None,
        help="Workers of the active colour by CPU (Kubernetes only). Not by lag: a source reads a database's log, and no group "
        "of Kafka is behind.",
        becomes="HorizontalPodAutoscaler",
    )
    host_port: int = setting(
        18083,
        help="Docker: workers are published on 127.0.0.1 from this port on, blue's first, then green's.",
        becomes="published ports",
        ge=1024,
        le=65_535,
    )
    server_ids: Mapping[str, ServerId] = setting(
        dict,
        help="Replication ids that somebody assigns, by pipeline: blue's; green has the next one. Made of names when left out.",
        becomes="database.server.id of the connectors",
    )
    config: Mapping[str, Scalar] = setting(
        dict,
        help="Further worker configuration in Connect's own keys; keys that the platform sets are refused.",
        becomes="KafkaConnect.spec.config; connect.properties",
    )

    @property
    def heap_bytes(self) -> int:
        return self.jvm.heap if self.jvm.heap is not None else self.resources.memory // 2

    def workers(self, colour: Colour) -> int:
        """How many workers a colour has; the least where they are scaled."""
        if colour != self.active:
            return self.standby_replicas if self.standby_replicas is not None else self.replicas
        return self.autoscaling.least if self.autoscaling is not None else self.replicas

    def problems(self) -> list[Problem]:
        found = []
        if self.build is not None and (self.image is not None or self.images):
            found.append(Problem("build", "makes an image, and another is named", "keep build, or image and images"))
        if not _MIB <= self.heap_bytes < self.resources.memory:
            found.append(
                Problem("jvm.heap", "must be at least 1MiB and less than resources.memory", "write about half of the memory")
            )
        return found

    def kafka_state(self, environment: "EnvironmentSpec") -> KafkaState:
        """Internal topics and users of both colours; what exactly-once sources need on top."""
        from components.connect.derive import kafka_state

        return kafka_state(self, environment)

    def secret_uses(self, environment: "EnvironmentSpec") -> Iterator[Use]:
        from components.connect.uses import secret_uses

        return secret_uses(environment, self)

    def misfits(self, environment: "EnvironmentSpec") -> Iterator[Problem]:
        """Images, ids, connectors and listeners that do not fit; see :mod:`components.connect.check`."""
        from components.connect.check import misfits

        return misfits(self, environment)
