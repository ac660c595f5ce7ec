"""The rendered MirrorMaker 2 in dedicated mode, as a process on loopback between clusters that ask for no credentials."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from components.environment import EnvironmentSpec
from components.loading import build_environment
from components.mirror_maker.names import REST_PORT, node_name
from components.platform import render
from tests.harness.kafka_cluster import java_command
from tests.harness.processes import LOOPBACK, Process, free_port

READY_SECONDS = 120
MAIN_CLASS = "org.apache.kafka.connect.mirror.MirrorMaker"
SOURCE, STANDBY = "primary", "standby"


def open_standby(changes: Mapping[str, Any] | None = None, mirror: Mapping[str, Any] | None = None) -> EnvironmentSpec:
    """A standby of one open broker, for the tenant ``shop`` of ``primary``, with ``changes`` to it and to its mirror."""
    open_kafka = {
        "name": STANDBY,
        "controllers": 0,
        "brokers": 1,
        "listeners": [{"name": "plain", "port": 9092, "tls": False, "authentication": "none"}],
        "tls": {"internal": False},
        "authorization": {"type": "none"},
    }
    source = {"environment": SOURCE, "bootstrap": f"{SOURCE}-brokers-0:9092", "tls": False}
    quick = {"checkpoints": "1s", "groupOffsets": "1s", "refresh": "2s", "replicas": 1, "tasksMax": 2}
    values = {
        "tier": "development",
        "target": "docker",
        "kafka": open_kafka,
        "tenants": [{"name": "shop", "owner": "team-shop"}],
        "mirrorMaker": {"source": source, **quick, **(mirror or {})},
        **(changes or {}),
    }
    return build_environment(values, STANDBY, "the standby's spec")


class MirrorProcess:
    """While the context lasts. What the rendered file says is kept, but for the addresses."""

    def __init__(
        self, folder: Path, spec: EnvironmentSpec, source: str, standby: str, jvm_options: Sequence[str] = ("-Xmx512m",)
    ) -> None:
        """``source`` and ``standby`` are the clusters' bootstrap servers."""
        node = node_name(spec.kafka.name, 0)
        text = next(text for path, text in render(spec).files.items() if path.endswith(f"{node}/mm2.properties"))
        self._port = free_port()
        addresses = {
            f"{SOURCE}-brokers-0:9092": source,
            f"{STANDBY}-brokers-0:9092": standby,
            f"http://{node}:{REST_PORT}": f"http://{LOOPBACK}:{self._port}",
            f"rest.advertised.host.name={node}": f"rest.advertised.host.name={LOOPBACK}",
        }
        for rendered, real in addresses.items():
            assert rendered in text, rendered
            text = text.replace(rendered, real)
        folder.mkdir(parents=True, exist_ok=True)
        self._properties, self._log = folder / "mm2.properties", folder / "mirror-maker.log"
        self._properties.write_text(text)
        java = java_command("-Dkafka.log.level=INFO", *jvm_options)
        self._command = [*java, MAIN_CLASS, str(self._properties), "--clusters", spec.name]
        self.process: Process | None = None

    def start(self) -> None:
        """Start it, and wait until it mirrors."""
        self.process = Process("MirrorMaker", self._command, self._log)
        started = self.process
        started.wait_ready(lambda: "Started MirrorSourceConnector with" in started.output(), READY_SECONDS)

    def kill(self) -> None:
        """End it with no warning."""
        if self.process is not None:
            self.process.kill()
        self.process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()
