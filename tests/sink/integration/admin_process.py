"""`sink-worker admin` as its users run it: a process beside a worker, configured by a file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx

from tests.harness.processes import LOOPBACK, Process, free_port
from tests.harness.sink_worker import COMMAND, SinkWorker

WAIT_SECONDS = 120


class AdminProcess:
    """For the time of the context. ``settings`` are its own; ``client`` asks it, as whoever it was given the headers of."""

    def __init__(self, folder: Path, worker: SinkWorker, settings: Mapping[str, Any], token: str = "") -> None:
        self.port = free_port()
        whole = json.loads(worker.configuration.read_text())
        whole["admin"] = {"port": self.port, "workers": [f"{LOOPBACK}:{worker.port}"], **settings}
        file = folder / "admin.json"
        file.write_text(json.dumps(whole))
        command: list[str | Path] = [*COMMAND, "admin", "--config", file]
        self._process = Process("admin", command, folder / "admin.log")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        base = f"http://{LOOPBACK}:{self.port}"
        self.client = httpx.Client(base_url=base, headers=headers, timeout=60, trust_env=False)

    def __enter__(self) -> Self:
        self._process.wait_ready(self._answers, WAIT_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._process.stop(WAIT_SECONDS)
        assert self._process.exit_code == 0, self._process.output()

    def _answers(self) -> bool:
        try:
            return self.client.get("/health").is_success
        except httpx.TransportError:
            return False
