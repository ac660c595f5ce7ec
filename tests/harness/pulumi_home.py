"""A Pulumi home folder whose plugins are the test doubles, and an environment that leads to nothing else on the machine."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from tests.doubles.python_interpreter import provider_versions
from tests.toolchain.pulumi_cli import PulumiToolchain
from tests.toolchain.versions import PULUMI_CLI

REPOSITORY = Path(__file__).resolve().parents[2]
PROVIDERS = ("docker", "kubernetes")
PASSPHRASE = "a passphrase of the tests"
NOWHERE = "http://127.0.0.1:9"


def install_doubles(home: Path, toolchain: PulumiToolchain, python: Path) -> None:
    """Fill ``<home>/plugins``: the language host, and the providers in the versions that ``python``'s packages ask for.

    They lie where Pulumi itself installs plugins, so the engine resolves them by name and version as it does for users.
    """
    runner = toolchain.bin_dir / "pulumi-language-python-exec"
    _install(home, "language-python", PULUMI_CLI, _launcher(python, "language_python", str(runner), PULUMI_CLI))
    versions = provider_versions(python.parent.parent)
    for provider in PROVIDERS:
        if provider in versions:
            launcher = _launcher(python, "provider", provider, versions[provider])
            _install(home, f"resource-{provider}", versions[provider], launcher)


def _install(home: Path, plugin: str, version: str, launcher: str) -> None:
    folder = home / "plugins" / f"{plugin}-v{version}"
    folder.mkdir(parents=True, exist_ok=True)
    executable = folder / f"pulumi-{plugin}"
    executable.write_text(launcher)
    executable.chmod(0o755)


def _launcher(python: Path, double: str, *arguments: str) -> str:
    """A script that runs a double. The repository is put on the double's own path, not into the environment it passes on."""
    code = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); from tests.doubles.{double} import main; main()"
    command = shlex.join([str(python), "-P", "-c", code, *arguments])
    return f'#!/bin/sh\nexec {command} "$@"\n'


def isolated_environment(workdir: Path, toolchain: PulumiToolchain) -> dict[str, str]:
    """Everything the command may know: its own folders, a file backend, no network beyond this machine, no telemetry.

    Nothing of the caller's environment but ``PATH`` comes in: no kubeconfig, no Docker host, no credentials.
    """
    return {
        "PATH": f"{toolchain.bin_dir}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(workdir),
        "LANG": "C.UTF-8",
        "PULUMI_HOME": str(workdir / "home"),
        "PULUMI_BACKEND_URL": f"file://{workdir / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_DEBUG_COMMANDS": "true",  # or there is no --event-log
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_DISABLE_CI_DETECTION": "true",
        "PULUMI_DISABLE_REGISTRY_RESOLVE": "true",
        "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        **_no_network(),
    }


def _no_network() -> Mapping[str, str]:
    return {"HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE, "NO_PROXY": "127.0.0.1,localhost"}
