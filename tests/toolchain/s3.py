"""Versity's S3 gateway, built from its Go module: a store that speaks S3 over a folder."""

import shutil
from pathlib import Path

from tests.toolchain import versions
from tests.toolchain.cache import ensure, run_step
from tests.toolchain.kubernetes import GO_ENVIRONMENT

TOOL = "versitygw"
PACKAGE = "github.com/versity/versitygw/cmd/versitygw"


def s3_gateway() -> Path:
    """The program ``versitygw``, built on the first call (1 to 2 minutes on two cores).

    Raises :class:`ToolUnavailable` when Go is missing, or a module is not served.
    """
    return ensure(TOOL, versions.VERSITYGW, _build) / TOOL


def _build(folder: Path) -> None:
    source = folder / "source"
    source.mkdir()
    (source / "go.mod").write_text("module scratch\n")
    run_step(TOOL, ["go", "get", "-tool", f"{PACKAGE}@{versions.VERSITYGW}"], cwd=source, env=GO_ENVIRONMENT)
    build = ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", f"{folder / TOOL}", PACKAGE]
    run_step(TOOL, build, cwd=source, env=GO_ENVIRONMENT)
    shutil.rmtree(source)
