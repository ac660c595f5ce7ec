"""Errors that several verbs share."""

from pathlib import Path

from components.core.errors import CdcError


def cannot_write(path: Path, error: OSError) -> CdcError:
    """A file that the user named and that cannot be written."""
    return CdcError(f"{path}: cannot be written: {error.strerror}\n      → name a file in a folder you may write")
