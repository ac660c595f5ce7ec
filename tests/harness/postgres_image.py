"""Stands in for ``postgres``: the same programs, from Debian's package (an older release)."""

import os
from pathlib import Path

from tests.harness.compose_project import Image
from tests.harness.namespace import mount
from tests.harness.system_files import system_files
from tests.toolchain.postgres import postgres_programs

USER = 999


def postgres_image() -> Image:
    """With the image's user, who owns the folder of the data."""
    return Image(_fill, {"PATH": f"{postgres_programs()}:/usr/bin:/bin"})


def _fill(root: Path) -> None:
    system_files(root)
    (root / "etc" / "passwd").write_text(f"postgres:x:{USER}:{USER}::/:/bin/sh\n")
    mount("-t", "tmpfs", "-o", "mode=1777,size=64m", "tmpfs", root / "dev" / "shm")  # as docker gives each container
    data = root / "var" / "lib" / "postgresql" / "data"
    data.mkdir(parents=True)
    os.chown(data, USER, USER)
