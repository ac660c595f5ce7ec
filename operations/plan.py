"""``cdc plan``: what leads from the live system to the spec, and what follows from it."""

from pathlib import Path
from typing import Annotated

import typer

from components.core.errors import CdcError
from operations import project
from operations.bundles import bundled
from operations.errors import cannot_write
from operations.live import reach
from operations.live.report import markdown, record, show
from operations.live.session import Look, look
from operations.live.words import DeleteOption, Reason, RemapKeys, Throttle, read_throttle, read_words, save
from operations.options import Json, Root, Stack
from operations.terminal import console, print_json

DIFFERS = 3
EPILOG = """\b
Looks at Kafka (topics, ACLs, quotas, SCRAM users), the schema registry and
Kafka Connect, and changes nothing. What is nobody's here is told and left
alone; nothing is ever deleted that was not named.

\b
Examples:
  cdc plan dev
  cdc plan prod --kafka-config admin.properties --out plan.json
  cdc plan prod --kafka-config admin.properties --markdown plan.md
  cdc plan prod --kafka-config admin.properties \\
    --delete topic/old --reason "replaced by new"

\b
Exit codes:
  0  nothing to do
  2  bad input, a server that cannot be reached, a right that is missing
  3  there is something to do"""

External = Annotated[bool, typer.Option("--external", help="List what is nobody's here, too.")]


@bundled
def command(
    stack: Stack,
    *,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Save the plan for cdc apply.")] = None,
    to_markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write it for a pull request; - for standard output.")
    ] = None,
    delete: DeleteOption = None,
    reason: Reason = None,
    remap_keys: RemapKeys = None,
    throttle: Throttle = None,
    all_external: External = False,
    ways: reach.Ways,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Show what leads from the live system to the spec.

    Each change with what follows from it: restarts, bytes, readers, keys, snapshots, and whether it can be undone.
    """
    folder = project.find_root(root)
    spec = project.load(folder, stack)
    words, rate = read_words(delete, reason, remap_keys), read_throttle(throttle)
    with reach.opened(spec, ways) as sources:
        found = look(spec, folder, sources, words, rate)
    if out is not None and not found.seen.gaps:
        save(out, found)
    if to_markdown is not None:
        _write(to_markdown, markdown(found))
    if as_json:
        print_json(record(found))
    elif to_markdown != Path("-"):
        show(console(), found, all_external=all_external)
    refuse_gaps(found, "the plan is of the rest" + ("" if out is None else f", and {out} was not written"), as_json)
    raise typer.Exit(DIFFERS if found.plan else 0)


def refuse_gaps(found: Look, so: str, as_json: bool = False) -> None:
    """What could not be looked at may differ: a plan without it says less than it seems to. ``so`` is what was done; what was
    told ``as_json`` names the gaps, and stays one document."""
    if found.seen.gaps:
        lines = [f"{gap.what}: {gap.why}\n      → {gap.remedy}" for gap in found.seen.gaps]
        error = CdcError("\n".join([f"{found.wanted.environment}: not everything could be looked at; {so}", *lines]))
        if not as_json:
            raise error
        typer.echo(str(error), err=True)
        raise typer.Exit(error.exit_code)


def _write(file: Path, text: str) -> None:
    if file == Path("-"):
        typer.echo(text, nl=False)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise cannot_write(file, error) from None
