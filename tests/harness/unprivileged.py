"""Servers that refuse to run as root, or should not: they run as ``nobody`` where the tests run as root."""

import os
import pwd
import shutil
import tempfile
from pathlib import Path

NOBODY = "nobody"


def as_nobody() -> list[str]:
    """The words before a command that drop root's rights; none where there are none to drop.

    The kernel forgets the parent-death signal when the user changes, so it is set again after that.
    """
    if os.geteuid() != 0:
        return []
    group = str(pwd.getpwnam(NOBODY).pw_gid)
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={group}", "--clear-groups", "--pdeathsig", "KILL", "--"]


def make_folder(prefix: str) -> Path:
    """A new folder that belongs to the user of :func:`as_nobody`, on a path that this user may walk (pytest's are root's)."""
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}-"))
    if os.geteuid() == 0:
        shutil.chown(folder, NOBODY)
    return folder
