"""The Java runtime that the tests use."""

import os
import re
import shutil
from functools import cache
from pathlib import Path

from tests.toolchain import versions
from tests.toolchain.cache import ToolUnavailable

INSTALLED = Path("/usr/lib/jvm")
FEATURE_VERSION = re.compile(r'^JAVA_VERSION="(\d+)', re.MULTILINE)


@cache
def java_home(minimum: int = versions.JAVA_MINIMUM) -> Path:
    """The folder of a Java installation of at least ``minimum``, one of the preferred version or newer where there is one.

    Looked for in ``JAVA_HOME``, among the system's installations, then behind ``java`` on ``PATH``.
    """
    found = {home: version for home in _candidates() if (version := _feature_version(home)) is not None}
    for wanted in (max(minimum, versions.JAVA_PREFERRED), minimum):
        for home, version in found.items():
            if version >= wanted:
                return home
    seen = ", ".join(f"Java {version}" for version in sorted(set(found.values()))) or "none"
    raise ToolUnavailable(f"java: Java {minimum} or newer is needed, found: {seen}. Install one, or point JAVA_HOME at one")


@cache
def java_home_of(feature: int) -> Path:
    """The folder of a Java installation of exactly this feature version, for programs that run on no newer one."""
    for home in _candidates():
        if _feature_version(home) == feature:
            return home
    raise ToolUnavailable(f"java: Java {feature} is needed and not installed. Install it, or point JAVA_HOME at it")


def java(minimum: int = versions.JAVA_MINIMUM) -> Path:
    """The program ``java`` of :func:`java_home`."""
    return java_home(minimum) / "bin" / "java"


def _candidates() -> list[Path]:
    configured, on_path = os.environ.get("JAVA_HOME"), shutil.which("java")
    homes = [Path(configured)] if configured else []
    homes += sorted(INSTALLED.iterdir()) if INSTALLED.is_dir() else []
    return homes + ([Path(on_path).resolve().parents[1]] if on_path else [])


def _feature_version(home: Path) -> int | None:
    """The feature version that the installation's ``release`` file states; None where there is no runnable Java."""
    release = home / "release"
    if not (home / "bin" / "java").is_file() or not release.is_file():
        return None
    stated = FEATURE_VERSION.search(release.read_text())
    return int(stated[1]) if stated else None
