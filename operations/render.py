"""``cdc render``: what a stack declares, as files that a GitOps controller, kubectl or compose takes."""

import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from components.core.errors import CdcError
from components.core.rendered import Rendered
from components.environment import EnvironmentSpec
from components.platform import render
from operations import project
from operations.options import Json, Root, Stack
from operations.publish import Published, publish, summary
from operations.terminal import FAINT, GOOD, STRONG, console, count, print_json, styled
from operations.tree import stream, tree
from policies.engine import Subject, judge
from policies.reports import render_text

BROKEN = 1

EPILOG = """The old tree stays until the new one is whole; then both change places in one step. Files that cdc did not write are
never deleted, and never overwritten.

\b
Examples:
  cdc render prod                        under rendered/prod
  cdc render prod --out ../gitops/prod   elsewhere
  cdc render prod --check                only if every mandatory rule holds
  kubectl diff -k rendered/prod
  cdc render prod --stdout | kubectl apply --dry-run=server -f -

\b
Exit codes:
  0  written, or unchanged
  1  --check: a mandatory rule is broken; nothing was written
  2  bad input, a file in the way, or a folder that cannot be written"""


def command(
    stack: Stack,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Folder to write to. Default: rendered/STACK in the project."),
    ] = None,
    to_stdout: Annotated[
        bool, typer.Option("--stdout", help="Stream everything as one YAML of many documents; write nothing.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Judge first: where a mandatory rule is broken, say so and write nothing.")
    ] = False,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Write what a stack declares as files.

    One file for each object, with kustomizations for kubectl, Argo CD and Flux; a compose.yaml with its files on docker.
    """
    folder = project.find_root(root)
    if to_stdout and (out is not None or as_json):
        raise CdcError("--stdout goes with neither --out nor --json\n      → leave one of them out")
    spec = project.load(folder, stack)
    rendered = _judged(spec) if check else render(spec)
    if to_stdout:
        _stream(spec, rendered)
        return
    destination = out if out is not None else folder / project.RENDERED / spec.name
    _refuse_project(destination, folder)
    outcome = publish(tree(rendered, spec.context), spec.name, destination, _say_when_waiting)
    if as_json:
        print_json(_described(outcome, spec.name))
    else:
        _print(outcome, spec.name)


def _refuse_project(destination: Path, root: Path) -> None:
    """The folder changes places with a new one; the project, or what holds it, is not to be moved about like that."""
    if destination.resolve() in {root.resolve(), *root.resolve().parents}:
        raise CdcError(f"{destination}: is the project's folder, or holds it\n      → name a folder inside it, or elsewhere")


def _say_when_waiting(step: str) -> None:
    if step == "waiting":
        typer.echo("waiting for another cdc render to end …", err=True)


def _judged(spec: EnvironmentSpec) -> Rendered:
    """What ``spec`` renders to. Ends the command, with the verdict on standard error, where a mandatory rule is broken."""
    subject = Subject.of(spec)
    verdict = judge(subject, date.today())
    if not verdict.passed:
        typer.echo(render_text(verdict), err=True, nl=False)
        raise typer.Exit(BROKEN)
    return subject.rendered


def _stream(spec: EnvironmentSpec, rendered: Rendered) -> None:
    sys.stdout.writelines(stream(rendered, spec.context))
    if spec.target == "docker":
        typer.echo(f"compose.yaml binds files beside it, which cdc render {spec.name} writes", err=True)


def _described(outcome: Published, stack: str) -> dict[str, object]:
    """For a machine."""
    return {
        "stack": stack,
        "folder": str(outcome.folder),
        "files": outcome.files,
        "added": outcome.added,
        "changed": outcome.changed,
        "removed": outcome.removed,
        "editedByHand": outcome.edited,
        "kept": outcome.kept,
        "notes": outcome.notes,
    }


def _print(outcome: Published, stack: str) -> None:
    out = console()
    first, *rest = summary(outcome)
    folder = outcome.folder
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    out.print(styled((stack, STRONG), f" → {shown}  ", (f"{count(outcome.files, 'file')}, {first}", GOOD)))
    for line in rest:
        out.print(styled((f"  {line}", FAINT)))
