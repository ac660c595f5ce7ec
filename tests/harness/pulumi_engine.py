"""The real Pulumi command and engine on a project, with test doubles for the plugins that no package registry serves."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.harness.pulumi_home import install_doubles, isolated_environment
from tests.harness.pulumi_outcome import Outcome, read_events
from tests.toolchain.pulumi_cli import pulumi_toolchain

TIMEOUT_SECONDS = 300.0
GRACE_SECONDS = 20.0
STACK_CONFIGURATION = "Pulumi.*.yaml"


class PulumiTimeout(AssertionError):
    """A command did not end in time and was killed with everything it had started. The message holds what it wrote."""


class PulumiEngine:
    """Runs ``pulumi`` in ``project_dir``, keeping home, state and logs under ``workdir``.

    ``python`` runs the doubles, and the program where ``Pulumi.yaml`` names no virtual environment. The command writes to
    the project's ``Pulumi.<stack>.yaml``: give it a copy (:func:`linked_project`) where that matters.
    """

    def __init__(
        self,
        project_dir: Path,
        workdir: Path,
        python: Path,
        *,
        env: Mapping[str, str] | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """``env`` is added to an environment that has nothing of the caller's but ``PATH``."""
        self._project_dir = project_dir
        self._workdir = workdir.resolve()
        self._timeout_seconds = timeout_seconds
        self._runs = 0
        toolchain = pulumi_toolchain()
        self._cli = toolchain.cli
        self.state.mkdir(parents=True, exist_ok=True)
        self._environment = {**isolated_environment(self._workdir, toolchain), **(env or {})}
        install_doubles(self._workdir / "home", toolchain, python)

    @property
    def state(self) -> Path:
        """The folder of every stack's state."""
        return self._workdir / "state"

    def init_stack(self, name: str) -> None:
        """Create a stack whose secrets are encrypted with a passphrase."""
        self.run("stack", "init", name).succeeded()

    def preview(
        self,
        stack: str,
        *,
        policy_packs: Sequence[Path] = (),
        expect_no_changes: bool = False,
        json: bool = False,
        diff: bool = False,
        arguments: Sequence[str] = (),
    ) -> Outcome:
        """``pulumi preview``; with ``json`` the digest that the command prints is in ``stdout``."""
        flags = {"--expect-no-changes": expect_no_changes, "--json": json, "--diff": diff}
        chosen = [flag for flag, given in flags.items() if given]
        return self._operate("preview", stack, *chosen, *_policies(policy_packs), *arguments)

    def up(
        self,
        stack: str,
        *,
        policy_packs: Sequence[Path] = (),
        skip_preview: bool = False,
        arguments: Sequence[str] = (),
    ) -> Outcome:
        """``pulumi up``: as for users, a preview and, if it succeeds, the update."""
        chosen = ["--yes", *(["--skip-preview"] if skip_preview else [])]
        return self._operate("up", stack, *chosen, *_policies(policy_packs), *arguments)

    def destroy(self, stack: str, *, arguments: Sequence[str] = ()) -> Outcome:
        """``pulumi destroy``."""
        return self._operate("destroy", stack, "--yes", *arguments)

    def refresh(self, stack: str, *, arguments: Sequence[str] = ()) -> Outcome:
        """``pulumi refresh``."""
        return self._operate("refresh", stack, "--yes", *arguments)

    def export(self, stack: str) -> dict[str, Any]:
        """The stack's state as it is stored: secrets are ciphertext. Resources are under ``deployment.resources``."""
        return dict(json.loads(self.run("stack", "export", "--stack", stack).succeeded().stdout))

    def outputs(self, stack: str, *, show_secrets: bool = False) -> dict[str, Any]:
        """The stack's outputs; a secret reads ``[secret]`` unless it is to be shown."""
        chosen = ["--show-secrets"] if show_secrets else []
        return dict(json.loads(self.run("stack", "output", "--json", "--stack", stack, *chosen).succeeded().stdout))

    def set_config(self, stack: str, key: str, value: str, *, secret: bool = False) -> None:
        """``pulumi config set``: written to the project's ``Pulumi.<stack>.yaml``."""
        self.run("config", "set", "--stack", stack, "--secret" if secret else "--plaintext", key, stdin=value).succeeded()

    def _operate(self, verb: str, stack: str, *arguments: str) -> Outcome:
        log = self._workdir / f"events-{self._runs}-{verb}.jsonl"
        return self.run(verb, "--stack", stack, "--event-log", str(log), *arguments, event_log=log)

    def run(self, *arguments: str, event_log: Path | None = None, stdin: str = "") -> Outcome:
        """Any other command, in the project's folder. :class:`PulumiTimeout` when it does not end in time."""
        self._runs += 1
        command = [str(self._cli), "--non-interactive", "--color", "never", *arguments]
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=self._project_dir,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            stdout, stderr = process.communicate(stdin, timeout=self._timeout_seconds)
        except subprocess.TimeoutExpired:
            raise PulumiTimeout(self._interrupt(process, arguments)) from None
        finally:
            kill_session(process.pid)
        seconds = time.monotonic() - started
        events = read_events(event_log) if event_log else ()
        return Outcome(" ".join(arguments), process.returncode, stdout, stderr, seconds, events)

    def _interrupt(self, process: "subprocess.Popen[str]", arguments: Sequence[str]) -> str:
        """Let the command end by itself, then kill it; say what it had written."""
        process.send_signal(signal.SIGINT)
        try:
            stdout, stderr = process.communicate(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            kill_session(process.pid)
            stdout, stderr = process.communicate()
        return f"pulumi {' '.join(arguments)} did not end within {self._timeout_seconds:.0f} s:\n{stdout}{stderr}"


def _policies(packs: Sequence[Path]) -> list[str]:
    return [part for pack in packs for part in ("--policy-pack", str(pack))]


def kill_session(leader: int) -> None:
    """Kill every process of the session that ``leader`` started: plugins are in process groups of their own."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _session(entry) == leader:
            try:
                os.kill(int(entry.name), signal.SIGKILL)
            except ProcessLookupError:
                continue


def _session(process: Path) -> int | None:
    try:
        after_name = (process / "stat").read_text().rpartition(")")[2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(after_name.split()[3])


def linked_project(source: Path, target: Path) -> Path:
    """A project folder whose entries lead to ``source``, but for stack configurations, which are copies that may be written."""
    target.mkdir(parents=True)
    configurations = set(source.glob(STACK_CONFIGURATION))
    for entry in source.iterdir():
        if entry in configurations:
            shutil.copyfile(entry, target / entry.name)
        else:
            (target / entry.name).symlink_to(entry)
    return target
