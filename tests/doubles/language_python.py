# ruff: noqa: N802 - the service's methods are named by its protocol
"""A test double: stands in for ``pulumi-language-python``, Pulumi's Python language host, which no package registry serves.

It speaks the host's side of ``pulumirpc.LanguageRuntime`` and keeps to what the real one does where a program can tell:

- the program runs under ``pulumi-language-python-exec`` with the interpreter of ``runtime.options.virtualenv``;
- the configuration travels in the environment variable ``PULUMI_CONFIG``, so Linux's limit of 128 KiB for one variable holds;
- policy packs run as ``python -m pulumi.policy``, other plugins as ``python <folder>`` or ``python -m pulumi.run.plugin``.

It differs in two ways: ``InstallDependencies`` installs nothing, and where no ``virtualenv`` is set the interpreter is the one
that runs this double, for plugins too (the real host insists on a ``venv`` in a plugin's folder).
"""

import asyncio
import json
import sys
import tomllib
from asyncio import StreamReader, create_subprocess_exec
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc  # type: ignore[import-untyped]
from google.protobuf.empty_pb2 import Empty  # type: ignore[import-untyped]
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from tests.doubles.plugin_server import serve
from tests.doubles.python_interpreter import PythonInterpreter, provider_versions

USER_HAS_SEEN_A_MESSAGE = 32
"""Exit code of ``pulumi-language-python-exec`` after it has shown the user what is wrong."""

ANALYZER = "analyzer"
CHUNK_BYTES = 64 * 1024


class PythonLanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Runs Python programs and Python plugins for the engine at ``engine_address``."""

    def __init__(self, engine_address: str, program_runner: Path, version: str) -> None:
        self._engine_address = engine_address
        self._program_runner = program_runner
        self._version = version

    async def Handshake(
        self, request: language_pb2.LanguageHandshakeRequest, context: grpc.aio.ServicerContext
    ) -> language_pb2.LanguageHandshakeResponse:
        """Take the engine's address."""
        self._engine_address = request.engine_address
        return language_pb2.LanguageHandshakeResponse()

    async def GetPluginInfo(self, request: Empty, context: grpc.aio.ServicerContext) -> plugin_pb2.PluginInfo:
        """The version that the double claims: the CLI's own."""
        return plugin_pb2.PluginInfo(version=self._version)

    async def GetRequiredPackages(
        self, request: language_pb2.GetRequiredPackagesRequest, context: grpc.aio.ServicerContext
    ) -> language_pb2.GetRequiredPackagesResponse:
        """The provider plugins of the packages that are installed beside the program."""
        versions = provider_versions(PythonInterpreter(request.info).folder)
        packages = [plugin_pb2.PackageDependency(name=name, kind="resource", version=f"v{versions[name]}") for name in versions]
        return language_pb2.GetRequiredPackagesResponse(packages=packages)

    async def GetProgramDependencies(
        self, request: language_pb2.GetProgramDependenciesRequest, context: grpc.aio.ServicerContext
    ) -> language_pb2.GetProgramDependenciesResponse:
        """Nothing: only ``pulumi about`` and the update's metadata would show it."""
        return language_pb2.GetProgramDependenciesResponse()

    async def InstallDependencies(
        self, request: language_pb2.InstallDependenciesRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[language_pb2.InstallDependenciesResponse]:
        """Install nothing: the tests' environment already has what is needed."""
        yield language_pb2.InstallDependenciesResponse(stdout=b"dependencies are left as they are\n")

    async def Run(self, request: language_pb2.RunRequest, context: grpc.aio.ServicerContext) -> language_pb2.RunResponse:
        """Run a program to its end; its output goes to the engine through this process's own."""
        try:
            interpreter = PythonInterpreter(request.info)
            command = [interpreter.executable, str(self._program_runner), *self._runner_arguments(request)]
            environment = {**interpreter.environment(), **config_variables(request)}
            program = await create_subprocess_exec(*command, env=environment)
        except OSError as error:
            return language_pb2.RunResponse(error=f"problem executing program (could not run language executor): {error}")
        async with ending(program):
            code = await program.wait()
        if code == USER_HAS_SEEN_A_MESSAGE:
            return language_pb2.RunResponse(bail=True)
        return language_pb2.RunResponse(error=f"program exited with non-zero exit code: {code}" if code else "")

    def _runner_arguments(self, request: language_pb2.RunRequest) -> list[str]:
        options = {
            "monitor": request.monitor_address,
            "engine": self._engine_address,
            "project": request.project,
            "root_directory": request.info.root_directory,
            "stack": request.stack,
            "pwd": request.pwd,
            "dry_run": str(request.dryRun).lower(),
            "parallel": str(request.parallel),
            "organization": request.organization,
        }
        given = [part for name, value in options.items() if value for part in (f"--{name}", value)]
        return [*given, request.info.entry_point, *request.args]

    async def RunPlugin(
        self, request: language_pb2.RunPluginRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[language_pb2.RunPluginResponse]:
        """Run a plugin for as long as the engine keeps this call open; stream its output, then its exit code."""
        interpreter = PythonInterpreter(request.info)
        environment = {**interpreter.environment(), **dict(entry.split("=", 1) for entry in request.env)}
        command = [interpreter.executable, *plugin_arguments(request)]
        plugin = await create_subprocess_exec(*command, cwd=request.pwd, env=environment, stdout=PIPE, stderr=PIPE)
        async with ending(plugin):
            async for response in plugin_output(plugin):
                yield response
            yield language_pb2.RunPluginResponse(exitcode=await plugin.wait())


def config_variables(request: language_pb2.RunRequest) -> dict[str, str]:
    """The variables that carry a program's configuration, encoded as Go does it: compact, sorted, ``<>&`` escaped."""
    values = json.dumps(dict(request.config), separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    for character in "<>&":
        values = values.replace(character, f"\\u{ord(character):04x}")
    return {"PULUMI_CONFIG": values, "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys))}


def plugin_arguments(request: language_pb2.RunPluginRequest) -> list[str]:
    """What follows the interpreter for a policy pack, for a folder with a ``__main__.py``, and for a Python package."""
    folder = request.info.program_directory
    if request.kind == ANALYZER:
        return ["-u", "-m", "pulumi.policy", *request.args, folder]
    if Path(folder, "__main__.py").exists():
        return [folder, *request.args]
    package = tomllib.loads(Path(folder, "pyproject.toml").read_text())["project"]["name"]
    return ["-m", "pulumi.run.plugin", package, *request.args]


async def plugin_output(plugin: Process) -> AsyncIterator[language_pb2.RunPluginResponse]:
    """Both streams of a plugin as they come, until both are closed."""
    responses: asyncio.Queue[language_pb2.RunPluginResponse | None] = asyncio.Queue()

    async def forward(stream: StreamReader | None, response: Callable[[bytes], language_pb2.RunPluginResponse]) -> None:
        while stream and (chunk := await stream.read(CHUNK_BYTES)):
            responses.put_nowait(response(chunk))
        responses.put_nowait(None)

    async with asyncio.TaskGroup() as forwarding:
        forwarding.create_task(forward(plugin.stdout, lambda chunk: language_pb2.RunPluginResponse(stdout=chunk)))
        forwarding.create_task(forward(plugin.stderr, lambda chunk: language_pb2.RunPluginResponse(stderr=chunk)))
        for _ in range(2):
            while response := await responses.get():
                yield response


@asynccontextmanager
async def ending(process: Process) -> AsyncIterator[None]:
    """Kill ``process`` when the block is left while it still runs: the engine cancelled the call."""
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()


def main() -> None:
    """Arguments: ``pulumi-language-python-exec``'s path, the version to claim, then the engine's own, its address last."""
    program_runner, version, *_, engine_address = sys.argv[1:]
    host = PythonLanguageHost(engine_address, Path(program_runner), version)
    serve(lambda server: language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server))


if __name__ == "__main__":
    main()
