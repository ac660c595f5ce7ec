"""``cdc diff``: what differs between two specs, or between a spec and its last rendered tree, and what follows from it."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from components.core.errors import CdcError
from components.environment import EnvironmentSpec
from components.loading import stacks
from components.platform import render
from operations import project
from operations.compare import FieldChange, compare
from operations.diff_markdown import comparison_markdown
from operations.diff_text import print_comparison
from operations.last_rendered import LastRendered, last_rendered, manifests_of
from operations.objects import ObjectChange, compare_objects, file_objects, rendered_objects
from operations.options import Json, Root, Today, stack_argument
from operations.project import RENDERED
from operations.terminal import console, count, listed, print_json
from operations.tree import tree
from policies.changes import judge_change
from policies.engine import Verdict
from policies.reports.records import record

EPILOG = """\b
Examples:
  cdc diff                  every stack against what was rendered last
  cdc diff prod             prod against rendered/prod
  cdc diff prod main        what this working copy changes since branch main
  cdc diff prod v1.4.0~2    the same, with any other git reference
  cdc diff prod prod-dr     from one stack to another, as if of one name
  cdc diff prod main --markdown >> "$GITHUB_STEP_SUMMARY"

A name that is both a stack and a branch means the stack; refs/heads/NAME means the branch. Compared with a git reference or
a rendered tree, the rules about changes are judged too: partitions taken away, volumes shrunk, a topic deleted.

\b
Exit codes:
  0  the same
  1  a mandatory rule about changes is broken
  2  bad input
  3  they differ"""
BROKEN, DIFFERS = 1, 3


@dataclass(frozen=True, slots=True)
class Comparison:
    """What leads from ``before`` to ``after``. ``spec`` is ``None`` where one side is a rendered tree; ``verdict`` where the
    two sides are two environments, and not one that changes."""

    before: str
    after: str
    spec: tuple[FieldChange, ...] | None
    objects: tuple[ObjectChange, ...]
    notes: tuple[str, ...] = ()
    verdict: Verdict | None = None

    @property
    def differs(self) -> bool:
        return bool(self.spec or self.objects)

    @property
    def exit_code(self) -> int:
        if self.verdict is not None and not self.verdict.passed:
            return BROKEN
        return DIFFERS if self.differs else 0

    def as_json(self) -> dict[str, Any]:
        """For a machine."""
        described: dict[str, Any] = {"before": self.before, "after": self.after, "differs": self.differs}
        if self.spec is not None:
            described["spec"] = [change.as_json() for change in self.spec]
        described["objects"] = [change.as_json() for change in self.objects]
        described["notes"] = self.notes
        return described if self.verdict is None else {**described, "verdict": record(self.verdict)}


def command(
    stack: Annotated[str, stack_argument(help="The stack; all of them when left out.")] = "",
    other: Annotated[
        str,
        typer.Argument(
            metavar="STACK-OR-GIT-REF",
            help="A second stack, or a git reference; else the tree rendered last.",
            show_default=False,
        ),
    ] = "",
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown for a pull request.")] = False,
    as_json: Json = False,
    today: Today = None,
    root: Root = None,
) -> None:
    """Show what differs between two specs, or since the last render.

    Tells changed spec fields, the objects that follow from them field by field, and what the rules say to the change.
    """
    folder = project.find_root(root)
    names = [project.stack_name(stack)] if stack else project.known_stacks(folder)
    found = [_compare(folder, name, project.stack_name(other), today or date.today()) for name in names]
    if as_json:
        print_json(found[0].as_json() if stack else [comparison.as_json() for comparison in found])
    elif markdown:
        typer.echo("\n".join(map(comparison_markdown, found)), nl=False)
    else:
        for index, comparison in enumerate(found):
            print_comparison(console(), comparison, separated=index > 0)
    codes = {comparison.exit_code for comparison in found}
    raise typer.Exit(BROKEN if BROKEN in codes else max(codes))


def _compare(root: Path, stack: str, other: str, today: date) -> Comparison:
    after = project.load(root, stack)
    if not other:
        return compare_with_tree(last_rendered(root / RENDERED / stack, stack), after, today, f"{RENDERED}/{stack}")
    if other in stacks(root):
        return compare_environments(after, project.load(root, other))
    before = project.load_at(root, stack, other)
    return compare_in_time(before, after, f"{stack} at {other}", stack, today)


def compare_environments(before: EnvironmentSpec, after: EnvironmentSpec) -> Comparison:
    """Two environments, as if both had the first one's name: else every object would differ by its labels."""
    renamed = after.model_copy(update={"name": before.name})
    objects = compare_objects(rendered_objects(render(before)), rendered_objects(render(renamed)))
    notes = (f"compared as if both were called {before.name}",) if before.name != after.name else ()
    return Comparison(before.name, after.name, tuple(compare(_plain(before), _plain(after))), tuple(objects), notes)


def compare_in_time(before: EnvironmentSpec, after: EnvironmentSpec, was: str, now: str, today: date) -> Comparison:
    """One environment at two times, with what the rules about changes say."""
    objects = compare_objects(rendered_objects(render(before)), rendered_objects(render(after)))
    return Comparison(
        was,
        now,
        tuple(compare(_plain(before), _plain(after))),
        tuple(objects),
        verdict=judge_change(before, after, today),
    )


def compare_with_tree(before: LastRendered | None, after: EnvironmentSpec, today: date, folder: str) -> Comparison:
    """A tree rendered before, as it is on disk now, and what would be rendered today. Only files that differ are parsed."""
    new = tree(render(after), after.context)
    if before is None:
        note = f"nothing has been rendered there yet: cdc render {after.name} would write {count(len(new), 'file')}"
        return Comparison(folder, after.name, None, tuple(compare_objects({}, file_objects(new))), (note,))
    paths = {path for path in {*before.files, *new} if before.files.get(path) != new.get(path)}
    old_objects = file_objects({path: before.files[path] for path in sorted(paths) if path in before.files})
    new_objects = file_objects({path: new[path] for path in sorted(paths) if path in new})
    notes = [
        f"{what} by hand since: {listed(names)}"
        for what, names in (("edited", before.edited), ("deleted", before.missing))
        if names
    ]
    try:
        verdict = judge_change(manifests_of(before.files), after, today) if after.target == "kubernetes" and paths else None
    except CdcError as error:  # a tree without its Kafka object can be compared, but not judged
        verdict = None
        notes.append(f"the change was not judged: {str(error).splitlines()[0]}")
    return Comparison(folder, after.name, None, tuple(compare_objects(old_objects, new_objects)), tuple(notes), verdict)


def _plain(spec: EnvironmentSpec) -> dict[str, Any]:
    """The spec as the user would write it in full, defaults included."""
    return spec.model_dump(mode="json", by_alias=True, exclude={"name"})
