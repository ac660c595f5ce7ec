"""Files that the user names: text, whom to trust, and a stack file that is replaced."""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from components.core.errors import CdcError

if TYPE_CHECKING:
    import ssl


def read_text(file: Path) -> str:
    """What it holds."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise CdcError(f"{file}: cannot be read: {why}\n      → name a readable file") from None


def trusting(ca_file: Path) -> "ssl.SSLContext":
    """A connection that believes this CA alone."""
    import ssl

    try:
        return ssl.create_default_context(cadata=read_text(ca_file))
    except ssl.SSLError:
        raise CdcError(f"{ca_file}: holds no certificate\n      → name a file with the CA's certificate, PEM") from None


def replace_text(path: Path, text: str) -> None:
    """In one step: a reader sees the old file or the new one. A link goes on leading to it, and it keeps its mode. Raises
    :class:`OSError`."""
    target = Path(os.path.realpath(path))
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, target.stat().st_mode)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
