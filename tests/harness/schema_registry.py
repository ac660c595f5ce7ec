"""A real schema registry on loopback that serves Confluent's API."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.harness.one_process import OneProcess
from tests.harness.processes import LOOPBACK, Process, free_ports
from tests.toolchain import versions
from tests.toolchain.java import java
from tests.toolchain.registry import registry_app

READY_SECONDS = 120
MEMORY = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


class SchemaRegistry(OneProcess):
    """While the context lasts. Schemas are kept in memory, or with ``bootstrap`` in that cluster's ``kafkasql-*`` topics."""

    def __init__(self, folder: Path, *, bootstrap: str | None = None, properties: str | None = None) -> None:
        """The log goes to ``folder/registry.log``. ``properties`` is a rendered ``application.properties``, which holds but for
        addresses and for who makes the topics."""
        super().__init__("the schema registry")
        self.port, self._management_port = free_ports(2)
        self._folder = folder
        self._bootstrap = bootstrap
        self._properties = properties

    @property
    def url(self) -> str:
        """The address of Confluent's API, which clients such as ``confluent_kafka.schema_registry`` take."""
        return f"http://{LOOPBACK}:{self.port}/apis/ccompat/v7"

    @property
    def apicurio_url(self) -> str:
        """The address of Apicurio's own API, which its converter takes."""
        return f"http://{LOOPBACK}:{self.port}/apis/registry/v2"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        told = [] if self._properties is None else [f"-Dsmallrye.config.locations={self._told(self._properties)}"]
        command = [str(java(versions.JAVA_PREFERRED)), *MEMORY, *told, "-jar", str(registry_app() / "quarkus-run.jar")]
        self._process = Process(
            "schema registry", command, self._folder / "registry.log", env=self._environment(), cwd=self._folder
        )
        self._process.wait_ready(self._answers, READY_SECONDS)

    def register(self, subject: str, schema: str, references: list[Mapping[str, object]] | None = None) -> int:
        """The id of an Avro schema, registered if it is new."""
        body = {"schema": schema, "schemaType": "AVRO", "references": references or []}
        response = httpx.post(f"{self.url}/subjects/{subject}/versions", json=body, timeout=30, trust_env=False)
        response.raise_for_status()
        return int(response.json()["id"])

    def _told(self, rendered: str) -> Path:
        """The rendered file, which goes over the environment, with what only this machine knows at its end."""
        own = {name.lower().replace("_", "."): value for name, value in self._environment().items()}
        own = {key.replace("topic.auto.create", "topic.auto-create"): value for key, value in own.items()}
        own["apicurio.kafka.common.bootstrap.servers"] = self._bootstrap or ""
        file = self._folder / "rendered.properties"
        file.write_text(rendered + "".join(f"{key}={value}\n" for key, value in own.items()), encoding="utf-8")
        return file

    def _environment(self) -> dict[str, str]:
        kafka = {
            "APICURIO_STORAGE_KIND": "kafkasql",
            "APICURIO_KAFKASQL_BOOTSTRAP_SERVERS": self._bootstrap or "",
            "APICURIO_KAFKASQL_TOPIC_AUTO_CREATE": "true",
        }
        return {
            "QUARKUS_HTTP_HOST": LOOPBACK,
            "QUARKUS_HTTP_PORT": str(self.port),
            "QUARKUS_MANAGEMENT_HOST": LOOPBACK,
            "QUARKUS_MANAGEMENT_PORT": str(self._management_port),
            **(kafka if self._bootstrap else {}),
        }

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/subjects", timeout=5, trust_env=False).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            self.kill()
