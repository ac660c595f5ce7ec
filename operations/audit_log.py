"""The log of every change that ``cdc`` makes: one JSON line each, appended, flushed to the disk, and chained by hashes.

Each line holds the SHA-256 of the one before it, so a line that was changed, taken out or put in between is noticed. Whoever
may write the file may also write all of it anew: a head that was noted elsewhere (``cdc audit verify`` prints it) tells even
that."""

import fcntl
import getpass
import hashlib
import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.core.errors import CdcError

FOLDER = ".cdc-audit"
GENESIS = "0" * 64
HIDDEN = "(hidden)"
_GIT_SECONDS = 5
_LONGEST_REASON = 500
_SECRET_KEY = re.compile(r"(?i)(passw|secret|token|credential|private|jaas|api.?key)")
_REFERENCE = re.compile(r"^(\$\{.*\}|(vault|secret):\S+#\S+)$")
_URL_PASSWORD = re.compile(r"(://[^/\s:@]+:)[^/\s@]+@")
_CI = {
    "actor": ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_USER_ID", "CIRCLE_USERNAME"),
    "run": ("CI_JOB_URL", "BUILD_URL", "CIRCLE_BUILD_URL", "GITHUB_RUN_ID"),
    "commit": ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT"),
}
"""What pipelines' own variables tell, the first that is set."""


class AuditError(CdcError):
    """A log that cannot be written: nothing is changed that could not be told."""


def without_secrets(value: Any) -> Any:
    """``value`` with what a key calls a secret hidden, unless it is a reference; passwords in addresses too."""
    if isinstance(value, Mapping):
        return {str(key): _hidden(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_secrets(item) for item in value]
    return _URL_PASSWORD.sub(rf"\1{HIDDEN}@", value) if isinstance(value, str) else value


def _hidden(key: str, value: Any) -> Any:
    if isinstance(value, str) and value and _SECRET_KEY.search(key) and not _REFERENCE.match(value):
        return HIDDEN
    return without_secrets(value)


def who(root: Path) -> dict[str, str]:
    """Who runs this, as far as it can be known; what is not known is left out."""
    found = {"user": _user(), "host": socket.gethostname(), "git": _git_author(root)}
    found |= {name: next(filter(None, map(os.environ.get, names)), "") for name, names in _CI.items()}
    if os.environ.get("SUDO_USER"):
        found["sudo"] = os.environ["SUDO_USER"]
    return {name: value for name, value in found.items() if value}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _git_author(root: Path) -> str:
    try:
        done = subprocess.run(
            ["git", "config", "user.email"], cwd=root, capture_output=True, text=True, timeout=_GIT_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


@dataclass(frozen=True, slots=True)
class AuditLog:
    """One run of one verb. :meth:`change` tells of what was done, :meth:`changing` of what is being done."""

    file: Path
    stack: str
    verb: str
    who: Mapping[str, str]

    def change(self, what: str, before: Any = None, after: Any = None, outcome: str = "done", why: str = "") -> None:
        """One line. Raises :class:`AuditError` where it cannot be written."""
        entry = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "stack": self.stack,
            "verb": self.verb,
            "object": what,
            "before": without_secrets(before),
            "after": without_secrets(after),
            "outcome": outcome,
            "who": dict(self.who),
        }
        append(self.file, entry | ({"why": without_secrets(why)[:_LONGEST_REASON]} if why else {}))

    @contextmanager
    def changing(self, what: str, before: Any = None, after: Any = None) -> Iterator[None]:
        """The line is written when the work is done, or has failed; by then it says why."""
        try:
            yield
        except BaseException as error:
            self.change(what, before, after, "failed", _reason(error))
            raise
        self.change(what, before, after)


@contextmanager
def audited(root: Path, stack: str, verb: str, file: Path | None = None) -> Iterator[AuditLog]:
    """A run of ``verb``. That it begins is written first, so that one that was killed is known, and one that cannot be told of
    does not begin; how it ended is written last."""
    log = AuditLog(file or root / FOLDER / f"{stack}.jsonl", stack, verb, who(root))
    log.change("run", outcome="begun")
    try:
        yield log
    except BaseException as error:
        log.change("run", outcome="failed", why=_reason(error))
        raise
    log.change("run", outcome="ended")


def _reason(error: BaseException) -> str:
    text = str(error)
    return text.splitlines()[0] if text else type(error).__name__


def append(file: Path, entry: Mapping[str, Any]) -> None:
    """Adds one line, chained to the last one. Processes that write at the same time wait for each other."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            last = _last_line(descriptor)
            previous = GENESIS if last is None else digest(last)
            text = json.dumps({**entry, "previous": previous}, ensure_ascii=False, separators=(",", ":"))
            torn = b"" if last is None or last.endswith(b"\n") else b"\n"
            _write(descriptor, torn + text.encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise AuditError(
            f"{file}: the audit log cannot be written: {error.strerror}"
            "\n      → make it writable, or name another with --audit-log or CDC_AUDIT_LOG"
        ) from None


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _last_line(descriptor: int) -> bytes | None:
    """The last line with its end, if it has one; ``None`` of an empty file."""
    size = os.fstat(descriptor).st_size
    length = 4096
    while size:
        tail = os.pread(descriptor, min(length, size), max(0, size - length))
        begin = tail.rfind(b"\n", 0, len(tail) - 1)
        if begin >= 0 or length >= size:
            return tail[begin + 1 :]
        length *= 4
    return None


def digest(line: bytes) -> str:
    """What the next line says of this one."""
    return hashlib.sha256(line.removesuffix(b"\n")).hexdigest()


@dataclass(frozen=True, slots=True)
class Checked:
    """What a log's chain tells. ``head`` is the last line's digest; ``problems`` name lines, counted from 1."""

    lines: int
    head: str
    problems: tuple[str, ...]


def read_entries(file: Path) -> list[dict[str, Any]]:
    """All lines that are lines of a log."""
    return [entry for line in _lines(file) if (entry := _parsed(line)) is not None]


def check(file: Path, noted: Sequence[str] = ()) -> Checked:
    """Whether every line follows from the one before it, and each head of ``noted`` is still there."""
    previous, problems, seen = GENESIS, [], {GENESIS}
    lines = _lines(file)
    for number, line in enumerate(lines, 1):
        entry = _parsed(line)
        if entry is None:
            problems.append(f"line {number} is no line of an audit log")
        elif entry.get("previous") != previous:
            problems.append(f"line {number} does not follow from line {number - 1}: one of them was changed, or lines are gone")
        previous = digest(line)
        seen.add(previous)
    problems += [
        f"{head[:12]}… was noted as its head and is not in it: it was cut or written anew" for head in sorted(set(noted) - seen)
    ]
    return Checked(len(lines), previous, tuple(problems))


def _lines(file: Path) -> list[bytes]:
    try:
        return file.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise AuditError(f"{file}: cannot be read: {error.strerror}\n      → name a readable file with --audit-log") from None


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) and line.endswith(b"\n") else None
