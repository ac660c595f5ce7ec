"""What is measured, apart from Pulumi: rendering to one stream and to files, growth, single steps, and cold starts."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.generate import STACK, TOPICS_OF_A_PIPELINE, Size
from bench.measure import Case, Command, Measurement, Progress, Run, in_turns
from bench.peers.tools import Peer, find_peers
from bench.workspace import (
    CDC,
    REPOSITORY,
    Workspace,
    case,
    into_empty_folder,
    python,
    require_same_objects,
)

_SQUARE = "grows with the square of the number of objects, so it is run with few"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. ``sizes`` ascend; ``square_sizes`` are for what grows with the square."""

    rounds: int
    slow_rounds: int
    sizes: tuple[Size, ...]
    square_sizes: tuple[Size, ...]
    pulumi_topics: int
    pulumi_rounds: int
    many_topics: int

    @property
    def largest(self) -> Size:
        return self.sizes[-1]


FULL = Plan(
    rounds=5,
    slow_rounds=2,
    sizes=(Size(1_000, 100), Size(3_000, 300), Size(10_000, 1_000)),
    square_sizes=(Size(250, 25), Size(500, 50), Size(1_000, 100)),
    pulumi_topics=1_000,
    pulumi_rounds=5,
    many_topics=10_000,
)
QUICK = Plan(
    rounds=2,
    slow_rounds=0,
    sizes=(Size(1_000, 100), Size(10_000, 1_000)),
    square_sizes=(Size(250, 25), Size(500, 50)),
    pulumi_topics=200,
    pulumi_rounds=2,
    many_topics=0,
)


@dataclass(frozen=True, slots=True)
class Group:
    """Measurements that belong in one table. ``notes`` say what has to be known to read it."""

    name: str
    title: str
    measurements: list[Measurement]
    notes: list[str] = field(default_factory=list)

    def find(self, name: str, topics: int, variant: str = "") -> Measurement | None:
        """One measurement; ``None`` where it was not made."""
        wanted = (name, topics, variant)
        return next((m for m in self.measurements if (m.name, m.topics, m.variant) == wanted), None)

    def median(self, name: str, topics: int, variant: str = "") -> float | None:
        """The median seconds of one case; ``None`` where it was not measured."""
        found = self.find(name, topics, variant)
        return None if found is None else found.seconds

    def points(self, name: str) -> list[tuple[float, float]]:
        """(topics, median seconds) of one case at every size."""
        return [(m.topics, m.seconds) for m in self.measurements if m.name == name]


def _peers(space: Workspace, plan: Plan, *names: str) -> tuple[dict[str, Peer], list[str]]:
    """The peers at hand, each seen to render the same objects at the smallest size; and a note for each that is missing."""
    found, missing = find_peers(names)
    for name, peer in found.items():
        require_same_objects(name, peer, space.declared(plan.square_sizes[0]))
    return found, [f"{name} was not measured: {why}" for name, why in missing.items()]


def stream(space: Workspace, plan: Plan, progress: Progress) -> Group:
    """The same topics and users to one stream, at every size, by us and by the peers."""
    peers, notes = _peers(space, plan, "helm", "cdk8s", "kustomize")
    cases: list[Case] = []
    for size in plan.sizes:
        source, topics = space.declared(size), size.topics
        cases.append(case("render", "cdc render --stdout", topics, source.cdc("render", STACK, "--stdout")))
        cases.append(case("check", "cdc check", topics, source.cdc("check", STACK)))
        whole = python("bench.inside", "whole", str(source.folder), STACK)
        cases.append(case("whole", "load, validate, render, check, write in one process", topics, whole))
        for name in ("helm", "cdk8s"):
            if name in peers:
                peer = peers[name]
                cases.append(case(name, peer.name, topics, peer.stream(source.for_peer(name, peer))))
    for size in plan.square_sizes if "kustomize" in peers else ():
        peer = peers["kustomize"]
        command = peer.stream(space.declared(size).for_peer("kustomize", peer))
        cases.append(case("kustomize", peer.name, size.topics, command))
    preview = space.declared(plan.largest).cdc("preview", STACK, "--json")
    cases.append(case("preview", "cdc preview --json", plan.largest.topics, preview))
    notes.append("Each peer's objects were compared with ours first, and are the same; ours are nine more, the cluster's own.")
    notes.append(f"kustomize {_SQUARE}.")
    return Group("stream", "To one stream", in_turns(cases, plan.rounds, progress), notes)


