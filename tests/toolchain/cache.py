"""The folder outside the repository that keeps what was built or fetched for the tests.

Layout: ``<root>/<name>-<version>/`` per tool. A tool's folder appears whole or not at all: it is built beside its place and
renamed into it, under a lock, so that an interrupted or concurrent run never leaves a half-built one.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

LOG_TAIL_LINES = 40


class ToolUnavailable(RuntimeError):
    """A real program could not be obtained. The message names it, the step that failed, and the end of that step's output."""


def cache_root() -> Path:
    """``$CDC_CACHE``, else ``$XDG_CACHE_HOME/cdc-platform``, else ``~/.cache/cdc-platform``. Created when missing."""
    configured = os.environ.get("CDC_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = Path(configured) if configured else base / "cdc-platform"
    root.mkdir(parents=True, exist_ok=True)
    return root


@contextmanager
def exclusive(name: str) -> Iterator[None]:
    """Hold the lock ``<root>/<name>.lock`` for the block: one process builds a tool, the others wait for it."""
    with (cache_root() / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def ensure(name: str, version: str, build: Callable[[Path], None]) -> Path:
    """The folder of ``name`` at ``version``; ``build(folder)`` fills it the first time.

    Raises :class:`ToolUnavailable` when ``build`` does; nothing stays behind then.
    """
    place = cache_root() / f"{name}-{version}"
    if place.is_dir():
        return place
    with exclusive(name):
        if place.is_dir():
            return place
        scratch = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=cache_root()))
        try:
            build(scratch)
            scratch.chmod(0o755)
            scratch.rename(place)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return place


def run_step(tool: str, command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    """Run one build step quietly; on failure raise :class:`ToolUnavailable` with the end of its output."""
    try:
        done = subprocess.run(
            list(command),
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise ToolUnavailable(f"{tool}: the program {command[0]!r} is not installed, and is needed to obtain {tool}") from error
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-LOG_TAIL_LINES:])
        raise ToolUnavailable(f"{tool}: {' '.join(command[:4])} … ended with {done.returncode}:\n{tail}")
