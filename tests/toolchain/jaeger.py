"""Jaeger 2, built from its Go module: the OpenTelemetry Collector with Jaeger's components, without Jaeger's web pages."""

import shutil
from pathlib import Path

from tests.toolchain import versions
from tests.toolchain.cache import ensure, run_step
from tests.toolchain.kubernetes import GO_ENVIRONMENT

TOOL = "jaeger"
PACKAGE = "github.com/jaegertracing/jaeger/cmd/jaeger"
UNSUMMED = {"GONOSUMDB": "github.com/open-telemetry/*,go.opentelemetry.io/*,github.com/jaegertracing/*"}
"""The checksum database lacks some of their modules; Go still checks each against the module's own go.sum."""


def jaeger_program() -> Path:
    """The program ``jaeger``, built on the first call (3 to 8 minutes on two cores).

    Raises :class:`ToolUnavailable` when Go is missing, or a module is not served.
    """
    return ensure(TOOL, versions.JAEGER, _build) / TOOL


def _build(folder: Path) -> None:
    source = folder / "source"
    source.mkdir()
    environment = {**GO_ENVIRONMENT, **UNSUMMED}
    (source / "go.mod").write_text("module scratch\n")
    run_step(TOOL, ["go", "get", "-tool", f"{PACKAGE}@{versions.JAEGER}"], cwd=source, env=environment)
    build = ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", f"{folder / TOOL}", PACKAGE]
    run_step(TOOL, build, cwd=source, env=environment)
    shutil.rmtree(source)
