"""Stands in for ``mariadb``: the same programs, from Debian's packages (an older release)."""

import os
from pathlib import Path

from tests.harness.compose_project import Image
from tests.harness.system_files import system_files
from tests.toolchain.debian import ensure_packages
from tests.toolchain.mariadb import mariadb_program

USER = 999


def mariadb_image() -> Image:
    """With the image's user, who owns the folder of the data."""
    mariadb_program()
    mariadb_program("mariadb-install-db")
    ensure_packages({"mariadb-admin": "mariadb-client"})
    return Image(_fill, {"PATH": "/usr/sbin:/usr/bin:/bin"})


def _fill(root: Path) -> None:
    system_files(root)
    (root / "etc" / "passwd").write_text(f"mysql:x:{USER}:{USER}::/:/bin/sh\n")
    data = root / "var" / "lib" / "mysql"
    data.mkdir(parents=True)
    os.chown(data, USER, USER)
