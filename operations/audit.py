"""``cdc audit``: what was changed by whom, and whether the log of it is whole."""

from pathlib import Path
from typing import Annotated, Any

import typer

from operations import project
from operations.audit_log import FOLDER, check, read_entries
from operations.options import AuditFile, Json, Root, Stack
from operations.terminal import BAD, FAINT, GOOD, STRONG, WARN, compact, console, print_json, styled

NOT_WHOLE = 3

EPILOG = """\b
Every verb that changes something live writes one JSON line per change, and
one when it begins and ends, to .cdc-audit/<stack>.jsonl in the project, or
to --audit-log FILE, or $CDC_AUDIT_LOG. Lines are only ever added; each holds
the SHA-256 of the one before it.

\b
Examples:
  cdc audit show prod --last 20
  cdc audit verify prod                    prints the head: note it elsewhere
  cdc audit verify prod --head 4f2a…       and it must still be there later

\b
Exit codes:
  0  shown; whole
  2  bad input, or a log that cannot be read
  3  verify: the log is not whole"""

app = typer.Typer(
    name="audit",
    add_completion=False,
    help="The log of every change that cdc makes.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=EPILOG,
)

_STYLES = {"done": GOOD, "ended": FAINT, "begun": FAINT, "failed": BAD}


@app.command("show", epilog=EPILOG)
def show_command(
    stack: Stack,
    last: Annotated[int | None, typer.Option("--last", metavar="N", min=1, help="Only the last N lines.")] = None,
    audit_log: AuditFile = None,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Who changed what, when, from what to what."""
    name, file = _place(root, stack, audit_log)
    entries = [entry for entry in read_entries(file) if entry.get("stack") == name]
    entries = entries[-last:] if last else entries
    if as_json:
        print_json({"stack": name, "entries": entries})
        return
    out = console()
    for entry in entries:
        out.print(_line(entry))
        for side, mark in (("before", "-"), ("after", "+")):
            if entry.get(side) is not None:
                out.print(styled((f"    {mark} {compact(entry[side])}", FAINT)))
    if not entries:
        out.print(styled(("nothing was changed yet", FAINT)))


@app.command("verify", epilog=EPILOG)
def verify_command(
    stack: Stack,
    head: Annotated[list[str] | None, typer.Option("--head", metavar="HASH", help="A head noted earlier.")] = None,
    audit_log: AuditFile = None,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Whether every line follows from the one before it.

    Exit codes: 0 whole, 2 bad input, 3 not whole.
    """
    name, file = _place(root, stack, audit_log)
    found = check(file, head or [])
    if as_json:
        print_json(
            {"stack": name, "lines": found.lines, "head": found.head, "whole": not found.problems, "problems": found.problems}
        )
    else:
        out = console()
        for problem in found.problems:
            out.print(styled((problem, BAD)))
        verdict = ("not whole", BAD) if found.problems else ("whole", GOOD)
        out.print(styled((name, STRONG), f": {found.lines:,} lines, ", verdict, f"; head {found.head}"))
    raise typer.Exit(NOT_WHOLE if found.problems else 0)


def _place(root: Path | None, stack: str, file: Path | None) -> tuple[str, Path]:
    folder, name = project.find_root(root), project.stack_name(stack)
    return name, file or folder / FOLDER / f"{name}.jsonl"


def _line(entry: dict[str, Any]) -> Any:
    who = entry.get("who") or {}
    person = who.get("actor") or who.get("git") or who.get("user", "?")
    outcome = str(entry.get("outcome", "?"))
    why = f": {entry['why']}" if entry.get("why") else ""
    return styled(
        (f"{entry.get('at', '?')}  ", FAINT),
        f"{person}@{who.get('host', '?')}  ",
        (f"{entry.get('verb', '?')}  ", STRONG),
        f"{entry.get('object', '?')}  ",
        (f"{outcome}{why}", _STYLES.get(outcome, WARN)),
    )
