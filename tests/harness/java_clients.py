"""Kafka's own Java clients, many and long-lived, in one JVM."""

import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.harness.kafka_cluster import java_command

_PROGRAM = Path(__file__).with_name("JavaClients.java")


class JavaClients:
    """What is asked of one is answered before the next is asked. May be used from several threads."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("w")
        self._lock = threading.Lock()
        command = [*java_command("-Xmx128m"), str(_PROGRAM)]
        self._popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True)

    def produce(self, name: str, properties: Path, topic: str, value: str) -> str:
        """``ok`` and an offset, or ``refused`` and why; by the producer ``name``, made now if there is none."""
        return self._ask(f"produce {name} {properties} {topic} {value}")

    def consume(self, name: str, properties: Path, topic: str) -> str:
        """``ok`` and the number of records that came next, or ``refused`` and why."""
        return self._ask(f"consume {name} {properties} {topic}")

    def close(self, name: str) -> None:
        """Forget a client."""
        self._ask(f"close {name}")

    def _ask(self, line: str) -> str:
        with self._lock:
            assert self._popen.stdin is not None
            assert self._popen.stdout is not None
            self._popen.stdin.write(f"{line}\n")
            self._popen.stdin.flush()
            answer = self._popen.stdout.readline().strip()
        assert answer, f"the clients have ended; see {self._log.name}"
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._popen.kill()
        self._popen.communicate()
        self._log.close()
