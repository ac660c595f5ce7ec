"""Stands in for ``apicurio/apicurio-registry``: the same file in the same place, from Maven's archive of the same release."""

from pathlib import Path

from tests.harness.compose_project import Image
from tests.harness.namespace import bind
from tests.harness.system_files import java_settings, system_files
from tests.toolchain import versions
from tests.toolchain.java import java_home
from tests.toolchain.registry import registry_app


def apicurio_image() -> Image:
    """With Java and ``bash``. Tests have little memory and start often: Java is told so, as a user of the image could."""
    options = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto"
    return Image(_fill, {"PATH": "/opt/java/bin:/usr/bin:/bin", "JAVA_TOOL_OPTIONS": options})


def _fill(root: Path) -> None:
    system_files(root)
    java_settings(root)
    bind(java_home(versions.JAVA_PREFERRED), root / "opt" / "java", read_only=True)
    bind(registry_app(), root / "deployments", read_only=True)
