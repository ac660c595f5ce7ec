"""``cdc apply``: bring the live system to the spec, as it was planned."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from components.core.errors import CdcError
from components.environment import EnvironmentSpec
from operations import project
from operations.audit_log import audited, who
from operations.bundles import bundled
from operations.live import reach
from operations.live.apply import Applier, Progress, settled, still_different
from operations.live.ledger import leased
from operations.live.observe import Sources
from operations.live.plan import Words
from operations.live.report import planned_record, record, sentence, show
from operations.live.session import Look, look
from operations.live.words import DeleteOption, Reason, RemapKeys, check_same, load_saved, read_words
from operations.options import AuditFile, Json, Root, Stack
from operations.plan import DIFFERS, refuse_gaps
from operations.terminal import STRONG, WARN, console, count, print_json, styled

EPILOG = """\b
What is planned is made in order, up to the first change that fails; the same
again goes on from there. A saved plan is refused when the spec or the system
has changed since. Two that apply one environment at once: one is refused.

\b
Examples:
  cdc apply dev --yes
  cdc apply prod plan.json --kafka-config admin.properties
  cdc apply prod --yes --kafka-config admin.properties --secrets passwords/

\b
Exit codes:
  0  the system is as the spec says
  2  bad input, refused, or a change that failed: what was made is said
  3  without --yes: there is something to do; with it: what is left is
     somebody else's to do"""

_TELL_SECONDS = 0.2
_SEEN_SECONDS = 30

Yes = Annotated[bool, typer.Option("--yes", help="Do it; without it, or a saved plan, only what would be done is shown.")]


@bundled
def command(
    stack: Stack,
    *,
    plan: Annotated[Path | None, typer.Argument(metavar="PLAN", help="A plan that cdc plan --out has saved.")] = None,
    yes: Yes = False,
    delete: DeleteOption = None,
    reason: Reason = None,
    remap_keys: RemapKeys = None,
    secrets: Annotated[
        Path | None, typer.Option("--secrets", metavar="DIR", help="Folder with <user>.password files, for users to be made.")
    ] = None,
    patience: Annotated[
        float, typer.Option("--patience", metavar="SECONDS", min=1, help="How long a connector may take to run.")
    ] = 60,
    ways: reach.Ways,
    audit_log: AuditFile = None,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Make and change what differs, in order, and look again."""
    folder = project.find_root(root)
    spec = project.load(folder, stack)
    words, prints = read_words(delete, reason, remap_keys), None
    if plan is not None:
        if words != Words():
            raise CdcError("a saved plan has its own words\n      → leave --delete and --remap-keys out, or plan again")
        words, prints = load_saved(plan, spec.name)
    acts = yes or plan is not None
    with reach.opened(spec, ways, patience, acts=acts) as sources:
        if not acts:
            _only_show(look(spec, folder, sources, words), as_json)
        with leased(sources.kafka, sources.settings, spec.name, who(folder)) as ledger:
            found = look(spec, folder, sources, words)
            refuse_gaps(found, "nothing was changed")
            if plan is not None and prints is not None:
                check_same(plan, prints, found)
            refuse(found)
            with audited(folder, spec.name, "apply", audit_log) as log:
                Applier(spec, sources, ledger, log, secrets, patience, _teller()).run(found)
            after = _after(spec, folder, sources, found)
    _report(found, after, as_json)


def refuse(found: Look) -> None:
    """Nothing at all is changed where anything must not be."""
    if found.refused:
        lines = [f"{one.object}: {sentence(one.change)}: {one.why}\n      → {one.remedy}" for one in found.refused]
        raise CdcError("\n".join([f"{len(found.refused)} refused; nothing was changed:", *lines]))


def _only_show(found: Look, as_json: bool) -> None:
    if as_json:
        print_json({**record(found), "applied": False})
    else:
        show(console(), found)
        if found.plan:
            console().print(styled(("nothing was changed; --yes does it", WARN)))
    refuse_gaps(found, "the plan is of the rest", as_json)
    raise typer.Exit(DIFFERS if found.plan else 0)


def _after(spec: EnvironmentSpec, folder: Path, sources: Sources, found: Look) -> Look:
    """How it is then. What was taken is seen a moment later; what is not is told."""
    if not found.to_make:
        return found
    after = settled(lambda: look(spec, folder, sources, found.words, explain=False), _SEEN_SECONDS)
    refuse_gaps(after, f"all of what was planned ({count(len(found.to_make), 'change')}) was made")
    if after.to_make:
        raise still_different(after)
    return after


def _report(found: Look, after: Look, as_json: bool) -> None:
    made = found.to_make
    if as_json:
        changes = [planned_record(planned) for planned in made]
        left = [planned_record(planned) for planned in after.manual]
        print_json({"stack": found.wanted.environment, "applied": True, "changes": changes, "left": left})
    else:
        out = console()
        for planned in made:
            out.print(styled((str(planned.object), STRONG), f"  {sentence(planned.change)}"), soft_wrap=True)
        if after.manual:
            show(out, after)
        out.print(styled((f"{count(len(made), 'change')} made" if made else "nothing to do", STRONG)))
    raise typer.Exit(DIFFERS if after.manual else 0)


def _teller() -> Progress:
    """Tells a person how far it is, a few times a second at most."""
    told = 0.0

    def tell(done: int, total: int, last: str) -> None:
        nonlocal told
        now = time.monotonic()
        if sys.stderr.isatty() and (now - told >= _TELL_SECONDS or done == total):
            told = now
            sys.stderr.write(f"\r\033[K{done:,} of {total:,}  {last}" + ("\n" if done == total else ""))
            sys.stderr.flush()

    return tell
