"""How the live interfaces of an environment are reached, as options tell. Secrets come from files."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from components.connect.check import addresses
from components.connect.names import COLOURS
from components.core.errors import CdcError
from components.environment import EnvironmentSpec
from components.schema_registry.derive import registry_url
from operations.connect.cluster import Cluster, ConnectError
from operations.connect.rest import RestCluster
from operations.live import requests
from operations.live.kafka import Settings, read_settings
from operations.live.kafka_admin import KafkaAdmin
from operations.live.observe import Sources
from operations.live.registry import Access, Registry

NONE = "none"

KafkaConfig = Annotated[
    Path | None,
    typer.Option(
        "--kafka-config",
        metavar="FILE",
        help="Settings of a client of Kafka, key=value lines. Default: the spec's own open listener on this machine.",
    ),
]
KafkaPassword = Annotated[
    Path | None, typer.Option("--kafka-password-file", metavar="FILE", help="File with that client's password.")
]
RegistryUrl = Annotated[
    str | None,
    typer.Option("--registry", metavar="URL", help="The registry as this machine reaches it, or none. Default: its own."),
]
RegistryUser = Annotated[str | None, typer.Option("--registry-user", metavar="NAME", help="Whom to enter there as.")]
RegistryPassword = Annotated[
    Path | None, typer.Option("--registry-password-file", metavar="FILE", help="File with that user's password.")
]
RegistryCa = Annotated[
    Path | None, typer.Option("--registry-ca-file", metavar="FILE", help="What signed its certificate, PEM.")
]
Blue = Annotated[
    list[str] | None, typer.Option("--blue", metavar="URL", help="REST address of a blue Connect worker (docker); or none.")
]
Green = Annotated[
    list[str] | None, typer.Option("--green", metavar="URL", help="REST address of a green Connect worker (docker); or none.")
]


def kafka_settings(file: Path, password: Path | None) -> dict[str, str]:
    """A file's settings, with the password of a file of its own."""
    found = read_settings(file)
    return found if password is None else {**found, "sasl.password": read_secret(password, "--kafka-password-file")}


def read_secret(file: Path, option: str) -> str:
    """What a file holds, less the end of its line."""
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise CdcError(f"{file}: cannot be read\n      → name a readable file with {option}") from None


@dataclass(frozen=True, slots=True)
class Ways:
    """What the command line says of a whole environment; its fields are the options. What it does not say is taken from the
    spec, where that can be reached from this machine; ``none`` leaves a registry or a colour out."""

    kafka: KafkaConfig = None
    kafka_password: KafkaPassword = None
    registry: RegistryUrl = None
    registry_user: RegistryUser = None
    registry_password: RegistryPassword = None
    registry_ca: RegistryCa = None
    blue: Blue = None
    green: Green = None


@contextmanager
def opened(spec: EnvironmentSpec, ways: Ways, patience: float = 60, *, acts: bool = False) -> Iterator[Sources]:
    """The interfaces of ``spec``. ``acts`` says that they are to be changed, ``patience`` how long an operator may take."""
    settings = own_settings(spec) if ways.kafka is None else kafka_settings(ways.kafka, ways.kafka_password)
    requests.probe(settings)
    with ExitStack() as stack:
        registry = None
        if spec.schema_registry is not None and ways.registry != NONE:
            url = ways.registry or registry_url(spec)
            access = Access(url, ways.registry_user, ways.registry_password, ways.registry_ca, "registry")
            registry = stack.enter_context(Registry(access))
        try:
            connect = _connect(spec, ways, patience, acts)
        except ConnectError as error:
            raise CdcError(str(error)) from None
        yield Sources(KafkaAdmin(spec.name, settings), settings, registry, connect)


def _connect(spec: EnvironmentSpec, ways: Ways, patience: float, acts: bool) -> dict[str, Cluster] | None:
    """Both colours, or those that were not left out."""
    if spec.connect is None or ways.blue == [NONE] == ways.green:
        return None
    given = {"blue": ways.blue, "green": ways.green}
    if spec.target == "docker":
        return {
            colour: RestCluster(colour, given[colour] or addresses(spec.connect, spec, colour))
            for colour in COLOURS
            if given[colour] != [NONE]
        }
    from operations.connect.commands import clusters_on_kubernetes

    found = clusters_on_kubernetes(spec, spec.connect, {"blue": None, "green": None}, patience, acts)
    return {str(colour): cluster for colour, cluster in found.items()}


def own_settings(spec: EnvironmentSpec) -> Settings:
    """The listener of the docker target that this machine reaches without credentials."""
    if spec.target == "docker":
        for listener in spec.kafka.listeners:
            if listener.type == "host" and not listener.tls and listener.authentication == "none":
                ports = (listener.port + number for number in range(spec.kafka.brokers.replicas))
                return {"bootstrap.servers": ",".join(f"127.0.0.1:{port}" for port in ports)}
    raise CdcError(
        f"{spec.name}: how to reach Kafka from here is not known\n"
        "      → write a client's settings (bootstrap.servers=…, security.protocol=…) to a file: --kafka-config FILE"
    )
