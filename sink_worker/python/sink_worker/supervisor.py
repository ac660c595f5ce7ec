"""A worker of several processes: starts them, starts the dead again, adds up what they tell, ends them together."""

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import structlog

from sink_worker.aggregate import add_up
from sink_worker.health import Probes, Report

_log = structlog.get_logger("sink_worker.supervisor")
CHILD_VARIABLE: Final = "SINKWORKER_CHILD"  # "index,fd that tells the port,fd that ends with the parent"
LONGEST_PAUSE_SECONDS: Final = 30.0
STEADY_SECONDS: Final = 60.0
ASK_SECONDS: Final = 2.0


@dataclass(slots=True)
class Child:
    """One process. ``port`` is known once it listens."""

    index: int
    process: "subprocess.Popen[bytes]"
    port_pipe: int
    life_pipe: int
    started: float = field(default_factory=time.monotonic)
    port: int | None = None


class Supervisor:
    """Runs ``command`` N times; each finds its index in :data:`CHILD_VARIABLE`."""

    def __init__(self, command: list[str], count: int, shutdown_seconds: float) -> None:
        self._command = command
        self._count = count
        self._limit = shutdown_seconds
        self._children: dict[int, Child] = {}
        self._pauses: dict[int, float] = {}
        self._stopping = threading.Event()
        self._lock = threading.Lock()

    def stop(self) -> None:
        """End all. Safe in a signal handler."""
        self._stopping.set()

    def probes(self) -> Probes:
        """The worker as a whole."""
        return Probes(lambda: self._together("/healthz/live"), lambda: self._together("/healthz/ready"), self._metrics)

    def run(self) -> int:
        """Until stopped, or until a process cannot go on; the exit code."""
        for index in range(self._count):
            self._start(index)
        code = 0
        while not self._stopping.wait(0.2):
            if (code := self._look_after()) != 0:
                break
        self._end_all()
        return code

    def _look_after(self) -> int:
        for index, child in list(self._children.items()):
            code = child.process.poll()
            if code is None:
                self._learn_port(child)
                continue
            self._close(child)
            if code == 2:
                return code  # refused settings: no restart repairs them
            _log.error("process_ended", index=index, code=code)
            if time.monotonic() - child.started > STEADY_SECONDS:
                self._pauses.pop(index, None)
            pause = self._pauses.get(index, 0.5)
            self._pauses[index] = min(2 * pause, LONGEST_PAUSE_SECONDS)
            if self._stopping.wait(pause):
                return 0
            self._start(index)
        return 0

    def _start(self, index: int) -> None:
        told, tell = os.pipe()
        life, hold = os.pipe()
        environment = {**os.environ, CHILD_VARIABLE: f"{index},{tell},{life}"}
        process = subprocess.Popen(self._command, env=environment, pass_fds=(tell, life), stdin=subprocess.DEVNULL)
        os.close(tell)
        os.close(life)
        os.set_blocking(told, False)
        with self._lock:
            self._children[index] = Child(index, process, told, hold)
        _log.info("process_started", index=index, pid=process.pid)

    def _learn_port(self, child: Child) -> None:
        if child.port is None:
            with selectors.DefaultSelector() as selector:
                selector.register(child.port_pipe, selectors.EVENT_READ)
                if selector.select(0) and (line := os.read(child.port_pipe, 16)):
                    child.port = int(line)

    def _close(self, child: Child) -> None:
        os.close(child.port_pipe)
        os.close(child.life_pipe)
        with self._lock:
            self._children.pop(child.index, None)

    def _end_all(self) -> None:
        for child in self._children.values():
            child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + self._limit + 10
        for child in list(self._children.values()):
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _log.error("process_killed", index=child.index)
                child.process.kill()
                child.process.wait()
            self._close(child)

    def _ask(self, path: str) -> dict[int, httpx.Response | None]:
        with self._lock:
            ports = {index: child.port for index, child in self._children.items()}
        answers: dict[int, httpx.Response | None] = {}
        for index in range(self._count):
            port = ports.get(index)
            try:
                answers[index] = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=ASK_SECONDS) if port else None
            except httpx.HTTPError:
                answers[index] = None
        return answers

    def _together(self, path: str) -> Report:
        problems: list[str] = []
        details: dict[str, Any] = {}
        for index, answer in self._ask(path).items():
            if answer is None:
                # A process that is being started again is no reason to end its neighbours.
                problems += [] if path.endswith("live") else [f"process {index} does not answer"]
                continue
            told = json.loads(answer.text)
            problems += [f"process {index}: {problem}" for problem in told.pop("problems")]
            details[f"process_{index}"] = told
        return Report(problems, details)

    def _metrics(self) -> bytes:
        return add_up([answer.text for answer in self._ask("/metrics").values() if answer is not None])


@dataclass(frozen=True, slots=True)
class ChildRole:
    """What a process learns from its environment that it is one of several."""

    index: int
    port_pipe: int
    life_pipe: int

    def tell_port(self, port: int) -> None:
        """The parent asks there for health and metrics."""
        os.write(self.port_pipe, str(port).encode())

    def end_with_parent(self) -> None:
        """SIGTERM to this process once the parent is gone, however it went."""

        def watch() -> None:
            while os.read(self.life_pipe, 1):
                pass
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=watch, name="life", daemon=True).start()


def child_role() -> ChildRole | None:
    """This process's role, if a supervisor started it."""
    text = os.environ.pop(CHILD_VARIABLE, None)
    if text is None:
        return None
    index, port_pipe, life_pipe = (int(part) for part in text.split(","))
    return ChildRole(index, port_pipe, life_pipe)


def own_command(config: str | None) -> list[str]:
    """This program's ``run`` again."""
    return [sys.executable, "-m", "sink_worker", "run", *(["--config", config] if config else [])]
