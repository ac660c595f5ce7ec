"""Stands in for ``jaegertracing/jaeger``: the same program, built from its module, without its web pages."""

from pathlib import Path

from tests.harness.compose_project import Image
from tests.harness.haproxy_image import WGET
from tests.harness.namespace import bind
from tests.harness.system_files import system_files
from tests.toolchain.jaeger import jaeger_program


def jaeger_image() -> Image:
    """With ``wget``, as busybox has it in the image."""
    return Image(_fill, {"PATH": "/opt/bin:/usr/bin:/bin"})


def _fill(root: Path) -> None:
    system_files(root)
    bind(jaeger_program(), root / "cmd" / "jaeger" / "jaeger-linux", read_only=True)
    wget = root / "opt" / "bin" / "wget"
    wget.parent.mkdir(parents=True)
    wget.write_text(WGET)
    wget.chmod(0o755)
