"""What a component gives HAProxy to stand in front of. Plain values, no specs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from components.core.secrets import SecretFile

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Server:
    """One program at ``host``:``port``, or as many as ``host`` has addresses in DNS, up to ``instances`` (a headless Service,
    by its full name with the cluster's domain). A ``backup`` is used only while no other server is up."""

    name: str
    host: str
    port: int
    instances: int = 1
    backup: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """A path that answers 200, in plain HTTP, on another port of the same server."""

    port: int
    path: str


@dataclass(frozen=True, slots=True)
class Affinity:
    """Requests whose path begins with ``prefix`` are about the thing that its ``part`` names; ``/subjects/x`` has ``x`` as its
    third part."""

    prefix: str
    part: int


@dataclass(frozen=True, slots=True)
class OwnApi:
    """Another API of the same servers, all of it below ``path``, which goes to them as it is.

    ``named_by`` is a header that names the thing where the path does not yet. What is not safe is repeated only where the
    query's parameter ``repeatable_if[0]`` begins with ``repeatable_if[1]``.
    """

    path: str
    affinity: tuple[Affinity, ...]
    named_by: str
    repeatable_if: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Backend:
    """Programs that are one to their clients, who reach them at HAProxy's ``port``.

    - ``name`` is a DNS label, unique in the environment.
    - ``health_path`` is the servers' own and asked with GET, after ``ready`` where there is such a thing.
    - ``prefix`` is put in front of a client's path, but for those of the servers' ``own`` API.
    - ``repeatable`` are the methods of requests that do the same when they are done twice. Only those are sent to another
      server once one has seen them: when it has not answered in ``timeout_seconds``, or has answered with one of ``retried``,
      up to ``retries`` times.
    - ``affinity`` sends requests about one thing to one server while that is up.
    - ``server_ca`` signs the servers' certificates, which name their ``host``; without it they speak plain HTTP.
    - ``pods`` are the labels of the servers' pods on Kubernetes; without any they are elsewhere.
    - ``clients`` are the labels of the platform's own pods that come to it; without any none does.
    """

    name: str
    port: int
    servers: tuple[Server, ...]
    health_path: str = "/"
    ready: Check | None = None
    prefix: str = ""
    balance: Literal["roundrobin", "leastconn"] = "roundrobin"
    repeatable: tuple[str, ...] = SAFE_METHODS
    timeout_seconds: int = 60
    retried: tuple[int, ...] = (503,)
    retries: int = 3
    affinity: tuple[Affinity, ...] = ()
    own: OwnApi | None = None
    server_ca: SecretFile | None = None
    pods: Mapping[str, str] = field(default_factory=dict)
    clients: Mapping[str, str] = field(default_factory=dict)
