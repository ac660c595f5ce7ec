"""Puts one folder in another's place, so that whoever looks sees the old one or the new one, and never a mixture."""

import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
"""Linux' ``renameat2(2)``, since 3.15; since glibc 2.28."""

_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM}
"""What a file system (NFS, 9p, some FUSE ones) or a sandbox answers that cannot exchange two names."""

Progress = Callable[[str], None]


def exchange(one: Path, other: Path) -> bool:
    """Swaps two names in one step of the kernel. ``False`` where that cannot be done here; nothing has changed then."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(other))


def put_in_place(staging: Path, destination: Path, aside: Path, progress: Progress) -> None:
    """``staging`` becomes ``destination``. What was there is then at ``staging`` (exchanged), or at ``aside`` (renamed twice).

    Between two renames there is no destination for a moment. A run that fails or is killed then leaves ``aside`` behind, from
    which :func:`restore` brings it back, at the end of this run or at the beginning of the next.
    """
    if not os.path.lexists(destination):
        staging.rename(destination)
    elif not exchange(staging, destination):
        destination.rename(aside)
        progress("moved aside")
        staging.rename(destination)


def restore(destination: Path, aside: Path) -> None:
    """Brings back what a run was killed over between its two renames."""
    if not os.path.lexists(destination):
        aside.rename(destination)
