"""How the live interfaces of an environment are reached, as options tell. Secrets come from files."""

import base64
import ssl
import urllib.request
from collections.abc import Iterator, Mapping
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
from operations.connect.cluster import Cluster
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


@dataclass(frozen=True, slots=True)
class Reach:
    """What the command line says of one Kafka, its registry, and one colour of Connect. ``kafka`` is a file of librdkafka's
    settings; what is ``None`` is not looked at."""

    kafka: Path
    kafka_password: Path | None
    registry: str | None
    registry_user: str | None
    registry_password: Path | None
    registry_ca: Path | None
    connect: list[str] | None
    connect_user: str | None = None
    connect_password: Path | None = None
    connect_ca: Path | None = None

    def workers(self) -> RestCluster | None:
        """Connect, entered as a proxy before it may ask."""
        if not self.connect or self.connect == [NONE]:
            return None
        proxies = urllib.request.ProxyHandler({})
        opener = urllib.request.build_opener(proxies, urllib.request.HTTPSHandler(context=self._trust()))
        if self.connect_user is not None and self.connect_password is not None:
            word = f"{self.connect_user}:{read_secret(self.connect_password, '--connect-password-file')}".encode()
            opener.addheaders = [("Authorization", f"Basic {base64.b64encode(word).decode()}")]
        return RestCluster("connect", self.connect, opener)

    def _trust(self) -> ssl.SSLContext:
        if self.connect_ca is None:
            return ssl.create_default_context()
        try:
            return ssl.create_default_context(cadata=read_secret(self.connect_ca, "--connect-ca-file"))
        except ssl.SSLError:
            raise CdcError(f"{self.connect_ca}: holds no certificate\n      → name the CA's certificate, PEM") from None

    def settings(self) -> Mapping[str, str]:
        """librdkafka's, with the password of its file."""
        return kafka_settings(self.kafka, self.kafka_password)


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
    """What the command line says of a whole environment. What it does not say is taken from the spec, where that can be
    reached from this machine; ``none`` leaves a registry or a colour out."""

    kafka: Path | None = None
    kafka_password: Path | None = None
    registry: str | None = None
    registry_user: str | None = None
    registry_password: Path | None = None
    registry_ca: Path | None = None
    blue: list[str] | None = None
    green: list[str] | None = None


@contextmanager
def opened(spec: EnvironmentSpec, ways: Ways, patience: float = 60, *, acts: bool = False) -> Iterator[Sources]:
    """The interfaces of ``spec``. ``acts`` says that they are to be changed, ``patience`` how long an operator may take."""
    settings = own_settings(spec) if ways.kafka is None else kafka_settings(ways.kafka, ways.kafka_password)
    requests.probe(settings)
    with ExitStack() as stack:
        registry = None
        if spec.schema_registry is not None and ways.registry != NONE:
            url = ways.registry or registry_url(spec)
            access = Access(url, ways.registry_user, ways.registry_password, ways.registry_ca)
            registry = stack.enter_context(Registry(access))
        yield Sources(KafkaAdmin(spec.name, settings), settings, registry, _connect(spec, ways, patience, acts))


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
