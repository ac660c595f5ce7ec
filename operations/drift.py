"""``cdc drift``: does the live system still equal the spec? Once, again and again, or as metrics for alerts."""

import sys
import time
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console

from components.core.errors import CdcError
from operations import project
from operations.bundles import bundled
from operations.live import reach
from operations.live.exporter import Metrics, parse_address, serve
from operations.live.external import external
from operations.live.plan import Words
from operations.live.report import record, sentence, show
from operations.live.session import Look, look
from operations.options import Json, Root, Stack
from operations.plan import External, refuse_gaps
from operations.terminal import BAD, FAINT, GOOD, WARN, console, print_json, styled

DIFFERS = 3
_INTERVAL_SECONDS = 60.0
EPILOG = """\b
What is ours and differs is drift. What is nobody's here is shown, never
touched, and no drift; --strict counts it too.

\b
Examples:
  cdc drift prod --kafka-config reader.properties
  cdc drift prod --kafka-config reader.properties --watch 60
  cdc drift prod --kafka-config reader.properties --listen 127.0.0.1:9405

\b
Exit codes:
  0  the same
  2  bad input, a server that cannot be reached, a right that is missing
  3  they differ"""


@bundled
def command(
    stack: Stack,
    *,
    watch: Annotated[
        float | None, typer.Option("--watch", metavar="SECONDS", min=0.1, help="Look this often, and tell what is new.")
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            "--listen", metavar="HOST:PORT", help="Serve metrics for Prometheus there, looking every --watch seconds."
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="What is nobody's here counts as a difference, too.")] = False,
    all_external: External = False,
    ways: reach.Ways,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Compare the live system with the spec, and change nothing."""
    folder = project.find_root(root)
    name = project.load(folder, stack).name

    def once() -> Look:
        spec = project.load(folder, stack)  # again each time: it changes while this runs
        with reach.opened(spec, ways) as sources:
            return look(spec, folder, sources, Words(), explain=False)

    def whole() -> Look:
        found = once()
        refuse_gaps(found, "the rest is not told without it")
        return found

    if listen is not None:
        metrics = Metrics(name)
        with serve(parse_address(listen), metrics):
            while True:
                metrics.look(whole)
                time.sleep(watch or _INTERVAL_SECONDS)
    if watch is not None:
        _watch(whole, watch, as_json)
    found = once()
    if as_json:
        print_json({**record(found), "differs": differs(found, strict)})
    else:
        show(console(), found, all_external=all_external or strict)
    refuse_gaps(found, "what is shown is of the rest", as_json)
    raise typer.Exit(DIFFERS if differs(found, strict) else 0)


def differs(found: Look, strict: bool) -> bool:
    """Whether it does."""
    return bool(found.plan or (strict and (external(found) or found.leftover)))


def lines(found: Look) -> dict[str, str]:
    """Everything that a look tells, by what it is; values are styles."""
    told = {f"{planned.object}  {sentence(planned.change)}": WARN for planned in found.plan}
    told |= {f"ours, and no longer in the spec: {thing}": FAINT for thing in found.leftover}
    return told | {f"external  {one}": FAINT for one in external(found)}


def _watch(once: Callable[[], Look], seconds: float, as_json: bool) -> None:
    """Until it is interrupted. A system that does not answer for a while is told, and looked at again."""
    out, trouble = console(), ""
    before: dict[str, str] | None = None
    while True:
        try:
            found = once()
        except CdcError as error:
            if str(error) != trouble:
                trouble = str(error)
                print(trouble, file=sys.stderr, flush=True)
        else:
            trouble = ""
            now = lines(found)
            if before is None or now != before:
                _tell(out, found, before or {}, now, as_json)
            before = now
        time.sleep(seconds)


def _tell(out: Console, found: Look, before: dict[str, str], now: dict[str, str], as_json: bool) -> None:
    at = time.strftime("%H:%M:%S")
    if as_json:
        print_json({"at": at, "new": [line for line in now if line not in before], "gone": [b for b in before if b not in now]})
        sys.stdout.flush()
        return
    for line, style in now.items():
        if line not in before:
            out.print(styled((f"{at}  ", FAINT), (line, style)), soft_wrap=True)
    for line in before:
        if line not in now:
            out.print(styled((f"{at}  ", FAINT), ("no longer: ", GOOD), (line, FAINT)), soft_wrap=True)
    if not found.plan:
        out.print(styled((f"{at}  ", FAINT), ("the same", GOOD)))
    else:
        out.print(styled((f"{at}  ", FAINT), (f"{len(found.plan):,} differ", BAD)))
