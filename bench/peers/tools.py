"""The peers' programs: which are to be had, in which versions, and the commands that render the same objects with each."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.measure import Command
from bench.peers.inputs import Objects, as_yaml, by_identity
from components.core import yaml_text
from components.core.rendered import Manifest
from tests.toolchain import versions
from tests.toolchain.cache import ToolUnavailable, ensure, run_step
from tests.toolchain.kubernetes import helm, kustomize

CDK8S = "2.70.106"
CONSTRUCTS = "10.8.1"
_HERE = Path(__file__).parent

Entries = Mapping[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Peer:
    """``stream`` and ``files`` give the command that renders what lies in a folder that ``prepare`` has filled."""

    name: str
    version: str
    prepare: Callable[[Path, Entries, list[Manifest]], None]
    stream: Callable[[Path], Command]
    files: Callable[[Path, Path], Command] | None


def find_peers(names: tuple[str, ...]) -> tuple[dict[str, Peer], dict[str, str]]:
    """The peers that are to be had, and why the others are not."""
    found: dict[str, Peer] = {}
    missing: dict[str, str] = {}
    for name in names:
        try:
            found[name] = _PEERS[name]()
        except ToolUnavailable as error:
            missing[name] = str(error).splitlines()[0]
    return found, missing


def _helm() -> Peer:
    program = str(helm())
    chart, values = str(_HERE / "chart"), "values.yaml"

    def prepare(folder: Path, entries: Entries, _manifests: list[Manifest]) -> None:
        (folder / values).write_text(as_yaml(entries))

    def stream(folder: Path) -> Command:
        return Command((program, "template", "bench", chart, "--values", values), folder)

    def files(folder: Path, out: Path) -> Command:
        return Command((program, "template", "bench", chart, "--values", values, "--output-dir", str(out)), folder)

    return Peer("helm template", versions.HELM, prepare, stream, files)


def _kustomize() -> Peer:
    program = str(kustomize())

    def prepare(folder: Path, _entries: Entries, manifests: list[Manifest]) -> None:
        names = [f"{manifest.kind.lower()}_{manifest.name}.yaml" for manifest in manifests]
        for name, manifest in zip(names, manifests, strict=True):
            (folder / name).write_text(yaml_text.dump(manifest.body))
        body = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": names}
        (folder / "kustomization.yaml").write_text(yaml_text.dump(body))

    def stream(folder: Path) -> Command:
        return Command((program, "build", "."), folder)

    return Peer("kustomize build", versions.KUSTOMIZE, prepare, stream, None)


def _cdk8s() -> Peer:
    modules = ensure("cdk8s", f"{CDK8S}-constructs-{CONSTRUCTS}", _install_cdk8s) / "node_modules"
    program, entries_file = "synth.mjs", "entries.json"

    def prepare(folder: Path, entries: Entries, _manifests: list[Manifest]) -> None:
        """Node looks for modules from the program's own folder upwards."""
        (folder / entries_file).write_text(json.dumps(entries))
        shutil.copyfile(_HERE / "cdk8s" / program, folder / program)
        (folder / "node_modules").symlink_to(modules)

    def stream(folder: Path) -> Command:
        return Command(("node", program, entries_file), folder)

    def files(folder: Path, out: Path) -> Command:
        return Command(("node", program, entries_file, str(out)), folder)

    return Peer("cdk8s", CDK8S, prepare, stream, files)


def _install_cdk8s(folder: Path) -> None:
    packages = [f"cdk8s@{CDK8S}", f"constructs@{CONSTRUCTS}"]
    quiet = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
    run_step("cdk8s", ["npm", "install", *quiet, "--prefix", str(folder), *packages], cwd=folder)


def rendered_by(peer: Peer, folder: Path) -> Objects:
    """What a peer made of its inputs, parsed: to be compared with what we render, before anything is measured."""
    output = folder / "rendered.yaml"
    command = peer.stream(folder)
    Command(command.words, command.cwd, command.env, output).run()
    with output.open() as text:
        objects = by_identity(yaml.load_all(text, Loader=yaml.CSafeLoader))
    output.unlink()
    return objects


_PEERS: dict[str, Callable[[], Peer]] = {"helm": _helm, "kustomize": _kustomize, "cdk8s": _cdk8s}
