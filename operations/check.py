"""``cdc check``: are the specs valid, and do the rules hold? For people, pull requests and machines."""

import enum
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from components.core.errors import CdcError, Problem, SpecError
from components.loading import load_partners
from operations import project
from operations.options import Root, Today, stack_argument
from operations.reports import Checked, Judged, Refused, json_report, markdown_report, sarif_report, text_report
from operations.terminal import console, print_markup
from policies.engine import judge
from policies.model import Subject
from policies.reports import SpecFile

EPILOG = """\b
Examples:
  cdc check                          every stack
  cdc check prod prod-dr
  cdc check --format sarif --output check.sarif
  cdc check --format markdown >> "$GITHUB_STEP_SUMMARY"
  cdc check prod --today 2027-01-01  would the waivers still hold then?

\b
Exit codes:
  0  every spec is valid and no mandatory rule is broken
  1  a mandatory rule is broken
  2  a spec is refused, or another bad input; the report says it too"""


class Format(enum.StrEnum):
    """Forms of a report."""

    text = "text"
    json = "json"
    sarif = "sarif"
    markdown = "markdown"


_RENDERERS: dict[Format, Callable[[Sequence[Checked]], str]] = {
    Format.text: text_report,
    Format.json: json_report,
    Format.sarif: sarif_report,
    Format.markdown: markdown_report,
}


def command(
    stacks: Annotated[list[str] | None, stack_argument(help="Stacks; all of them when left out.")] = None,
    form: Annotated[Format, typer.Option("--format", "-f", help="Form of the report.")] = Format.text,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the report here, and a summary to the terminal."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
    today: Today = None,
    root: Root = None,
) -> None:
    """Judge stacks: is each spec valid, and do the rules hold?"""
    folder = project.find_root(root)
    form = Format.json if as_json else form
    names = [project.stack_name(stack) for stack in stacks or project.known_stacks(folder)]
    checked = [check_stack(folder, name, today or date.today()) for name in names]
    if output is not None:
        _write(output, _RENDERERS[form](checked))
    if output is None and form is not Format.text:
        typer.echo(_RENDERERS[form](checked), nl=False)
        _print_refused(checked)
    else:
        print_markup(console(), text_report(checked, markup=True))
    raise typer.Exit(max(stack.exit_code for stack in checked))


def check_stack(root: Path, stack: str, today: date) -> Checked:
    """One stack's verdict, or why its spec is refused."""
    try:
        spec = project.load(root, stack)
    except CdcError as error:
        source = error.source if isinstance(error, SpecError) else f"Pulumi.{stack}.yaml"
        problems = error.problems if isinstance(error, SpecError) else _as_problem(error)
        return Refused(stack, project.in_repository(root, source), problems, str(error))
    written = project.written_spec(root, stack)
    file = SpecFile(project.in_repository(root, written.source), written.text, written.prefix)
    return Judged(stack, judge(Subject.of(spec, load_partners(root, spec)), today), file)


def _as_problem(error: CdcError) -> list[Problem]:
    message, _, remedy = str(error).partition("\n")
    return [Problem("", message, remedy.strip().removeprefix("→ "))]


def _write(output: Path, text: str) -> None:
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CdcError(
            f"{output}: cannot be written: {error.strerror}\n      → name a file in a folder you may write"
        ) from None


def _print_refused(checked: Sequence[Checked]) -> None:
    """A report for a machine is not read by whoever looks at the log."""
    for stack in checked:
        if isinstance(stack, Refused):
            typer.echo(stack.message, err=True)
