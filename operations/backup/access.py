"""What a backup looks at: how it is reached, as options tell, and that, open."""

import base64
import ssl
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from components.backup.plan import BackupPlan
from components.core.errors import CdcError
from operations.backup.contents import Sources
from operations.backup.schemas import Schemas
from operations.connect.rest import RestCluster
from operations.files import trusting
from operations.live.kafka_admin import KafkaAdmin
from operations.live.reach import (
    NONE,
    KafkaPassword,
    RegistryCa,
    RegistryPassword,
    RegistryUser,
    kafka_settings,
    read_secret,
)
from operations.live.registry import Access

KafkaConfig = Annotated[
    Path, typer.Option("--kafka-config", metavar="FILE", help="Settings of a client of Kafka, key=value lines.")
]
RegistryUrl = Annotated[
    str | None, typer.Option("--registry", metavar="URL", help="The schema registry's API as this machine reaches it; or none.")
]
Connect = Annotated[
    list[str] | None, typer.Option("--connect", metavar="URL", help="REST address of a worker of the active colour; or none.")
]
ConnectUser = Annotated[str | None, typer.Option("--connect-user", metavar="NAME", help="Whom to enter there as.")]
ConnectPassword = Annotated[
    Path | None, typer.Option("--connect-password-file", metavar="FILE", help="File with that user's password.")
]
ConnectCa = Annotated[Path | None, typer.Option("--connect-ca-file", metavar="FILE", help="What signed its certificate, PEM.")]


@dataclass(frozen=True, slots=True)
class Reach:
    """What the command line says of one Kafka, its registry, and one colour of Connect; its fields are the options. ``kafka``
    is a file of librdkafka's settings; what is ``None`` is not looked at."""

    kafka: KafkaConfig
    kafka_password: KafkaPassword = None
    registry: RegistryUrl = None
    registry_user: RegistryUser = None
    registry_password: RegistryPassword = None
    registry_ca: RegistryCa = None
    connect: Connect = None
    connect_user: ConnectUser = None
    connect_password: ConnectPassword = None
    connect_ca: ConnectCa = None

    def workers(self) -> RestCluster | None:
        """Connect, entered as a proxy before it may ask."""
        if not self.connect or self.connect == [NONE]:
            return None
        proxies = urllib.request.ProxyHandler({})
        trust = ssl.create_default_context() if self.connect_ca is None else trusting(self.connect_ca)
        opener = urllib.request.build_opener(proxies, urllib.request.HTTPSHandler(context=trust))
        if self.connect_user is not None and self.connect_password is not None:
            word = f"{self.connect_user}:{read_secret(self.connect_password, '--connect-password-file')}".encode()
            opener.addheaders = [("Authorization", f"Basic {base64.b64encode(word).decode()}")]
        return RestCluster("connect", self.connect, opener)

    def settings(self) -> Mapping[str, str]:
        """librdkafka's, with the password of its file."""
        return kafka_settings(self.kafka, self.kafka_password)


@contextmanager
def opened(plan: BackupPlan, reach: Reach) -> Iterator[tuple[Sources, Mapping[str, str]]]:
    """Everything that is to be looked at. Raises :class:`CdcError` where the environment has a part that no option reaches: a
    backup without it would be found out when it is needed."""
    if plan.registry and reach.registry is None:
        raise CdcError(f"{plan.name}: has a schema registry\n      → give its address with --registry, or say --registry none")
    if plan.connect and not reach.connect:
        raise CdcError(f"{plan.name}: has Connect\n      → give a worker's address with --connect, or say --connect none")
    settings = reach.settings()
    address = None if reach.registry == NONE else reach.registry
    access = None if address is None else Access(address, reach.registry_user, reach.registry_password, reach.registry_ca)
    schemas = None if access is None else Schemas(access)
    try:
        yield Sources(KafkaAdmin(plan.name, settings), schemas, reach.workers()), settings
    finally:
        if schemas is not None:
            schemas.close()
