"""What lies in a rendered tree before it is rendered anew: our files, edited or not, and everybody else's. Only reads."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from components.core.errors import RenderError
from operations.ledger import LEDGER, Ledger, fingerprint, read_ledger


@dataclass(frozen=True, slots=True)
class Survey:
    """``own`` are the bytes of files that the ledger lists and that are there; ``edited`` those of them changed since.
    ``foreign`` are all others, links and the like included; ``folders`` all folders. Paths are relative, ``/``-separated."""

    ledger: Ledger
    ledger_bytes: bytes
    own: Mapping[str, bytes]
    edited: frozenset[str]
    foreign: frozenset[str]
    folders: frozenset[str]


def survey(tree: Path) -> Survey:
    """Looks at ``tree``, which may be absent."""
    ledger = read_ledger(tree)
    files, folders = walk(tree)
    own: dict[str, bytes] = {}
    edited = set()
    for path in files & set(ledger.files):
        content = read_regular(f"{tree}/{path}")
        if content is None or fingerprint(content) != ledger.files[path]:
            edited.add(path)
        own[path] = b"" if content is None else content
    ledger_bytes = (read_regular(f"{tree}/{LEDGER}") or b"") if LEDGER in files else b""
    foreign = files - set(ledger.files) - {LEDGER}
    return Survey(ledger, ledger_bytes, own, frozenset(edited), frozenset(foreign), frozenset(folders))


def walk(tree: Path) -> tuple[set[str], set[str]]:
    """Every file and every folder below ``tree``. Links are files: what they point at is somebody else's."""
    files: set[str] = set()
    folders: set[str] = set()
    if tree.is_dir():
        device = tree.stat().st_dev
        for path, is_folder in _entries(str(tree), "", device):
            (folders if is_folder else files).add(path)
    return files, folders


def _entries(base: str, prefix: str, device: int) -> Iterator[tuple[str, bool]]:
    with os.scandir(f"{base}/{prefix}") as entries:
        for entry in entries:
            path = f"{prefix}{entry.name}"
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder and entry.stat(follow_symlinks=False).st_dev != device:
                raise RenderError(
                    f"{base}/{path}: another file system is mounted there, which cannot be carried over"
                    "\n      → render into another folder"
                )
            yield path, is_folder
            if is_folder:
                yield from _entries(base, f"{path}/", device)


def read_regular(path: str) -> bytes | None:
    """A regular file's bytes; ``None`` for a link and for anything that is no file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        content = os.read(descriptor, status.st_size + 1)
        while len(content) < status.st_size and (more := os.read(descriptor, status.st_size)):
            content += more
        return content
    finally:
        os.close(descriptor)


def collisions(before: Survey, contents: Mapping[str, bytes], tree: Path) -> list[str]:
    """What is not ours and stands where ``contents`` must go. The same bytes in the same place are no collision."""
    files = {path for path in before.foreign & contents.keys() if read_regular(f"{tree}/{path}") != contents[path]}
    folders = (before.folders - folders_of(before.own)) | folders_of(before.foreign)
    return sorted(files | (folders & contents.keys()) | (before.foreign & folders_of(contents)))


def folders_of(paths: Iterable[str]) -> set[str]:
    """Every folder on the way to ``paths``: ``a/b/c`` → ``a``, ``a/b``."""
    found: set[str] = set()
    for folder in {path.rpartition("/")[0] for path in paths}:
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]  # noqa: PLW2901 - climbing
    return found
