"""Where backups lie. A store needs few things only: put a file whole or not at all, get it, list names, delete, lock."""

import fcntl
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from operations.backup.errors import BackupError

LOCK = ".lock"
_PARTIAL = ".partial"


class Store(Protocol):
    """Names are ``/``-separated. Every method raises :class:`BackupError` where the place does not do what it should."""

    def put(self, name: str, content: bytes) -> None:
        """Durable and whole once it returns; a run that dies in it leaves no file of that name."""
        ...

    def get(self, name: str) -> bytes:
        """Raises :class:`FileNotFoundError` where there is none."""
        ...

    def sizes(self, prefix: str) -> dict[str, int]:
        """Every file below ``prefix``, which ends in ``/``, with its size; names begin behind it."""
        ...

    def children(self) -> list[str]:
        """What stands at the top: the ids of backups, whole or not."""
        ...

    def drop(self, child: str) -> None:
        """Delete everything below one of them."""
        ...

    def locked(self) -> AbstractContextManager[None]:
        """While nobody else makes or deletes a backup here."""
        ...


class Folder:
    """A folder, on a disk or mounted; it must know locks, as every local one and NFS 4 do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def put(self, name: str, content: bytes) -> None:
        path = self.path / name
        partial = path.with_name(path.name + _PARTIAL)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(path)
            _sync(path.parent)
        except OSError as error:
            raise self._unusable(error) from None

    def get(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._unusable(error) from None

    def sizes(self, prefix: str) -> dict[str, int]:
        top = self.path / prefix
        try:
            files = [path for path in top.rglob("*") if path.is_file() or path.is_symlink()]
            return {path.relative_to(top).as_posix(): path.lstat().st_size for path in sorted(files)}
        except OSError as error:
            raise self._unusable(error) from None

    def children(self) -> list[str]:
        try:
            return sorted(path.name for path in self.path.iterdir() if path.is_dir()) if self.path.is_dir() else []
        except OSError as error:
            raise self._unusable(error) from None

    def drop(self, child: str) -> None:
        """The manifest goes first: what is left of a run that dies here is known as unfinished."""
        try:
            (self.path / child / "manifest.json").unlink(missing_ok=True)
            shutil.rmtree(self.path / child)
        except OSError as error:
            raise self._unusable(error) from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """The lock ends with the process, however that ends."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise self._unusable(error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
            os.close(descriptor)
            raise BackupError(f"{self.path}: a backup is being made by {holder}\n      → wait for it, or end it") from None
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps({"host": socket.gethostname(), "pid": os.getpid()}).encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def _unusable(self, error: OSError) -> BackupError:
        return BackupError(
            f"{error.filename or self.path}: {error.strerror}"
            "\n      → make the folder readable and writable, or name another with --to"
        )


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
