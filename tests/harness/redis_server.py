"""Real Redis servers and sentinels on loopback."""

import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.harness.one_process import OneProcess
from tests.harness.processes import LOOPBACK, Process, free_port
from tests.toolchain.redis import redis_server

READY_SECONDS = 30
PROBE_SECONDS = 2
NO_STORAGE = ("--save", "", "--appendonly", "no")


class RedisServer(OneProcess):
    """For the time of the context. What it holds is in memory only: stopped and started again, it is empty."""

    def __init__(self, folder: Path, *options: str, name: str = "redis") -> None:
        """The log goes to ``folder/NAME.log``; ``options`` are the server's, as ``--replicaof``, ``HOST PORT``."""
        super().__init__(name)
        self.port = free_port()
        self.name = name
        self._folder = folder
        self._options = options

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        self._process = Process(self.name, self._command(), self._folder / f"{self.name}.log", cwd=self._folder)
        self._process.wait_ready(lambda: ask(self.port, "PING").startswith("+PONG"), READY_SECONDS)

    def _command(self) -> list[str | Path]:
        return [redis_server(), "--port", str(self.port), "--bind", LOOPBACK, *NO_STORAGE, *self._options]

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            self.kill()


class RedisSentinel(RedisServer):
    """A sentinel that watches one master. With a quorum of more than one, start as many."""

    def __init__(
        self,
        folder: Path,
        master: RedisServer,
        *,
        service: str = "primary",
        quorum: int = 1,
        down_after_ms: int = 1_000,
        name: str = "sentinel",
    ) -> None:
        super().__init__(folder, name=name)
        self._configuration = folder / f"{name}.conf"
        self._lines = (
            f"sentinel monitor {service} {LOOPBACK} {master.port} {quorum}",
            f"sentinel down-after-milliseconds {service} {down_after_ms}",
            f"sentinel failover-timeout {service} {down_after_ms * 5}",
        )

    def _command(self) -> list[str | Path]:
        """Sentinels rewrite their configuration, so each has a file of its own."""
        if not self._configuration.exists():
            self._configuration.write_text("\n".join((f"port {self.port}", f"bind {LOOPBACK}", *self._lines, "")))
        return [redis_server(), self._configuration, "--sentinel"]


def ask(port: int, *words: str) -> str:
    """The raw answer to one command; empty when nobody answers."""
    request = f"*{len(words)}\r\n" + "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
    try:
        with socket.create_connection((LOOPBACK, port), PROBE_SECONDS) as connection:
            connection.sendall(request.encode())
            return connection.recv(65536).decode(errors="replace")
    except OSError:
        return ""
