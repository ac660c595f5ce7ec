"""What the user writes about Debezium's agents for Cassandra (requirement B1)."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from components.component_spec import ComponentSpec
from components.core.errors import Problem
from components.core.model import Scalar, setting
from components.core.paths import format_step
from components.core.resources import ResourcesSpec
from components.core.secrets import Use
from components.kafka.clients import listener_problems
from components.kafka.node_spec import JvmSpec

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec

BUILT_IMAGE = "cdc-platform/cassandra-agent:local"
SOURCES = "components/cassandra_agent/image"
"""What the project's own image is built from."""
_PATH = r"^(/[A-Za-z0-9._-]+)+$"


class CassandraAgentSpec(ComponentSpec):
    """One agent for each pipeline from Cassandra, beside each of its nodes. Tables need ``WITH cdc = true``."""

    image: str | None = setting(
        None,
        help="Image with Java 17 and Debezium's connector for your Cassandra's release, pinned.",
        becomes="container image; the sidecar's image",
        min_length=1,
    )
    build: str | None = setting(
        None,
        help="In place of image, on docker: the folder of the project that it is built from, where it runs.",
        becomes="build of the container's image",
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$",
    )
    jar: str = setting(
        "/opt/debezium/connector.jar", help="The connector's jar in the image.", becomes="java -jar", pattern=_PATH
    )
    cassandra_config: str = setting(
        "/var/lib/cassandra/cassandra.yaml",
        help="Cassandra's own configuration, as the agent sees it.",
        becomes="cassandra.config of the agent",
        pattern=_PATH,
    )
    data: str = setting(
        "/var/lib/cassandra",
        help="Folder with the node's commit logs, cdc_raw and tables, as both see it.",
        becomes="the shared volume's mount; commit.log.relocation.dir",
        pattern=_PATH,
    )
    volume: str = setting(
        "cassandra-data",
        help="Name of the volume that the Cassandra node keeps that folder in.",
        becomes="the container's volume; the sidecar's volume",
        pattern=r"^[a-z0-9][a-z0-9-]*$",
    )
    datacenter: str = setting(
        "datacenter1", help="The node's data centre.", becomes="local-datacenter of the driver", pattern=r"^[A-Za-z0-9_-]+$"
    )
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(cpu="500m", memory="2Gi"), help="CPU and memory of each.", becomes="container resources"
    )
    jvm: JvmSpec = setting(JvmSpec, help="Its JVM.", becomes="JVM options")
    config: Mapping[str, Scalar] = setting(
        dict, help="Further settings in the connector's own keys.", becomes="debezium.properties"
    )

    @property
    def heap_bytes(self) -> int:
        return self.jvm.heap if self.jvm.heap is not None else self.resources.memory // 2

    @property
    def used_image(self) -> str:
        """The image's name; one that is built is never fetched under it."""
        return self.image or BUILT_IMAGE

    def problems(self) -> list[Problem]:
        found = []
        if (self.image is None) == (self.build is None):
            said = "no image is named" if self.image is None else "one image is named, and another is built"
            found.append(Problem("image", said, f"write image or, on docker, build: {SOURCES}"))
        if self.heap_bytes >= self.resources.memory:
            found.append(Problem("jvm.heap", "is not less than resources.memory", "write about half of the memory"))
        return found

    def secret_uses(self, environment: "EnvironmentSpec") -> Iterator[Use]:
        from components.cassandra_agent.uses import secret_uses

        return secret_uses(environment)

    def misfits(self, environment: "EnvironmentSpec") -> Iterator[Problem]:
        """There is something to read, the agent can reach Kafka, and writes where the platform has topics."""
        from components.cassandra_agent.properties import SNAPSHOT_MODES, is_owned

        yield from listener_problems(environment.kafka)
        if self.build is not None and environment.target == "kubernetes":
            remedy = "push one, and name it in cassandraAgent.image"
            yield Problem("cassandraAgent.build", "a cluster does not see this machine's images", remedy)
        found = [
            index
            for index, pipeline in enumerate(environment.pipelines)
            if pipeline.source.chosen is not None and pipeline.source.chosen[0] == "cassandra"
        ]
        if not found:
            yield Problem("cassandraAgent", "no pipeline reads Cassandra", "leave it out, or declare one")
        for key in self.config:
            if is_owned(key):
                yield Problem(f"cassandraAgent.config{format_step(key)}", "is set by the platform", "leave it out here")
        hosts: dict[str, int] = {}
        for index in found:
            pipeline = environment.pipelines[index]
            host = pipeline.source.cassandra.host if pipeline.source.cassandra is not None else ""
            other = hosts.setdefault(host, index)
            if other != index:
                yield Problem(
                    f"pipelines[{index}].source.cassandra.host",
                    f"{host} is read by pipelines[{other}] already, and a node's commit log has room for one agent",
                    "capture its tables in one pipeline",
                )
            if pipeline.connector.snapshot not in SNAPSHOT_MODES:
                yield Problem(
                    f"pipelines[{index}].connector.snapshot",
                    f"{pipeline.connector.snapshot} is not what an agent for Cassandra can do",
                    f"write one of {', '.join(SNAPSHOT_MODES)}",
                )
            for table in (table for table, override in pipeline.tables.items() if override.name is not None):
                yield Problem(
                    f"pipelines[{index}].tables{format_step(table)}.name",
                    "an agent names all of a pipeline's topics by one pattern",
                    "leave it out; see naming.topic",
                )
