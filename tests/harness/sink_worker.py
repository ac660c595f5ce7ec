"""The sink worker as its users run it: a process, configured by a file."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.harness.one_process import OneProcess
from tests.harness.processes import LOOPBACK, Process, free_port

READY_SECONDS = 60
STOP_SECONDS = 60
COMMAND = (sys.executable, "-m", "sink_worker")
# Dead members of a group are noticed within this, and retries are quick: the tests have no minutes to wait.
HASTY: Mapping[str, Mapping[str, Any]] = {
    "kafka": {
        "session_timeout_ms": 3_000,
        "topic_check_seconds": 2.0,
        "commit_interval_seconds": 0.5,
    },
    "retry": {"first_seconds": 0.1, "longest_seconds": 0.5},
    "breaker": {"open_seconds": 0.5},
    "dlq": {"poll_seconds": 0.2},
    "tables": {"mismatch_retry_seconds": 1.0},
    "registry": {"schema_cache_ttl_seconds": 2.0},
    "postgres": {"zombie_seconds": 4},
}

Settings = dict[str, Any]


def merged(*layers: Mapping[str, Any]) -> Settings:
    """Nested settings, the later layer wins key by key."""
    result: Settings = {}
    for layer in layers:
        for name, value in layer.items():
            below = result.get(name)
            both = isinstance(value, Mapping) and isinstance(below, Mapping)
            result[name] = merged(below, value) if both else value  # type: ignore[arg-type]
    return result


class SinkWorker(OneProcess):
    """For the time of the context. It logs JSON lines to ``folder/NAME.log``, and may be killed and started again."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], *, name: str = "sink-worker") -> None:
        super().__init__(name)
        self.name = name
        self.port = free_port()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.configuration = folder / f"{name}.json"
        http = {"http": {"host": LOOPBACK, "port": self.port}}
        self.configuration.write_text(json.dumps(merged({"worker_id": name}, settings, http)))

    def start(self, *, crash_at: str | None = None, stop_at: str | None = None, wait: bool = True) -> None:
        """Start it; ``crash_at`` and ``stop_at`` are ``STEP:N`` of its fault hooks. With ``wait``, until it is alive."""
        hooks = {"SINK_TEST_CRASH_AT": crash_at, "SINK_TEST_STOP_AT": stop_at}
        environment = {name: value for name, value in hooks.items() if value is not None}
        command: list[str | Path] = [*COMMAND, "run", "--config", self.configuration]
        self._process = Process(self.name, command, self._folder / f"{self.name}.log", env=environment)
        if wait:
            self._process.wait_ready(self.is_live, READY_SECONDS)

    def stop(self) -> int | None:
        """Ask it to end, as Kubernetes does; its exit code."""
        process = self.process
        process.stop(STOP_SECONDS)
        self._process = None
        return process.exit_code

    def is_live(self) -> bool:
        """Whether its liveness probe would pass."""
        return self._probe("/healthz/live")

    def is_ready(self) -> bool:
        """Whether its readiness probe would pass."""
        return self._probe("/healthz/ready")

    def metrics(self) -> str:
        """What Prometheus would scrape."""
        return httpx.get(f"http://{LOOPBACK}:{self.port}/metrics", timeout=10, trust_env=False).raise_for_status().text

    def log(self) -> list[dict[str, Any]]:
        """The log's events of this run, one dictionary a line."""
        return list(_json_lines(self.process.output()))

    def _probe(self, path: str) -> bool:
        try:
            response = httpx.get(f"http://{LOOPBACK}:{self.port}{path}", timeout=2, trust_env=False)
        except httpx.TransportError:
            return False
        return response.is_success

    def __enter__(self) -> Self:
        if self._process is None:
            self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None


def _json_lines(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            parsed = json.loads(line)
        except ValueError:
            continue
        if isinstance(parsed, dict):
            yield parsed
