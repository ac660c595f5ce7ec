"""The command ``sink-worker``: run, check-config, replay, inspect.

Exit codes: 0 done; 1 failed, or (inspect, replay) something needs attention; 2 refused settings or arguments.
"""

import json
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from confluent_kafka import KafkaException
from psycopg import Error as PostgresError

from sink_worker.admin.cli import admin
from sink_worker.dlq_processor.cli import dlq
from sink_worker.errors import SinkError, public_message
from sink_worker.evolution.commands import schema
from sink_worker.settings import Settings
from sink_worker.settings_file import load_settings, settings_schema

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Debezium events into PostgreSQL, exactly once in effect.",
                  pretty_exceptions_enable=False)  # fmt: skip
app.add_typer(dlq, name="dlq")
app.add_typer(admin, name="admin")
app.add_typer(schema, name="schema")
Config = Annotated[Path | None, typer.Option("--config", "-c", help="Settings, JSON or TOML; SINK_… variables win over it.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on the standard output.")]


@app.command()
def run(config: Config = None) -> None:
    """Move events until SIGTERM or SIGINT."""
    from sink_worker.run import run_worker

    raise typer.Exit(run_worker(load_settings(config), None if config is None else str(config)))


@app.command("check-config")
def check_config(
    config: Config = None,
    connect: Annotated[bool, typer.Option(help="Ask Kafka, registry, PostgreSQL and Redis too.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of the settings and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say whether the settings can be used; every problem at once."""
    if schema:
        typer.echo(json.dumps(settings_schema(), indent=2))
        return
    settings = load_settings(config)
    problems: list[str] = []
    if connect:
        from sink_worker.reachability import check_reachability

        problems = check_reachability(settings)
    _say({"ok": not problems, "problems": problems}, as_json, "\n".join(problems) or "the settings are good")
    raise typer.Exit(1 if problems else 0)


@app.command()
def inspect(config: Config = None, as_json: AsJson = False) -> None:
    """Show offsets, lag, refused events and the outbox. Exit code 1 when events are refused or a partition is lost."""
    from sink_worker.inspection import inspect_pipeline, show

    report = inspect_pipeline(_quiet(config))
    if as_json:
        typer.echo(json.dumps(report.as_json()))
    else:
        show(report)
    raise typer.Exit(1 if report.needs_attention else 0)


@app.command()
def replay(
    config: Config = None,
    topic: Annotated[list[str] | None, typer.Option(help="Only refused events of this topic; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 1_000_000,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be replayed.")] = False,
    discard: Annotated[bool, typer.Option("--discard", help="Give the refused events up instead of applying them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Apply refused events again, in order, each only while nothing newer of its row was written."""
    from sink_worker.replay import Replay

    counts = Replay(_quiet(config)).run(topics=topic, limit=limit, dry_run=dry_run, discard=discard, progress=not as_json)
    text = ", ".join(f"{name}: {count}" for name, count in counts.items())
    _say(counts, as_json, text)
    raise typer.Exit(1 if counts["failed"] or counts["undecided"] else 0)


@app.command()
def reveal(
    token: Annotated[list[str] | None, typer.Argument(help="Tokens; read from the standard input when left out.")] = None,
    config: Config = None,
) -> None:
    """Turn tokens of masked columns back into their values, one a line. Needs the masking key."""
    from sink_worker.masking import Masking

    masking = Masking(load_settings(config).masking)
    failed = False
    for one in token or (line.strip() for line in sys.stdin):
        try:
            typer.echo(masking.reveal(one))
        except ValueError as error:
            failed = True
            typer.echo(f"{one}: {error}", err=True)
    raise typer.Exit(1 if failed else 0)


def _quiet(config: Path | None) -> Settings:
    from sink_worker.logs import set_up_logs

    settings = load_settings(config)
    set_up_logs(settings.log.model_copy(update={"level": "warning", "format": "console"}))
    return settings


def _say(value: dict[str, Any], as_json: bool, text: str) -> None:
    typer.echo(json.dumps(value) if as_json else text)


def main() -> None:
    """The console script: a user's mistake or a broken environment ends with a message, not with a traceback.

    SIGPIPE stays ignored, as Python has it: a probe that hangs up early, or a server that closes its connection, is an error of
    that connection and must not end the process.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until there is something to drain
    try:
        app()
    except SinkError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
    except (PostgresError, KafkaException, OSError) as error:
        structlog.get_logger("sink_worker").debug("failed", exc_info=error)
        sys.stderr.write(f"{public_message(error)}\n")
        sys.exit(1)
