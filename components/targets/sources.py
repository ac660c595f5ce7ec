"""What an image is built from."""

import hashlib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

_IGNORED = ".dockerignore"
_ANYWHERE = "**/"


def digest(folder: Path) -> str:
    """Of every file that docker would send to its builder, with its path: another one means another image.

    Of ``.dockerignore`` it knows paths with ``*`` and, behind ``**/``, names; this project's files use no more.
    """
    found = hashlib.sha256()
    for path in sorted(_files(folder)):
        content = path.read_bytes()
        found.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode() + content)
    return found.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    ignored = folder / _IGNORED
    lines = ignored.read_text(encoding="utf-8").splitlines() if ignored.is_file() else []
    patterns = [line.strip().rstrip("/") for line in lines if line.strip() and not line.startswith("#")]
    pending = [folder]
    while pending:
        for path in pending.pop().iterdir():
            if any(_matches(path.relative_to(folder), pattern) for pattern in patterns):
                continue
            if path.is_dir() and not path.is_symlink():
                pending.append(path)
            elif path.is_file():
                yield path


def _matches(path: Path, pattern: str) -> bool:
    """Whether a pattern names this file or folder; what lies in a folder that is ignored is never asked for."""
    if pattern.startswith(_ANYWHERE):
        return fnmatch(path.name, pattern.removeprefix(_ANYWHERE))
    return fnmatch(path.as_posix(), pattern.lstrip("/"))
