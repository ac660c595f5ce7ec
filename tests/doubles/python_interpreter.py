"""The interpreter that a Python program or plugin is to run with, as Pulumi's Python language host chooses it."""

import json
import os
import sys
from pathlib import Path

from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from pulumi.runtime.proto import language_pb2

PLUGIN_MANIFESTS = "lib/python3*/site-packages/*/pulumi-plugin.json"


class PythonInterpreter:
    """The interpreter of a program or plugin, and the environment that activates it."""

    def __init__(self, info: language_pb2.ProgramInfo) -> None:
        virtualenv = MessageToDict(info.options).get("virtualenv", "")
        self.folder = Path(info.root_directory, virtualenv) if virtualenv else Path(sys.prefix)
        self.executable = str(self.folder / "bin" / "python") if virtualenv else sys.executable
        if not Path(self.executable).exists():
            raise FileNotFoundError(f"the 'virtualenv' option is {virtualenv!r}, but {self.folder} is no virtual environment")

    def environment(self) -> dict[str, str]:
        """This process's environment with the interpreter's folder first on ``PATH``."""
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
        path = f"{self.folder / 'bin'}{os.pathsep}{kept.get('PATH', '')}"
        return {**kept, "PATH": path, "VIRTUAL_ENV": str(self.folder)}


def provider_versions(environment_folder: Path) -> dict[str, str]:
    """The provider plugins that an environment's packages need, and their versions, as their ``pulumi-plugin.json`` say."""
    manifests = [json.loads(path.read_text()) for path in sorted(environment_folder.glob(PLUGIN_MANIFESTS))]
    return {manifest["name"]: manifest["version"] for manifest in manifests if manifest.get("resource")}
