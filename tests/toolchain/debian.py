"""Programs that come from Debian's packages."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.toolchain.cache import ToolUnavailable, exclusive, run_step

SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
INSTALL = ("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=600")


def find_program(program: str) -> Path | None:
    """Where ``program`` (a name, or an absolute path) is, looking in ``PATH`` and in the system's administration folders."""
    found = shutil.which(program, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS)))
    return Path(found) if found else None


def ensure_packages(packages: Mapping[str, str]) -> dict[str, Path]:
    """The place of each program in ``{program: Debian package}``; what is missing is installed.

    A program is a name that is looked up, or an absolute path for those that Debian keeps off ``PATH``.
    """
    places = _places(packages)
    if len(places) < len(packages):
        with exclusive("apt"):
            _install([packages[program] for program in packages if program not in _places(packages)])
        places = _places(packages)
    for program, package in packages.items():
        if program not in places:
            raise ToolUnavailable(f"{program}: not found, though Debian's package {package!r} is installed")
    return places


def _places(packages: Mapping[str, str]) -> dict[str, Path]:
    found = {program: find_program(program) for program in packages}
    return {program: place for program, place in found.items() if place}


def _install(packages: list[str]) -> None:
    """Install with the package lists at hand; where that fails, refresh them and install again."""
    if not packages:
        return
    tool = ", ".join(packages)
    prefix = _administrator(tool)
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        run_step(tool, [*prefix, *INSTALL, *packages], env=environment)
    except ToolUnavailable:
        run_step(tool, [*prefix, "apt-get", "update", "--quiet"], env=environment)
        run_step(tool, [*prefix, *INSTALL, *packages], env=environment)


def _administrator(tool: str) -> list[str]:
    """The words before a command that runs it as root."""
    if not shutil.which("apt-get"):
        raise ToolUnavailable(f"{tool}: missing, and this is no Debian system (no apt-get): install it by hand")
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        raise ToolUnavailable(f"{tool}: missing; run as root: apt-get install {tool.replace(',', '')}")
    return ["sudo", "-n"]
