"""The exporters of Redis and PostgreSQL, built from their Go modules, and Debian's of files."""

import shutil
from functools import partial
from pathlib import Path

from tests.toolchain import versions
from tests.toolchain.cache import ensure, run_step
from tests.toolchain.debian import ensure_packages
from tests.toolchain.kubernetes import GO_ENVIRONMENT

REDIS, POSTGRES, FILES = "redis_exporter", "postgres_exporter", "prometheus-node-exporter"
UNSUMMED = {"GONOSUMDB": "github.com/oliver006/*"}
"""The checksum database lacks the module; Go still checks what it needs against its own go.sum."""


def redis_exporter() -> Path:
    """The program ``redis_exporter``, built on the first call (half a minute on two cores).

    Raises :class:`ToolUnavailable` when Go is missing, or a module is not served.
    """
    build = partial(_build, tool=REDIS, package="github.com/oliver006/redis_exporter", version=versions.REDIS_EXPORTER)
    return ensure(REDIS, versions.REDIS_EXPORTER, build) / REDIS


def postgres_exporter() -> Path:
    """The program ``postgres_exporter``, as the other."""
    package = "github.com/prometheus-community/postgres_exporter/cmd/postgres_exporter"
    build = partial(_build, tool=POSTGRES, package=package, version=versions.POSTGRES_EXPORTER)
    return ensure(POSTGRES, versions.POSTGRES_EXPORTER, build) / POSTGRES


def node_exporter() -> Path:
    """Prometheus' node exporter, which also shows the figures in files."""
    return ensure_packages({FILES: FILES})[FILES]


def exporters() -> tuple[Path, ...]:
    """All three."""
    return redis_exporter(), postgres_exporter(), node_exporter()


def _build(folder: Path, tool: str, package: str, version: str) -> None:
    source = folder / "source"
    source.mkdir()
    environment = {**GO_ENVIRONMENT, **UNSUMMED}
    (source / "go.mod").write_text("module scratch\n")
    run_step(tool, ["go", "get", "-tool", f"{package}@{version}"], cwd=source, env=environment)
    build = ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", f"{folder / tool}", package]
    run_step(tool, build, cwd=source, env=environment)
    shutil.rmtree(source)
