"""The docker target as a ``compose.yaml`` (Compose Specification), for those who run it without Pulumi. Pure."""

import hashlib
from typing import Any

from components.core import yaml_text
from components.core.context import Context
from components.core.rendered import HealthCheck, Mount, Rendered, Workload

STOP_SECONDS = 120
"""How long a container may take to end before it is killed: a broker first hands its partitions over and closes its logs."""

LOGGING = {"driver": "json-file", "options": {"max-file": "5", "max-size": "20m"}}
"""Docker keeps a container's output for ever unless told otherwise."""

PROJECT_DIRECTORY = "${CDC_PROJECT_DIR:-../..}"
"""Where images that are built here have their sources, as seen from ``rendered/<stack>/compose.yaml``."""

FILES_LABEL = "cdc.platform/files"

Service = dict[str, Any]


def compose(rendered: Rendered, context: Context) -> str:
    """One service per workload, with every name as Pulumi would give it, so that either can take over from the other.

    It lies at the top of the rendered tree: the files of a workload are bound from beside it (:meth:`Workload.tree_path`).
    """
    network = rendered.network or context.network
    document: dict[str, Any] = {
        "name": network,
        "services": {
            workload.name: _service(workload, network, context) for workload in sorted(rendered.workloads, key=lambda w: w.name)
        },
        "networks": {network: {"name": network}},
    }
    if rendered.volumes:
        document["volumes"] = {volume: {"name": volume} for volume in sorted(rendered.volumes)}
    return yaml_text.dump(document)


def _service(workload: Workload, network: str, context: Context) -> Service:
    service: Service = {
        "image": workload.image,
        "container_name": workload.name,
        "hostname": workload.name,
        "entrypoint": list(workload.command),
        "environment": dict(sorted(workload.environment.items())),
        "user": workload.user,
        "read_only": workload.read_only,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "tmpfs": list(workload.tmpfs),
        "ports": [f"127.0.0.1:{host}:{inside}" for host, inside in workload.ports],
        "networks": [network],
        "depends_on": {name: {"condition": "service_healthy"} for name in workload.depends_on},
        "healthcheck": _health(workload.health) if workload.health else {},
        "labels": _labels(workload, context),
        "logging": LOGGING,
        "restart": "unless-stopped",
        "stop_grace_period": f"{STOP_SECONDS}s",
    }
    if workload.memory_bytes is not None:
        service["mem_limit"] = workload.memory_bytes
    if workload.cpu_millicores is not None:
        service["cpus"] = workload.cpu_millicores / 1000
    written = {key: _without_variables(value) for key, value in service.items() if value not in ([], {})}
    volumes = [*(_file(workload, target) for target in sorted(workload.files)), *(_mount(mount) for mount in workload.mounts)]
    if workload.build is not None:
        written = {"build": {"context": f"{PROJECT_DIRECTORY}/{_without_variables(workload.build)}"}, **written}
    return {**written, "volumes": volumes} if volumes else written


def _without_variables(value: Any) -> Any:
    """``$`` doubled in every text, so that compose puts nothing in its place."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, list):
        return [_without_variables(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_variables(item) for key, item in value.items()}
    return value


def _labels(workload: Workload, context: Context) -> dict[str, str]:
    """Compose makes a container anew when its service changed, and does not look into bound files: their hash makes it look."""
    labels = context.labels(workload.component)
    if workload.files:
        content = "\0".join(f"{path}\0{text}" for path, text in sorted(workload.files.items()))
        labels[FILES_LABEL] = hashlib.sha256(content.encode()).hexdigest()
    return labels


def _file(workload: Workload, target: str) -> dict[str, Any]:
    return _bind(_without_variables(f"./{workload.tree_path(target)}"), target, read_only=True)


def _mount(mount: Mount) -> dict[str, Any]:
    """A host path keeps its variables: where secrets are is for the machine to say."""
    if mount.host_path is not None:
        return _bind(mount.host_path, mount.target, mount.read_only, mount.made)
    volume: dict[str, Any] = {"type": "volume", "source": mount.volume, "target": mount.target}
    return {**volume, "read_only": True} if mount.read_only else volume


def _bind(source: str, target: str, read_only: bool, made: bool = False) -> dict[str, Any]:
    """A source that is missing is an error, unless it may be ``made``; compose would make an empty folder of any."""
    bind: dict[str, Any] = {"type": "bind", "source": source, "target": target}
    if read_only:
        bind["read_only"] = True
    return {**bind, "bind": {"create_host_path": made}}


def _health(health: HealthCheck) -> dict[str, Any]:
    return {
        "test": ["CMD", *health.command],
        "interval": f"{health.interval_seconds}s",
        "timeout": f"{health.timeout_seconds}s",
        "retries": health.retries,
        "start_period": f"{health.start_period_seconds}s",
    }
