"""Stands in for the sink worker's image, which needs a docker engine to be built: its command, from the tests' own Python."""

import os
import sys
import sysconfig
from pathlib import Path

import sink_worker
from tests.harness.compose_project import Image
from tests.harness.namespace import bind
from tests.harness.system_files import system_files

HOME = "/opt/sink-worker"
PROGRAMS = {"sink-worker": "-m sink_worker", "python": ""}
SCRIPT = """#!/bin/bash
export PYTHONPATH="{home}/worker:{home}/packages" LD_LIBRARY_PATH="{home}/python/lib"
exec "{home}/python/bin/{python}" {arguments} "$@"
"""


def sink_image() -> Image:
    """With ``sink-worker`` and ``python``, as in the image; a container's own ``/tmp`` hides nothing of it."""
    return Image(_fill, {"PATH": f"{HOME}/bin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"})


def _fill(root: Path) -> None:
    system_files(root)
    home = root / HOME.lstrip("/")
    bind(Path(os.path.realpath(sys.base_prefix)), home / "python", read_only=True)
    bind(Path(sysconfig.get_path("purelib")), home / "packages", read_only=True)
    bind(Path(str(sink_worker.__file__)).parents[1], home / "worker", read_only=True)
    (home / "bin").mkdir()
    python = Path(os.path.realpath(sys.executable)).name
    for name, arguments in PROGRAMS.items():
        script = home / "bin" / name
        script.write_text(SCRIPT.format(home=HOME, python=python, arguments=arguments))
        script.chmod(0o755)