def files(space: Workspace, plan: Plan, progress: Progress) -> Group:
    """The same topics and users to files, at the largest size."""
    peers, notes = _peers(space, plan, "helm", "cdk8s")
    source, topics = space.declared(plan.largest), plan.largest.topics
    fresh, kept = space.folder / "fresh", space.folder / "kept"

    def ours(out: Path) -> Command:
        return source.cdc("render", STACK, "--out", str(out))

    def everything(out: Path) -> Command:
        return python("bench.inside", "whole", str(source.folder), STACK, str(out))

    ours(kept).run()
    cases = [
        Case("whole", "load, validate, render, check, write in one process", topics, into_empty_folder(everything, fresh)),
        Case("render", "cdc render --out, a new tree", topics, into_empty_folder(ours, fresh)),
        case("again", "cdc render --out, nothing changed", topics, ours(kept)),
    ]
    for name, peer in peers.items():
        if peer.files is not None:
            inputs = source.for_peer(name, peer)
            command = _bound(peer.files, inputs)
            cases.append(Case(name, f"{peer.name}, to files", topics, into_empty_folder(command, space.folder / f"{name}-out")))
    notes.append("cdc and cdk8s write one file per object, helm one per template: two files.")
    notes.append("Written to a memory disk where the machine has one, so that no disk is measured.")
    return Group("files", "To files", in_turns(cases, plan.rounds, progress), notes)


def _bound(files: Callable[[Path, Path], Command], inputs: Path) -> Callable[[Path], Command]:
    return lambda out: files(inputs, out)


WORK = ("read YAML", "validate", "render", "check", "write YAML to one stream")
"""The steps of :mod:`bench.inside` that lead from the text of a spec to one stream."""
WRITTEN_OUT, DERIVED, PYYAML_C, PYYAML_PURE = "written out", "derived from pipelines", "PyYAML (C)", "PyYAML (pure)"


def steps(space: Workspace, plan: Plan, progress: Progress) -> Group:
    """Where our time goes, inside one process; and what PyYAML alone would need for its part of it."""
    most = plan.largest.topics
    largest, derived = space.declared(plan.largest), space.derived(most // TOPICS_OF_A_PIPELINE)
    texts = (str(largest.folder / f"Pulumi.{STACK}.yaml"), str(largest.objects_file))
    programs = {
        **{(WRITTEN_OUT, size.topics): ("steps", str(space.declared(size).folder), STACK) for size in plan.sizes},
        (DERIVED, most): ("steps", str(derived.folder), STACK),
        (PYYAML_C, most): ("pyyaml", "c", *texts),
        (PYYAML_PURE, most): ("pyyaml", "pure", *texts),
    }
    seen: dict[tuple[str, str, int], list[Run]] = {}
    for number in range(plan.rounds):
        for (variant, topics), words in programs.items():
            if variant == PYYAML_PURE and number >= plan.slow_rounds:
                continue
            for step, run in _inside(python("bench.inside", *words), space.folder).items():
                seen.setdefault((step, variant, topics), []).append(run)
            progress(f"round {number + 1}/{plan.rounds}  steps, {variant}, {topics:,} topics")
    measured = [Measurement(step, step, topics, tuple(runs), variant) for (step, variant, topics), runs in seen.items()]
    notes = [
        "Medians of each step's wall clock, without the start of the interpreter.",
        f"*{DERIVED}*: {most // TOPICS_OF_A_PIPELINE:,} pipelines that become as many topics, and two users each.",
        "*PyYAML*: the same spec and the same objects, read and written by PyYAML and nothing else.",
    ]
    return Group("steps", "Inside one process", measured, notes)


def _inside(command: Command, folder: Path) -> Mapping[str, Run]:
    """What a program of :mod:`bench.inside` measured of itself, writing its own files under ``folder``."""
    output = folder / "steps.json"
    Command(command.words, command.cwd, {"TMPDIR": str(folder)}, output).run()
    return {step: Run(seconds, cpu, 0) for step, (seconds, cpu) in json.loads(output.read_text()).items()}


def start(space: Workspace, plan: Plan, progress: Progress) -> Group:
    """Cold starts of ``cdc`` on the project's own stacks."""
    nothing_compiled = space.folder / "compiled"

    def uncompiled(cache: Path) -> Command:
        return Command((CDC, "preview", "prod"), REPOSITORY, {"PYTHONPYCACHEPREFIX": str(cache)})

    cases = [
        case("help", "cdc --help", 0, Command((CDC, "--help"), REPOSITORY)),
        case("dev", "cdc preview dev", 0, Command((CDC, "preview", "dev"), REPOSITORY)),
        case("prod", "cdc preview prod", 0, Command((CDC, "preview", "prod"), REPOSITORY)),
        Case("uncompiled", "cdc preview prod, no module compiled yet", 0, into_empty_folder(uncompiled, nothing_compiled)),
        case("python", "python -c pass", 0, Command((sys.executable, "-c", "pass"), REPOSITORY)),
    ]
    notes = ["A new process each time, with the files in the page cache."]
    return Group("start", "Cold start", in_turns(cases, plan.rounds, progress), notes)
