"""The folders that the cases run in: projects for ``cdc``, inputs for the peers. Made outside every measurement."""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from bench.generate import STACK, Size, pipelines_text, spec_text, stack_file
from bench.measure import BenchmarkFailed, Case, Command, Run
from bench.peers.inputs import by_identity, entries, topics_and_users
from bench.peers.tools import Peer, rendered_by
from components.core.rendered import Manifest
from components.loading import load_environment
from components.platform import render

REPOSITORY = Path(__file__).resolve().parents[1]
CDC = str(Path(sys.executable).with_name("cdc"))
MEMORY_DISK = Path("/dev/shm")
_PROJECT = "name: bench\nruntime: python\n"


@contextmanager
def workspace() -> Iterator["Workspace"]:
    """A folder that goes when the block ends; on a memory disk where there is one, so that no disk is measured."""
    with tempfile.TemporaryDirectory(prefix="cdc-bench-", dir=MEMORY_DISK if MEMORY_DISK.is_dir() else None) as folder:
        yield Workspace(Path(folder))


class Input:
    """A spec in a project folder of its own, and the same objects for the peers."""

    def __init__(self, folder: Path, spec: str) -> None:
        self.folder = folder
        self.spec = spec
        folder.mkdir(parents=True)
        (folder / "Pulumi.yaml").write_text(_PROJECT)
        (folder / f"Pulumi.{STACK}.yaml").write_text(stack_file(spec))

    @cached_property
    def manifests(self) -> list[Manifest]:
        """The topics and users that the spec becomes."""
        return topics_and_users(render(load_environment(self.folder, STACK)).manifests)

    @cached_property
    def objects_file(self) -> Path:
        """The bodies of all topics and users as JSON."""
        path = self.folder / "objects.json"
        path.write_text(json.dumps([manifest.body for manifest in self.manifests]))
        return path

    def for_peer(self, name: str, peer: Peer) -> Path:
        """The folder with a peer's inputs."""
        folder = self.folder / name
        if not folder.is_dir():
            folder.mkdir()
            peer.prepare(folder, entries(self.manifests), self.manifests)
        return folder

    def cdc(self, *words: str) -> Command:
        """A ``cdc`` command on this project."""
        return Command((CDC, "--root", str(self.folder), *words), self.folder)


class Workspace:
    """Inputs of each size, made once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._inputs: dict[str, Input] = {}

    def declared(self, size: Size) -> Input:
        """A spec that writes out each topic and user."""
        return self._input(f"declared-{size.topics}", lambda: spec_text(size))

    def derived(self, pipelines: int) -> Input:
        """A spec whose topics and users derive from pipelines."""
        return self._input(f"derived-{pipelines}", lambda: pipelines_text(pipelines))

    def _input(self, name: str, text: Callable[[], str]) -> Input:
        if name not in self._inputs:
            self._inputs[name] = Input(self.folder / name, text())
        return self._inputs[name]


def python(module: str, *words: str) -> Command:
    """One of the benchmark's own programs, run by this interpreter from the repository."""
    return Command((sys.executable, "-m", module, *words), REPOSITORY)


def case(name: str, label: str, topics: int, command: Command) -> Case:
    """A command as a case."""
    return Case(name, label, topics, command.run)


def into_empty_folder(command: Callable[[Path], Command], out: Path) -> Callable[[], Run]:
    """Measures ``command(out)``; what an earlier run left in ``out`` is removed first, outside the measurement."""

    def measure() -> Run:
        shutil.rmtree(out, ignore_errors=True)
        return command(out).run()

    return measure


def require_same_objects(name: str, peer: Peer, source: Input) -> None:
    """:class:`BenchmarkFailed` where a peer's objects are not the very ones that we render."""
    ours = by_identity(manifest.body for manifest in source.manifests)
    theirs = rendered_by(peer, source.for_peer(name, peer))
    if ours != theirs:
        wrong = sorted(str(key) for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
        raise BenchmarkFailed(f"{name} renders other objects than the spec: {len(wrong)} differ, such as {wrong[0]}")
