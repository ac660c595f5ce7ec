"""What a run keeps beside the tree it renders: a lock, the new tree while it is written, the old one until it is cleared.

``.prod.lock`` is held while one run works. ``.prod.<inode>.new`` is the tree being written; its name holds its own inode
number, so that a later run can tell it from the old tree, which stands there once the two have changed places.
``.prod.<inode>.old`` is the old tree moved aside, where names cannot be exchanged.
"""

import contextlib
import fcntl
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from components.core.errors import CdcError, RenderError
from operations.exchange import Progress, restore
from operations.ledger import LEDGER, read_ledger
from operations.survey import walk

LOCK_SECONDS = 60
_POLL_SECONDS = 0.05


@contextlib.contextmanager
def exclusive(destination: Path, progress: Progress, patience_seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Holds the tree for this run alone. The kernel lets go of it when the process ends, in whatever way."""
    path = destination.parent / f".{destination.name}.lock"
    began = time.monotonic()
    waiting = False
    while (descriptor := _try_lock(path)) is None:
        if not waiting:
            progress("waiting")
            waiting = True
        if time.monotonic() - began > patience_seconds:
            raise RenderError(
                f"{destination}: another cdc render has been working on it for {patience_seconds:g} s"
                "\n      → wait until it has ended"
            )
        time.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _try_lock(path: Path) -> int | None:
    """Locks the file that has this name now; one that its last holder unlinked meanwhile does not count."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_ino == path.stat().st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def new_staging(destination: Path) -> Path:
    """An empty folder beside ``destination`` that carries its own inode number in its name."""
    first = destination.parent / f".{destination.name}.{secrets.token_hex(8)}.tmp"
    first.mkdir()
    staging = destination.parent / f".{destination.name}.{first.stat().st_ino}.new"
    first.rename(staging)
    return staging


def aside_of(staging: Path) -> Path:
    """Where the old tree goes that cannot change places with ``staging`` in one step."""
    return staging.with_suffix(".old")


def clear_leftovers(destination: Path) -> tuple[str, ...]:
    """Clears what this or an earlier, killed run left beside ``destination``. Gives notes about what it could not clear."""
    pattern = re.compile(rf"\.{re.escape(destination.name)}\.[0-9a-f]+\.(new|old|tmp)")
    beside = destination.parent.iterdir()
    leftovers = sorted(path for path in beside if pattern.fullmatch(path.name) and path.is_dir() and not path.is_symlink())
    for path in leftovers:
        if path.suffix == ".old":
            restore(destination, path)
    notes = []
    for path in leftovers:
        try:
            _clear(path, destination)
        except (OSError, CdcError) as error:
            notes.append(f"{path} is left over and could not be removed: {error}")
    return tuple(notes)


def _clear(path: Path, destination: Path) -> None:
    if not path.exists():
        return
    unfinished = path.suffix == ".tmp" or (path.suffix == ".new" and path.stat().st_ino == _inode_in(path))
    if unfinished:
        _remove_tree(path)
    else:
        retire(path, destination)


def _inode_in(path: Path) -> int:
    return int(path.name.rsplit(".", 2)[1])


def retire(old: Path, destination: Path) -> None:
    """Removes a tree that has been replaced. What came into it after the new one took over its files is moved there."""
    own = {*read_ledger(old).files, LEDGER}
    files, _ = walk(old)
    for path in sorted(files - own):
        if not os.path.lexists(destination / path):
            (destination / path).parent.mkdir(parents=True, exist_ok=True)
            (old / path).rename(destination / path)
    _remove_tree(old)


def _remove_tree(folder: Path) -> None:
    """The ledger goes last: a run killed in the middle leaves a tree whose files can still be told apart."""
    files, folders = walk(folder)
    base = str(folder)
    for path in ("", *folders):
        os.chmod(f"{base}/{path}", stat.S_IRWXU)  # a folder that may not be written would keep its files
    for path in sorted(files, key=lambda path: path == LEDGER):
        os.unlink(f"{base}/{path}")
    for path in sorted(folders, reverse=True):
        os.rmdir(f"{base}/{path}")
    os.rmdir(base)
