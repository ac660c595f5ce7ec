"""Stands in for ``redis:7-alpine``: the same programs, from Debian's packages (an older release)."""

import os
from pathlib import Path

from tests.harness.compose_project import Image
from tests.harness.system_files import system_files
from tests.toolchain.redis import redis_server

USER, GROUP = 999, 1000


def redis_image() -> Image:
    """With ``redis-cli``, and the folder of the data, which is the image's user's."""
    return Image(_fill, {"PATH": f"{redis_server().parent}:/usr/bin:/bin"})


def _fill(root: Path) -> None:
    system_files(root)
    (root / "data").mkdir()
    os.chown(root / "data", USER, GROUP)
