"""The live interfaces of an environment, as options tell how to reach them. Secrets come from files."""

import base64
import ssl
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.core.errors import CdcError
from components.environment import EnvironmentSpec
from operations.backup.contents import Sources
from operations.backup.schemas import Schemas
from operations.connect.rest import RestCluster
from operations.live.kafka import read_settings
from operations.live.kafka_admin import KafkaAdmin
from operations.live.registry import Access


@dataclass(frozen=True, slots=True)
class Reach:
    """What the command line says. ``kafka`` is a file of librdkafka's settings; what is ``None`` is not looked at."""

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
        if not self.connect or self.connect == ["none"]:
            return None
        proxies = urllib.request.ProxyHandler({})
        opener = urllib.request.build_opener(proxies, urllib.request.HTTPSHandler(context=self._trust()))
        if self.connect_user is not None and self.connect_password is not None:
            word = f"{self.connect_user}:{_read(self.connect_password, '--connect-password-file')}".encode()
            opener.addheaders = [("Authorization", f"Basic {base64.b64encode(word).decode()}")]
        return RestCluster("connect", self.connect, opener)

    def _trust(self) -> ssl.SSLContext:
        if self.connect_ca is None:
            return ssl.create_default_context()
        try:
            return ssl.create_default_context(cadata=_read(self.connect_ca, "--connect-ca-file"))
        except ssl.SSLError:
            raise CdcError(f"{self.connect_ca}: holds no certificate\n      → name the CA's certificate, PEM") from None

    def settings(self) -> Mapping[str, str]:
        """librdkafka's, with the password of its file."""
        found = read_settings(self.kafka)
        if self.kafka_password is None:
            return found
        return {**found, "sasl.password": _read(self.kafka_password, "--kafka-password-file")}


def _read(file: Path, option: str) -> str:
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise CdcError(f"{file}: cannot be read\n      → name a readable file with {option}") from None


@contextmanager
def opened(spec: EnvironmentSpec, reach: Reach) -> Iterator[tuple[Sources, Mapping[str, str]]]:
    """Everything that is to be looked at. Raises :class:`CdcError` where the spec has a part that no option reaches: a backup
    without it would be found out when it is needed."""
    if spec.schema_registry is not None and reach.registry is None:
        raise CdcError(f"{spec.name}: has a schema registry\n      → give its address with --registry, or say --registry none")
    if spec.connect is not None and not reach.connect:
        raise CdcError(f"{spec.name}: has Connect\n      → give a worker's address with --connect, or say --connect none")
    settings = reach.settings()
    address = None if reach.registry == "none" else reach.registry
    access = None if address is None else Access(address, reach.registry_user, reach.registry_password, reach.registry_ca)
    schemas = None if access is None else Schemas(access)
    try:
        yield Sources(KafkaAdmin(spec.name, settings), schemas, reach.workers()), settings
    finally:
        if schemas is not None:
            schemas.close()
