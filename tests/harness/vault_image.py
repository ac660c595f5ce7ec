"""Stands in for ``hashicorp/vault``: the same program, built from its module with fewer plugins."""

from pathlib import Path

from tests.harness.compose_project import Image
from tests.harness.namespace import bind
from tests.harness.system_files import system_files
from tests.toolchain.vault import vault_program


def vault_image() -> Image:
    """With ``sh``."""
    return Image(_fill, {"PATH": "/opt/bin:/usr/bin:/bin"})


def _fill(root: Path) -> None:
    system_files(root)
    bind(vault_program(), root / "opt" / "bin" / "vault", read_only=True)
