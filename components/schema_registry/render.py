"""The schema registry, rendered for the environment's target. Pure."""

import json

from components.core.rendered import HealthCheck, Rendered, Workload
from components.core.secrets import mounted
from components.development.derive import waits_for_kafka
from components.environment import EnvironmentSpec
from components.schema_registry.derive import instances
from components.schema_registry.program import SECRETS, Program, program
from components.schema_registry.render_kubernetes import manifests
from components.schema_registry.spec import SchemaRegistrySpec

COMPONENT = "schema-registry"
START_SECONDS = 120
"""A registry first reads all that it knows from Kafka."""

TEMPORARY = "/tmp:exec,mode=1777,size=64m"  # noqa: S108 - the container's own
"""Executable: compression codecs unpack their native libraries there."""


def render(spec: EnvironmentSpec) -> Rendered:
    """Nothing where none is declared."""
    registry = spec.schema_registry
    if registry is None:
        return Rendered()
    declared = {f"{COMPONENT}/subjects.json": subjects_text(registry)}
    if spec.target == "kubernetes":
        return Rendered(manifests=manifests(spec, registry), files=declared)
    workloads = tuple(_workload(spec, registry, name) for name in instances(registry))
    files = {workload.tree_path(path): text for workload in workloads for path, text in workload.files.items()}
    return Rendered(workloads=workloads, files={**files, **declared})


def subjects_text(registry: SchemaRegistrySpec) -> str:
    """What the registry must have, for those who read the tree: the schemas themselves are the files that are named."""
    subjects = [entry.model_dump(mode="json", by_alias=True, exclude_none=True) for entry in registry.subjects]
    value = {"compatibility": registry.compatibility, "subjects": subjects}
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _workload(spec: EnvironmentSpec, registry: SchemaRegistrySpec, name: str) -> Workload:
    runs = program(spec, registry, name)
    brokers = waits_for_kafka(spec)
    return Workload(
        component=COMPONENT,
        name=name,
        image=runs.image,
        command=runs.command,
        environment=runs.environment,
        files=runs.files,
        mounts=(mounted(name, SECRETS),) if runs.secrets else (),
        tmpfs=(TEMPORARY,),
        user=f"{runs.user}:{runs.group}",
        memory_bytes=registry.resources.memory,
        cpu_millicores=registry.resources.cpu_limit_millicores,
        health=HealthCheck(_health_command(name, runs), start_period_seconds=START_SECONDS),
        depends_on=brokers,
    )


def _health_command(name: str, runs: Program) -> tuple[str, ...]:
    """The images have ``bash`` and nothing that speaks HTTP; the first line of the answer says enough. Nor do they have what
    speaks TLS, but a registry that is asked at its own port opens that only once it has read what it knows."""
    ready = runs.ready
    connect = f"exec 3<>/dev/tcp/{name}/{ready.port}"
    if runs.scheme(ready) == "HTTPS":
        return ("bash", "-c", connect)
    request = f"GET {ready.path} HTTP/1.0\\r\\n\\r\\n"
    answer = 'read -r -t 4 _ status _ <&3 && [ "$status" = 200 ]'
    return ("bash", "-c", f"{connect} && printf '{request}' >&3 && {answer}")
