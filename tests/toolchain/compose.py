"""The Compose Specification's own library, which ``docker compose`` reads its files with."""

import shutil
from pathlib import Path

from tests.toolchain import versions
from tests.toolchain.cache import ensure, run_step
from tests.toolchain.kubernetes import GO_ENVIRONMENT

LIBRARY = "github.com/compose-spec/compose-go/v2"
SOURCE = Path(__file__).parent / "compose_loader.go"


def compose_loader() -> Path:
    """A program around the library: it validates a ``compose.yaml`` and prints what it means as JSON."""
    return ensure("compose-loader", versions.COMPOSE, _build) / "compose-loader"


def _build(folder: Path) -> None:
    module = folder / "source"
    module.mkdir()
    (module / "go.mod").write_text("module scratch\n")
    shutil.copyfile(SOURCE, module / "main.go")
    run_step("compose-loader", ["go", "get", f"{LIBRARY}@{versions.COMPOSE}"], cwd=module, env=GO_ENVIRONMENT)
    build = ["go", "build", "-trimpath", "-o", f"{folder / 'compose-loader'}", "."]
    run_step("compose-loader", build, cwd=module, env=GO_ENVIRONMENT)
    shutil.rmtree(module)
