"""What rendering gives: plain, frozen values that a file, a Pulumi resource and a policy all read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

SECRETS_DIRECTORY = "${CDC_SECRETS_DIR:-../../secrets}"
"""Where the docker target finds secret files on the host, as compose writes it; one folder per container. By default that is
``secrets`` beside ``Pulumi.yaml``, as seen from ``rendered/<stack>/compose.yaml``."""

Json = Any
"""A plain JSON value: dict, list, str, int, float, bool or None."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One Kubernetes object. ``body`` is the whole manifest; ``component`` the ``/``-separated place in the platform's tree
    (``kafka``, ``pipelines/orders``) that becomes its folder and its Pulumi parent. ``stateful`` marks what holds data: it is
    protected and retained outside development."""

    component: str
    body: Mapping[str, Json]
    stateful: bool = False

    @property
    def api_version(self) -> str:
        return str(self.body["apiVersion"])

    @property
    def kind(self) -> str:
        return str(self.body["kind"])

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str | None:
        value = self.body["metadata"].get("namespace")
        return None if value is None else str(value)

    @property
    def id(self) -> str:
        """``KafkaTopic/cdc/orders``: unique in one environment, stable, and the Pulumi resource's name."""
        return "/".join(part for part in (self.kind, self.namespace, self.name) if part)


@dataclass(frozen=True, slots=True)
class Mount:
    """A named volume (``volume``) or a host path (``host_path``) seen inside a container at ``target``. ``made``: docker makes
    an empty folder where the host has none."""

    target: str
    volume: str | None = None
    host_path: str | None = None
    read_only: bool = False
    made: bool = False


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """``command`` ends with 0 when the container is healthy; times in seconds."""

    command: tuple[str, ...]
    interval_seconds: int = 10
    timeout_seconds: int = 5
    retries: int = 6
    start_period_seconds: int = 30


@dataclass(frozen=True, slots=True)
class Workload:
    """One container on the docker target. ``command`` replaces the image's entrypoint; ``files`` maps an absolute path in the
    container to its text; ``ports`` are ``(host port, container port)`` published on 127.0.0.1 only; an entry of ``tmpfs`` is a
    path, or ``path:options``; memory in bytes, CPU in millicores. Its host name is its name. ``build`` is the folder of the
    project whose Dockerfile makes the image; without it the image is fetched."""

    component: str
    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    ports: tuple[tuple[int, int], ...] = ()
    tmpfs: tuple[str, ...] = ()
    user: str = "1000:1000"
    read_only: bool = True
    memory_bytes: int | None = None
    cpu_millicores: int | None = None
    health: HealthCheck | None = None
    depends_on: tuple[str, ...] = ()
    stateful: bool = False
    build: str | None = None

    @property
    def id(self) -> str:
        return f"Container/{self.name}"

    def tree_path(self, target: str) -> str:
        """Where the rendered tree keeps the file that the container sees at ``target``."""
        return f"{self.component}/{self.name}/{target.rpartition('/')[2]}"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A whole environment, sorted: the same spec gives the same values in the same order.

    ``files`` are further texts of the rendered tree by their path in it (``kafka/desired-state.json``); ``volumes`` and
    ``network`` belong to the docker target.
    """

    manifests: tuple[Manifest, ...] = ()
    workloads: tuple[Workload, ...] = ()
    volumes: tuple[str, ...] = ()
    network: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)

    def only(self, part: str) -> "Rendered":
        """What belongs to one part itself, its nested parts not included; volumes go with their workloads, and one that several
        parts mount with the first of those."""
        workloads = tuple(w for w in self.workloads if w.component == part)
        owners: dict[str | None, str] = {}
        for workload in self.workloads:
            for mount in workload.mounts:
                owners.setdefault(mount.volume, workload.component)
        return Rendered(
            manifests=tuple(m for m in self.manifests if m.component == part),
            workloads=workloads,
            volumes=tuple(volume for volume in self.volumes if owners.get(volume) == part),
            network=self.network if part == NETWORK_PART else None,
        )

    def without(self, *parts: str) -> "Rendered":
        """All but the manifests of these parts."""
        return replace(self, manifests=tuple(m for m in self.manifests if m.component not in parts))


NETWORK_PART = "foundation"
"""The part that declares the docker network."""


def merge(parts: Iterable[Rendered]) -> Rendered:
    """Several components' parts as one. Order: namespaces first, then by component, kind and name."""
    parts = list(parts)
    manifests = sorted(
        (m for part in parts for m in part.manifests),
        key=lambda m: (m.kind != "Namespace", m.component, m.kind, m.namespace or "", m.name),
    )
    files = {path: text for part in parts for path, text in part.files.items()}
    return Rendered(
        manifests=tuple(manifests),
        workloads=tuple(sorted((w for part in parts for w in part.workloads), key=lambda w: w.name)),
        volumes=tuple(sorted({v for part in parts for v in part.volumes})),
        network=next((part.network for part in parts if part.network), None),
        files=dict(sorted(files.items())),
    )
