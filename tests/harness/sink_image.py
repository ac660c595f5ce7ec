"""Stands in for the sink worker's image, which needs a docker engine to be built: its command, from the tests' own Python."""

import os
import sys
from pathlib import Path

import sink_worker
from tests.harness.compose_project import Image
from tests.harness.namespace import bind
from tests.harness.system_files import system_files

BIN = "/opt/sink-worker/bin"
PROGRAMS = {"sink-worker": "-m sink_worker", "python": ""}
SCRIPT = '#!/bin/bash\nPYTHONPATH="{package}" exec "{python}" {arguments} "$@"\n'


def sink_image() -> Image:
    """With ``sink-worker`` and ``python``, as in the image."""
    return Image(_fill, {"PATH": f"{BIN}:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"})


def _fill(root: Path) -> None:
    system_files(root)
    package = Path(str(sink_worker.__file__)).parents[1]
    for folder in sorted({Path(sys.prefix), Path(os.path.realpath(sys.base_prefix)), Path(sys.base_prefix), package}):
        if not folder.is_relative_to("/usr"):
            bind(folder, root / str(folder).lstrip("/"), read_only=True)
    for name, arguments in PROGRAMS.items():
        script = root / BIN.lstrip("/") / name
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(SCRIPT.format(package=package, python=sys.executable, arguments=arguments))
        script.chmod(0o755)
