"""``sink-worker schema review | approve | reject``."""

import getpass
import json
from pathlib import Path
from typing import Annotated

import typer

from sink_worker.evolution.store import Review
from sink_worker.logs import set_up_logs
from sink_worker.settings import Settings
from sink_worker.settings_file import load_settings

schema = typer.Typer(no_args_is_help=True, help="Breaking schema changes that wait for a person.")
Config = Annotated[Path | None, typer.Option("--config", "-c", help="Settings, JSON or TOML; SINK_… variables win over it.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on the standard output.")]
By = Annotated[str, typer.Option("--by", help="Who decides; the system's user when left out.", default_factory=getpass.getuser)]
Number = Annotated[int, typer.Argument(help="The review's number.")]


@schema.command("review")
def review(
    number: Annotated[int | None, typer.Argument(help="Only this one.")] = None,
    config: Config = None,
    everything: Annotated[bool, typer.Option("--all", help="Decided ones, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what waits: the change, what approving would run, and how many events wait. Exit code 1 when something waits."""
    from sink_worker.evolution.reviews import get, list_pending

    settings = _quiet(config)
    found = [get(settings, number)] if number is not None else list_pending(settings, decided=everything)
    if as_json:
        typer.echo(json.dumps({"reviews": [each.as_json() for each in found]}))
    else:
        typer.echo("\n\n".join(map(_text, found)) or "no schema change waits for a review")
    raise typer.Exit(1 if any(each.status == "pending" for each in found) else 0)


@schema.command("approve")
def approve(
    number: Number,
    by: By,
    config: Config = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without it only what would be run is shown.")] = False,
    note: Annotated[str, typer.Option(help="Why, for the audit.")] = "",
    as_json: AsJson = False,
) -> None:
    """Run the statements that the review shows and release what waited. Exit code 1 when some of it was refused again."""
    from sink_worker.evolution import reviews

    settings = _quiet(config)
    if not yes:
        found = reviews.get(settings, number)
        typer.echo(
            json.dumps({"review": found.as_json(), "applied": False}) if as_json else f"{_text(found)}\n\nadd --yes to approve"
        )
        raise typer.Exit(1)
    done = reviews.approve(settings, number, by=by, note=note)
    counts = ", ".join(f"{name}: {count}" for name, count in done.events.items()) or "no events waited"
    typer.echo(json.dumps(done.as_json()) if as_json else "\n".join([*done.ddl, counts]))
    raise typer.Exit(1 if done.review.waiting else 0)


@schema.command("reject")
def reject(
    number: Number,
    by: By,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the review and with each event that stays out.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Keep the events of that schema out: those that waited and those to come."""
    from sink_worker.evolution import reviews

    done = reviews.reject(_quiet(config), number, by=by, reason=reason)
    typer.echo(json.dumps(done.as_json()) if as_json else f"discarded: {done.events['discarded']}")


def _quiet(config: Path | None) -> Settings:
    settings = load_settings(config)
    set_up_logs(settings.log.model_copy(update={"level": "warning", "format": "console"}))
    return settings


def _text(found: Review) -> str:
    lines = [
        f"review {found.id}: {found.label}, topic {found.topic}: {found.status}, {found.behaviour}, {found.waiting} events wait"
    ]
    for change in found.changes:
        name = f"{change['kind']} {change['column']}".rstrip()
        lines.append(f"  {name}: {change['detail']}")
    lines += [f"  would run: {statement};" for statement in found.ddl] or ["  would run: nothing"]
    if found.decided_by:
        lines.append(f"  {found.status} by {found.decided_by} at {found.decided_at:%Y-%m-%d %H:%M:%S}Z: {found.reason or '-'}")
    return "\n".join(lines)
