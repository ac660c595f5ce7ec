"""What registering costs: ``pulumi preview`` under the real engine, against the SDK's own floor on the same objects."""

import os
import shutil
import sys
from functools import partial
from pathlib import Path

from bench.generate import STACK, Size, spec_text
from bench.measure import Case, Measurement, Progress, Run, in_turns
from bench.suites import Group, Plan
from bench.workspace import REPOSITORY, Input, Workspace
from components.environment import CONFIG_KEY
from tests.harness.pulumi_engine import PulumiEngine

_PROGRAM = ("__main__.py", "components")
_PROJECT = "name: {name}\nruntime: {{name: python, options: {{virtualenv: .venv}}}}\n"
_SPEC_FILE = "environment.yaml"
_FLOOR = Path(__file__).parent / "peers" / "pulumi_floor" / "__main__.py"

NOTES = [
    "The engine is the real one; the provider plugins are the tests' doubles, which answer at once.",
    "The floor registers the same KafkaTopics as plain CustomResources: no component, no parent, no options, no spec to load.",
    "PULUMI_SKIP_CHECKPOINTS is set for pulumi up, which only prepares the no-change previews and is not measured.",
]


class Program:
    """A Pulumi program in a folder of its own, and an engine that runs it."""

    def __init__(self, folder: Path, name: str, timeout_seconds: float = 600) -> None:
        self.project = folder / "project"
        self.project.mkdir(parents=True)
        (self.project / "Pulumi.yaml").write_text(_PROJECT.format(name=name))
        (self.project / ".venv").symlink_to(sys.prefix)
        skipping = {"PULUMI_SKIP_CHECKPOINTS": "true"}
        self.engine = PulumiEngine(
            self.project, folder / "work", Path(sys.executable), env=skipping, timeout_seconds=timeout_seconds
        )

    def preview(self, resources: int) -> Run:
        """Previews once; it must find exactly as many resources, or another number was measured than is stated."""
        before = os.times()
        outcome = self.engine.preview(STACK).succeeded()
        after = os.times()
        found = sum(outcome.changes.values())
        assert found >= resources, f"{found} resources instead of {resources}"
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return Run(outcome.seconds, cpu, 0)


def platform(folder: Path, size: Size, applied_by: str) -> Program:
    """This repository's program with a generated spec. In a file of its own: the engine hands a program at most 128 KiB."""
    program = Program(folder, "cdc-platform")
    for entry in _PROGRAM:
        (program.project / entry).symlink_to(REPOSITORY / entry)
    (program.project / _SPEC_FILE).write_text(spec_text(size, applied_by))
    (program.project / f"Pulumi.{STACK}.yaml").write_text(f"config:\n  {CONFIG_KEY}: {_SPEC_FILE}\n")
    program.engine.init_stack(STACK)
    return program


def floor(folder: Path, size: Size) -> Program:
    """The bare program that registers the same topics."""
    program = Program(folder, "floor")
    shutil.copyfile(_FLOOR, program.project / _FLOOR.name)
    same = Input(folder / "input", spec_text(size, "pulumi"))
    shutil.copyfile(same.objects_file, program.project / "objects.json")
    program.engine.init_stack(STACK)
    return program


def pulumi(space: Workspace, plan: Plan, progress: Progress) -> Group:
    """Previews of a new stack and of one where nothing changed; what a stack costs that leaves its topics to GitOps."""
    topics = Size(plan.pulumi_topics, 0)
    ours = platform(space.folder / "platform", topics, "pulumi")
    bare = floor(space.folder / "floor", topics)
    measured = in_turns(_pair("new", "of a new stack", ours, bare, topics.topics), plan.pulumi_rounds, progress)
    for program in (ours, bare):
        program.engine.up(STACK, skip_preview=True).succeeded()
    measured += in_turns(_pair("same", "where nothing changed", ours, bare, topics.topics), plan.pulumi_rounds, progress)
    left = platform(space.folder / "gitops", plan.largest, "gitops")
    preview = partial(left.preview, 1)
    gitops = Case("gitops", "pulumi preview, topics and users left to GitOps", plan.largest.topics, preview)
    measured += in_turns([gitops], plan.pulumi_rounds, progress)
    if plan.many_topics:
        many = platform(space.folder / "many", Size(plan.many_topics, 0), "pulumi")
        preview = partial(many.preview, plan.many_topics)
        registered = Case("many", "pulumi preview of a new stack, every topic registered", plan.many_topics, preview)
        measured += in_turns([registered], 1, progress)
    return Group("pulumi", "Registering with Pulumi", measured, [*NOTES, _cost_of_one(measured)])


def _cost_of_one(measured: list[Measurement]) -> str:
    """What one more registered topic adds, from the previews where nothing changed."""
    each = next(m.seconds / m.topics for m in measured if m.name == "ours-same")
    return f"A registered topic costs about {each * 1000:.0f} ms at every preview; one left to GitOps next to nothing."


def _pair(name: str, what: str, ours: Program, bare: Program, topics: int) -> list[Case]:
    return [
        Case(f"ours-{name}", f"pulumi preview {what}: cdc-platform", topics, partial(ours.preview, topics)),
        Case(f"floor-{name}", f"pulumi preview {what}: the SDK's floor", topics, partial(bare.preview, topics)),
    ]
