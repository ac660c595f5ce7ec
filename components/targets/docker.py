"""Workloads as pulumi-docker containers on one machine."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pulumi
import pulumi_docker as docker

from components.core.compose import LOGGING, STOP_SECONDS
from components.core.context import Context
from components.core.rendered import SECRETS_DIRECTORY, Mount, Rendered, Workload
from components.targets.declare import holds_data
from components.targets.sources import digest

_MIB = 1 << 20
_WAIT_SECONDS = 600
"""A node that recovers large logs takes minutes until it is healthy."""


def declare(
    rendered: Rendered, parent: pulumi.Resource, context: Context, after: tuple[pulumi.Resource, ...]
) -> tuple[pulumi.Resource, ...]:
    """The network, the volumes, an image per name, and one container per workload. Returns the network and the volumes, which
    another part's containers may mount too."""
    child = pulumi.ResourceOptions(parent=parent)
    networks = tuple(docker.Network(f"Network/{name}", name=name, opts=child) for name in [rendered.network] if name)
    volumes = [_volume(name, parent, context) for name in rendered.volumes]
    sources = {workload.image: workload.build for workload in rendered.workloads}
    images = {name: _image(name, build, child) for name, build in sorted(sources.items())}
    made: dict[str, pulumi.Resource] = {}
    for workload in _in_order(rendered.workloads):
        waits = [*after, *networks, *volumes, *(made[name] for name in workload.depends_on if name in made)]
        opts = pulumi.ResourceOptions(parent=parent, depends_on=waits)
        made[workload.name] = docker.Container(workload.id, opts=opts, **_arguments(workload, images[workload.image], context))
    return (*networks, *volumes)


def _volume(name: str, parent: pulumi.Resource, context: Context) -> pulumi.Resource:
    opts = pulumi.ResourceOptions.merge(pulumi.ResourceOptions(parent=parent), holds_data(stateful=True, context=context))
    return docker.Volume(f"Volume/{name}", name=name, opts=opts)


def _image(name: str, build: str | None, opts: pulumi.ResourceOptions) -> docker.RemoteImage:
    """One that is fetched is kept when the stack goes: other stacks on the machine may use it. One that is built goes with it,
    and is built anew when its sources change."""
    if build is None:
        return docker.RemoteImage(f"RemoteImage/{name}", name=name, keep_locally=True, opts=opts)
    folder = Path.cwd() / build
    return docker.RemoteImage(
        f"RemoteImage/{name}",
        name=name,
        build={"context": str(folder)},
        triggers={"sources": digest(folder)},
        keep_locally=False,
        opts=opts,
    )


def _in_order(workloads: Iterable[Workload]) -> list[Workload]:
    """Workloads after those they depend on; by name otherwise."""
    pending = sorted(workloads, key=lambda workload: workload.name)
    names = {workload.name for workload in pending}
    ordered: list[Workload] = []
    while pending:
        done = {workload.name for workload in ordered}
        ready = [w for w in pending if not (set(w.depends_on) & names) - done] or pending[:1]
        ordered += ready
        pending = [workload for workload in pending if workload not in ready]
    return ordered


def _arguments(workload: Workload, image: docker.RemoteImage, context: Context) -> dict[str, Any]:
    return {
        "name": workload.name,
        "hostname": workload.name,
        "image": image.image_id,
        "entrypoints": list(workload.command),
        "envs": [f"{key}={value}" for key, value in sorted(workload.environment.items())],
        "uploads": [{"file": path, "content": text} for path, text in sorted(workload.files.items())],
        "volumes": [*_file_volumes(workload), *(_mount(mount) for mount in workload.mounts)],
        "ports": [{"external": host, "internal": inside, "ip": "127.0.0.1"} for host, inside in workload.ports],
        "tmpfs": dict(entry.partition(":")[::2] for entry in workload.tmpfs),
        "user": workload.user,
        "read_only": workload.read_only,
        "memory": None if workload.memory_bytes is None else workload.memory_bytes // _MIB,
        "cpus": None if workload.cpu_millicores is None else f"{workload.cpu_millicores / 1000:g}",
        "healthcheck": _health(workload),
        "networks_advanced": [{"name": context.network}],
        "capabilities": {"drops": ["ALL"]},
        "security_opts": ["no-new-privileges:true"],
        "restart": "unless-stopped",
        "must_run": True,
        "wait": workload.health is not None,
        "wait_timeout": _WAIT_SECONDS,
        "log_driver": LOGGING["driver"],
        "log_opts": LOGGING["options"],
        "destroy_grace_seconds": STOP_SECONDS,
        "labels": [{"label": key, "value": value} for key, value in context.labels(workload.component).items()],
    }


def _file_volumes(workload: Workload) -> list[dict[str, Any]]:
    """Docker copies files into a container with a read-only root only where a volume is mounted."""
    if not workload.read_only:
        return []
    return [{"container_path": folder} for folder in sorted({os.path.dirname(path) for path in workload.files})]


def _mount(mount: Mount) -> dict[str, Any]:
    source = {"volume_name": mount.volume} if mount.volume else {"host_path": _host_path(str(mount.host_path))}
    return {"container_path": mount.target, "read_only": mount.read_only, **source}


def _host_path(path: str) -> str:
    """``$CDC_SECRETS_DIR``, or ``secrets`` beside ``Pulumi.yaml``, in place of what compose would put there."""
    directory = os.environ.get("CDC_SECRETS_DIR") or str(Path.cwd() / "secrets")
    return path.replace(SECRETS_DIRECTORY, directory)


def _health(workload: Workload) -> dict[str, Any] | None:
    if workload.health is None:
        return None
    health = workload.health
    return {
        "tests": ["CMD", *health.command],
        "interval": f"{health.interval_seconds}s",
        "timeout": f"{health.timeout_seconds}s",
        "retries": health.retries,
        "start_period": f"{health.start_period_seconds}s",
    }
