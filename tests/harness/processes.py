"""Processes that a test starts: each in a group of its own, with a log file, and never outliving the test."""

import contextlib
import functools
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"
LOG_TAIL_LINES = 40
PATIENCE_SECONDS = 120
"""What a machine that does much else at the time is given, whoever waits for whatever."""
TEST_PROCESSES = 8
PORTS = range(20_000, 32_000)[
    int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % TEST_PROCESSES :: TEST_PROCESSES
]
"""Below the range that the kernel takes outgoing ports from; each of pytest's processes has its own."""

# A parent-death signal comes when the *thread* that forked ends, so one thread that never ends does all the forking.
_FORKER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="forker")
_handed_out: set[int] = set()


class NotReadyError(RuntimeError):
    """Something did not become ready in time, or ended first. The message has the end of its log."""


def free_ports(count: int) -> list[int]:
    """Distinct ports of the loopback address that nothing listens on and that this process has not handed out before."""
    ports: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        if len(ports) == count:
            break
        if port not in _handed_out and _can_bind(port):
            ports.append(port)
            _handed_out.add(port)
    return ports


def free_port() -> int:
    """One of :func:`free_ports`."""
    return free_ports(1)[0]


def is_listening(port: int) -> bool:
    """Whether something accepts connections on a port of the loopback address."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def wait_until(what: str, holds: Callable[[], bool], timeout: float, interval: float = 0.05) -> None:
    """Return once ``holds()``; :class:`NotReadyError` naming ``what`` when it does not within ``timeout`` seconds, or
    :data:`PATIENCE_SECONDS` if those are more."""
    patience = max(timeout, PATIENCE_SECONDS)
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            raise NotReadyError(f"{what}: not so within {patience:g} s")
        time.sleep(interval)


class Process:
    """A running program. Its output is appended to ``log``; leaving the context stops it."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Start ``command``; ``env`` is added to this process's environment.

        It is killed when this process ends, however that is; what it has started itself is then on its own.
        """
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log_start = log.stat().st_size if log.exists() else 0
        self._popen = _FORKER.submit(_start, [str(word) for word in command], log, {**os.environ, **(env or {})}, cwd).result()

    @property
    def pid(self) -> int:
        """The process id, which is also its process group's."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """How the program ended; None while it runs."""
        return self._popen.poll()

    def output(self) -> str:
        """What this run has written to the log so far."""
        with self.log.open("rb") as handle:
            handle.seek(self._log_start)
            return handle.read().decode(errors="replace")

    def log_tail(self) -> str:
        """The last lines of :meth:`output`."""
        return "\n".join(self.output().splitlines()[-LOG_TAIL_LINES:])

    def wait_ready(self, is_ready: Callable[[], bool], timeout: float) -> None:
        """Return once ``is_ready()``; :class:`NotReadyError` when the program ends first or the time is over."""
        try:
            wait_until(self.name, lambda: self.exit_code is not None or is_ready(), timeout)
        except NotReadyError as error:
            raise NotReadyError(f"{error}; the end of {self.log}:\n{self.log_tail()}") from None
        if self.exit_code is not None:
            raise NotReadyError(
                f"{self.name}: ended with {self.exit_code} before it was ready; the end of {self.log}:\n{self.log_tail()}"
            )

    def stop(self, grace: float = 10) -> None:
        """Ask the program to end (SIGTERM); kill it when it has not within ``grace`` seconds."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(grace)
        self.kill()

    def kill(self) -> None:
        """Kill the program and whatever it started, as by ``kill -9``, and wait until it is gone."""
        self._signal(signal.SIGKILL)
        self._popen.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program itself, and not to what it has started."""
        os.kill(self.pid, number)

    def pause(self) -> None:
        """Freeze the program: it keeps its connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused program go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _start(command: list[str], log: Path, env: Mapping[str, str], cwd: Path | None) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [*_die_with_parent(), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )


@functools.cache
def _die_with_parent() -> tuple[str, ...]:
    """The words before a command that have the kernel kill it when this process ends, however that is; none off Linux."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()
