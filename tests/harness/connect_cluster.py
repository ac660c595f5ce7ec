"""A real Kafka Connect: one distributed worker on loopback, with the plugins it is given."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.harness.kafka_cluster import java_command
from tests.harness.one_process import OneProcess
from tests.harness.processes import LOOPBACK, NotReadyError, Process, free_port, wait_until
from tests.toolchain.registry import AVRO_CONVERTER

READY_SECONDS = 120
REQUEST_SECONDS = 90
MAIN_CLASS = "org.apache.kafka.connect.cli.ConnectDistributed"
JSON_CONVERTER = "org.apache.kafka.connect.json.JsonConverter"

Status = dict[str, Any]


def avro_converters(registry_url: str) -> dict[str, str]:
    """A connector's settings for Confluent's wire format: a zero byte, the content's id in four bytes, Avro.

    ``registry_url`` is the address of Apicurio's own API; the ids are those that Confluent's API serves.
    """
    settings = {
        "": AVRO_CONVERTER,
        "apicurio.registry.url": registry_url,
        "apicurio.registry.auto-register": "true",
        "apicurio.registry.find-latest": "false",
        "apicurio.registry.if-exists": "RETURN_OR_UPDATE",
        "apicurio.registry.headers.enabled": "false",
        "apicurio.registry.as-confluent": "true",
        "apicurio.registry.use-id": "contentId",
    }
    return _converters(settings)


def json_converters(*, schemas: bool) -> dict[str, str]:
    """A connector's settings for JSON, with the schema in each record or without."""
    return _converters({"": JSON_CONVERTER, "schemas.enable": str(schemas).lower()})


def _converters(settings: Mapping[str, str]) -> dict[str, str]:
    return {
        f"{side}.converter{'.' if name else ''}{name}": value for side in ("key", "value") for name, value in settings.items()
    }


class ConnectCluster(OneProcess):
    """For the time of the context. Its internal topics have one replica; converters are each connector's own."""

    def __init__(
        self,
        folder: Path,
        bootstrap: str,
        plugins: Sequence[Path],
        *,
        memory: str = "-Xmx384m",
        jvm_options: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """``plugins`` are folders of plugins; the log is ``folder/connect.log``; ``settings`` add to the worker's own."""
        super().__init__("Kafka Connect")
        self.port = free_port()
        self._folder = folder
        self._command = java_command(memory, "-Dkafka.log.level=INFO", *jvm_options)
        self._properties = {
            "bootstrap.servers": bootstrap,
            "group.id": "connect",
            "plugin.path": ",".join(map(str, plugins)),
            "plugin.discovery": "service_load",
            "listeners": f"http://{LOOPBACK}:{self.port}",
            "rest.advertised.host.name": LOOPBACK,
            "offset.flush.interval.ms": "1000",
            "key.converter": JSON_CONVERTER,
            "value.converter": JSON_CONVERTER,
            **{f"{topic}.storage.topic": f"connect-{topic}" for topic in ("config", "offset", "status")},
            **{f"{topic}.storage.replication.factor": "1" for topic in ("config", "offset", "status")},
            "offset.storage.partitions": "1",
            "status.storage.partitions": "1",
            "scheduled.rebalance.max.delay.ms": "0",
            "connector.client.config.override.policy": "All",
            **(settings or {}),
        }
        self._http = httpx.Client(base_url=f"http://{LOOPBACK}:{self.port}", timeout=REQUEST_SECONDS, trust_env=False)

    def start(self) -> None:
        """Start it, and wait until it serves requests."""
        properties = self._folder / "connect.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in self._properties.items()))
        self._process = Process("Kafka Connect", [*self._command, MAIN_CLASS, properties], self._folder / "connect.log")
        self._process.wait_ready(self._answers, READY_SECONDS)

    def create(self, name: str, config: Mapping[str, str], *, timeout: float = READY_SECONDS) -> None:
        """Create a connector, or change its settings, and wait until it and all its tasks run."""
        response = self._http.put(f"/connectors/{name}/config", json=dict(config))
        if response.is_error:
            raise NotReadyError(f"connector {name} was refused: {response.text}")
        wait_until(f"connector {name} to run", lambda: self._runs(name), timeout)

    def delete(self, name: str) -> None:
        """Remove a connector."""
        self._http.delete(f"/connectors/{name}").raise_for_status()

    def restart(self, name: str) -> None:
        """Start a connector and all its tasks again."""
        self._http.post(f"/connectors/{name}/restart", params={"includeTasks": "true"}).raise_for_status()

    def status(self, name: str) -> Status:
        """The states of a connector and of its tasks, as the worker reports them; empty while it knows nothing of it."""
        response = self._http.get(f"/connectors/{name}/status")
        return dict(response.json()) if response.status_code == httpx.codes.OK else {}

    def _runs(self, name: str) -> bool:
        """:class:`NotReadyError` when it or a task has failed, with the reason."""
        status = self.status(name)
        parts = [status["connector"], *status["tasks"]] if status else []
        for part in parts:
            if part["state"] == "FAILED":
                raise NotReadyError(f"connector {name} failed:\n{part.get('trace', status)}")
        return len(parts) > 1 and all(part["state"] == "RUNNING" for part in parts)

    def _answers(self) -> bool:
        try:
            return self._http.get("/connectors").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()
        if self._process is not None:
            self.kill()
