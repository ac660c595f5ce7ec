"""The real Pulumi command and engine, built from its Go modules.

What is not here: the Python language host and the provider plugins, which no package registry serves. Tests use the doubles
of :mod:`tests.doubles` in their place. ``pulumi-analyzer-policy-python`` is not here either: since policy packs are started
through the language host, Pulumi's own distribution no longer has it.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.toolchain.cache import ToolUnavailable, ensure, run_step
from tests.toolchain.versions import PULUMI_CLI, PULUMI_YAML

CLI_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
SDK_MODULE = "github.com/pulumi/pulumi/sdk/v3"
YAML_MODULE = "github.com/pulumi/pulumi-yaml"
YAML_PACKAGE = f"{YAML_MODULE}/cmd/pulumi-language-yaml"
PYTHON_SCRIPTS = ("python/cmd/pulumi-language-python-exec", "python/dist/pulumi-resource-pulumi-python")
TOOL = "pulumi"
GO_ENVIRONMENT = {"GOFLAGS": "-mod=mod -buildvcs=false", "CGO_ENABLED": "0", "GOWORK": "off"}


@dataclass(frozen=True)
class PulumiToolchain:
    """The command, and the folder that holds it together with the plugins that Pulumi's own distribution puts beside it.

    ``bin_dir`` is to be first on PATH: ``pulumi``, ``pulumi-language-yaml`` and, for Python programs,
    ``pulumi-language-python-exec`` (runs a program) and ``pulumi-resource-pulumi-python`` (dynamic providers).
    """

    cli: Path
    bin_dir: Path


def pulumi_toolchain() -> PulumiToolchain:
    """The toolchain, built on the first call (about four minutes on two cores).

    Raises :class:`ToolUnavailable` when Go is missing, or a module is not served, or does not compile.
    """
    version = f"{PULUMI_CLI}-yaml-{PULUMI_YAML}"
    bin_dir = ensure(TOOL, version, _build)
    return PulumiToolchain(cli=bin_dir / "pulumi", bin_dir=bin_dir)


def _build(folder: Path) -> None:
    module = folder / "module"
    module.mkdir()
    _require_modules(module)
    _compile(module, folder, CLI_PACKAGE, f"{SDK_MODULE}/go/common/version.Version={PULUMI_CLI}")
    _compile(module, folder, YAML_PACKAGE, f"{YAML_MODULE}/pkg/version.Version=v{PULUMI_YAML}")
    sdk = _module_folder(module, SDK_MODULE)
    for script in PYTHON_SCRIPTS:
        copied = Path(shutil.copyfile(sdk / script, folder / Path(script).name))
        copied.chmod(0o755)  # module archives carry no execution bit
    shutil.rmtree(module)


def _require_modules(module: Path) -> None:
    """A scratch module that requires both commands: ``go install …@version`` refuses modules with replace directives."""
    run_step(TOOL, ["go", "mod", "init", "scratch"], cwd=module, env=GO_ENVIRONMENT)
    run_step(TOOL, ["go", "get", "-tool", f"{CLI_PACKAGE}@v{PULUMI_CLI}"], cwd=module, env=GO_ENVIRONMENT)
    run_step(TOOL, ["go", "get", "-tool", f"{YAML_PACKAGE}@v{PULUMI_YAML}"], cwd=module, env=GO_ENVIRONMENT)


def _compile(module: Path, folder: Path, package: str, version_variable: str) -> None:
    """Build ``package`` into ``folder``, stripped, with its version set as the makers' own release does."""
    flags = f"-s -w -X {version_variable}"
    command = ["go", "build", "-trimpath", "-ldflags", flags, "-o", f"{folder}/", package]
    run_step(TOOL, command, cwd=module, env=GO_ENVIRONMENT)


def _module_folder(module: Path, required: str) -> Path:
    """Where Go keeps the sources of a required module."""
    done = subprocess.run(
        ["go", "list", "-m", "-f", "{{.Dir}}", required], cwd=module, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ToolUnavailable(f"{TOOL}: Go does not say where {required} is kept:\n{done.stderr}")
    return Path(done.stdout.strip())
