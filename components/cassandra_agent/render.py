"""Agents for Cassandra, rendered for the environment's target. Pure."""

from collections.abc import Iterator

from components.cassandra_agent import properties
from components.cassandra_agent.properties import FOLDER, HTTP_PORT, SECRETS, STATE, agent_name
from components.cassandra_agent.spec import CassandraAgentSpec
from components.core import yaml_text
from components.core.kubernetes import Body, config_map, container_security, resources
from components.core.rendered import HealthCheck, Manifest, Mount, Rendered, Workload, merge
from components.core.secrets import mounted, projected
from components.development.derive import sources, waits_for_kafka
from components.environment import EnvironmentSpec
from components.kafka.network_policies import CLIENT_LABEL
from components.kafka.render_docker import TEMPORARY
from components.pipelines.spec import DatabaseSourceSpec, PipelineSpec

COMPONENT = "cassandra-agent"
_LONGEST_NAME = 50
"""Containers and volumes of a pod have names of at most 63 characters, endings included."""

USER = "999:999"
"""``cassandra`` of Cassandra's own image: what the agent reads, and moves away, is that user's."""


def render(spec: EnvironmentSpec) -> Rendered:
    """One agent for each pipeline from Cassandra; nothing where none is declared, or in a standby."""
    agent = spec.cassandra_agent
    if agent is None or spec.stands_by:
        return Rendered()
    return merge(
        _on_docker(spec, agent, pipeline, source) if spec.target == "docker" else _on_kubernetes(spec, agent, pipeline, source)
        for pipeline, source in _pipelines(spec)
    )


def _pipelines(spec: EnvironmentSpec) -> Iterator[tuple[PipelineSpec, DatabaseSourceSpec]]:
    for pipeline in spec.pipelines:
        if pipeline.source.cassandra is not None and pipeline.source.chosen is not None:
            yield pipeline, pipeline.source.cassandra


def _on_docker(
    spec: EnvironmentSpec, agent: CassandraAgentSpec, pipeline: PipelineSpec, source: DatabaseSourceSpec
) -> Rendered:
    name = agent_name(spec, pipeline)
    files = {f"{FOLDER}/{file}": text for file, text in properties.files(spec, agent, pipeline, source).items()}
    workload = Workload(
        component=COMPONENT,
        name=name,
        image=agent.used_image,
        build=agent.build,
        command=("sh", f"{FOLDER}/start.sh"),
        files=files,
        mounts=(Mount(agent.data, volume=agent.volume), Mount(STATE, volume=f"{name}-state"), mounted(name, SECRETS)),
        tmpfs=(TEMPORARY,),
        user=USER,
        memory_bytes=agent.resources.memory,
        cpu_millicores=agent.resources.cpu_limit_millicores,
        health=HealthCheck(("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{HTTP_PORT}"), start_period_seconds=120),
        depends_on=(*waits_for_kafka(spec), *sources(spec, source.host)),
        stateful=True,
    )
    return Rendered(
        workloads=(workload,),
        volumes=(agent.volume, f"{name}-state"),
        files={workload.tree_path(path): text for path, text in files.items()},
    )


def _on_kubernetes(
    spec: EnvironmentSpec, agent: CassandraAgentSpec, pipeline: PipelineSpec, source: DatabaseSourceSpec
) -> Rendered:
    """The pods are Cassandra's, so only their configuration is an object; what a pod needs is a patch for its StatefulSet."""
    name = agent_name(spec, pipeline)
    manifest: Manifest = config_map(COMPONENT, name, spec.context, properties.files(spec, agent, pipeline, source))
    patch = yaml_text.dump(_patch(spec, agent, pipeline, source, name))
    return Rendered(manifests=(manifest,), files={f"{COMPONENT}/{pipeline.name}/statefulset.patch": _HOW + patch})


_HOW = """# A strategic merge patch for the StatefulSet of the Cassandra nodes that this pipeline reads, in this namespace:
#   kubectl patch statefulset <name> --patch-file statefulset.patch
# An operator of Cassandra takes the container and the volumes in its pod template instead.
"""


def _patch(
    spec: EnvironmentSpec, agent: CassandraAgentSpec, pipeline: PipelineSpec, source: DatabaseSourceSpec, name: str
) -> Body:
    """``volume`` is the name of the node's own claim; the agent's state lies in it too, so that it stays with the node."""
    uid, _, gid = USER.partition(":")
    own = pipeline.name[:_LONGEST_NAME].rstrip("-")
    container: Body = {
        "name": own,
        "image": agent.used_image,
        "command": ["sh", f"{FOLDER}/start.sh"],
        "resources": resources(agent.resources),
        "securityContext": {**container_security(), "runAsUser": int(uid), "runAsGroup": int(gid)},
        "readinessProbe": {"tcpSocket": {"port": HTTP_PORT}},
        "volumeMounts": [
            {"name": agent.volume, "mountPath": agent.data},
            {"name": agent.volume, "mountPath": STATE, "subPath": "debezium"},
            {"name": f"{own}-files", "mountPath": FOLDER, "readOnly": True},
            {"name": f"{own}-secrets", "mountPath": SECRETS, "readOnly": True},
            {"name": f"{own}-tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's own
        ],
    }
    volumes: list[Body] = [
        {"name": f"{own}-files", "configMap": {"name": name}},
        {"name": f"{own}-secrets", **projected(properties.secrets(spec, pipeline, source))},
        {"name": f"{own}-tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
    ]
    pod = {"containers": [container], "volumes": volumes}
    return {"spec": {"template": {"metadata": {"labels": CLIENT_LABEL}, "spec": pod}}}
