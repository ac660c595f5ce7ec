"""Stands in for the image of ``cdc``: its command and ``sh``, from the tests' own Python."""

import os
import sys
import sysconfig
from pathlib import Path

from tests.harness.compose_project import Image
from tests.harness.namespace import bind
from tests.harness.system_files import system_files

HOME = "/opt/cdc"
PACKAGES = ("components", "operations", "policies")
SCRIPT = f"""#!/bin/sh
export PYTHONPATH="{HOME}/source:{HOME}/packages" LD_LIBRARY_PATH="{HOME}/python/lib"
exec "{HOME}/python/bin/{{python}}" -c "from operations.cli import main; main()" "$@"
"""


def cdc_image() -> Image:
    """With the project's packages as they lie there."""
    return Image(_fill, {"PATH": f"{HOME}/bin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"})


def _fill(root: Path) -> None:
    system_files(root)
    home, source = root / HOME.lstrip("/"), Path(__file__).parents[2]
    bind(Path(os.path.realpath(sys.base_prefix)), home / "python", read_only=True)
    bind(Path(sysconfig.get_path("purelib")), home / "packages", read_only=True)
    for name in PACKAGES:
        bind(source / name, home / "source" / name, read_only=True)
    script = home / "bin" / "cdc"
    script.parent.mkdir()
    script.write_text(SCRIPT.format(python=Path(os.path.realpath(sys.executable)).name))
    script.chmod(0o755)
