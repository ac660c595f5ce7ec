"""``sink-worker dlq …``: the processor, its state, and the corrections by hand."""

import json
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sink_worker.errors import FatalError, SinkError
from sink_worker.settings import Settings
from sink_worker.settings_file import load_settings

if TYPE_CHECKING:
    from sink_worker.dlq_processor.processor import Processor

dlq = typer.Typer(no_args_is_help=True, help="Refused events: tried again, corrected by hand, or archived.")
Config = Annotated[Path | None, typer.Option("--config", "-c", help="Settings, JSON or TOML; SINK_… variables win over it.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on the standard output.")]


@dlq.command()
def run(
    config: Config = None,
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, and end. 1 when events stay open.")] = False,
    as_json: AsJson = False,
) -> None:
    """Process dead letters until SIGTERM or SIGINT: transient ones on their schedule, permanent ones into the archive."""
    settings = load_settings(config)
    if not once:
        _serve(settings)
        return
    with _processor(_quiet(settings)) as processor, _bar("dead letters", None, as_json) as advance:
        counts = processor.turn(advance)
        waiting = sum(group.count for group in processor.store.summary(processor.open()).groups)
    _say({**counts, "open": waiting}, as_json)
    raise typer.Exit(1 if waiting else 0)


@dlq.command()
def status(config: Config = None, as_json: AsJson = False) -> None:
    """What waits, by table, class and reason, and what was put away. Exit code 1 when something waits."""
    from sink_worker.dlq_processor.status import look, show, summary_as_json

    summary = look(_quiet(load_settings(config)))
    if as_json:
        typer.echo(json.dumps(summary_as_json(summary)))
    else:
        show(summary)
    raise typer.Exit(1 if summary.groups else 0)


@dlq.command("list")
def list_events(
    config: Config = None,
    table: Annotated[str | None, typer.Option(help="schema.table")] = None,
    as_json: AsJson = False,
) -> None:
    """The events that wait, one a line: id, class, reason, tries, place. Never a value of a row."""
    from sink_worker.dlq_processor.kinds import kind_of

    settings = _quiet(load_settings(config))
    with _processor(settings) as processor:
        for event in processor.store.pages(processor.open(), None, table):
            place = event.topic if event.event is None else f"{event.topic}[{event.event.partition}]@{event.event.offset}"
            told = {"id": event.id, "class": kind_of(event.error_class, settings.dlq_processor).value,
                    "error_type": event.error_class, "attempts": event.attempts, "place": place}  # fmt: skip
            typer.echo(json.dumps(told) if as_json else "\t".join(str(value) for value in told.values()))


@dlq.command("export")
def export_sheet(
    table: Annotated[str, typer.Option(help="schema.table")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File for the CSV; it holds values of rows.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Write the events of a table whose values do not fit, for correction. Exit code 1 when some cannot be shown."""
    with _processor(_quiet(load_settings(config))) as processor, _bar("export", None, as_json) as advance:
        found = processor.correcting.export(processor.open(), table, advance)
    with open(output, "w", encoding="utf-8", newline="", opener=_private) as file:
        file.write(found.text)
    for identity, why in found.left_out.items():
        typer.echo(f"event {identity} is left out: {why}", err=True)
    _say({"exported": found.events, "left out": len(found.left_out)}, as_json)
    raise typer.Exit(1 if found.left_out else 0)


@dlq.command("import")
def import_sheet(
    file: Annotated[Path, typer.Argument(help="The corrected CSV.")],
    config: Config = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only compare the sheet with the events.")] = False,
    as_json: AsJson = False,
) -> None:
    """Apply a corrected sheet. 2 when it is refused (nothing was written), 1 when PostgreSQL refused some of its lines."""
    settings = _quiet(load_settings(config))
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SinkError(f"{file}: cannot be read ({error}); name the CSV that was corrected, in UTF-8") from error
    with _processor(settings) as processor, _bar("import", max(text.count("\n") - 1, 0), as_json) as advance:
        result = processor.correcting.import_(processor.open(), text, dry_run=dry_run, advance=advance)
    for line in result.refused:
        typer.echo(line, err=True)
    _say(dict(result.counts), as_json)
    raise typer.Exit(1 if result.refused else 0)


@dlq.command()
def archive(
    identities: Annotated[list[int], typer.Argument(metavar="ID...", help="As `dlq list` and the admin API name them.")],
    reason: Annotated[str, typer.Option(help="Why they are given up.")] = "by hand",
    restore: Annotated[bool, typer.Option("--restore", help="The other way: open archived events again.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Give events up, keeping them in the archive; or take them out of it. Exit code 1 when one was not there."""
    counts: Counter[str] = Counter()
    with _processor(_quiet(load_settings(config))) as processor:
        store, connection = processor.store, processor.open()
        for identity in identities:
            done = (
                store.restore(connection, identity) if restore else store.archive(connection, identity, reason, "command line")
            )
            counts["done" if done else "not there"] += 1
    _say(dict(counts), as_json)
    raise typer.Exit(1 if counts["not there"] else 0)


def _serve(settings: Settings) -> None:
    from prometheus_client import generate_latest

    from sink_worker.dlq_processor.processor import Processor
    from sink_worker.health import HttpServer, Probes, Report
    from sink_worker.logs import set_up_logs
    from sink_worker.settings import HttpSettings

    set_up_logs(settings.log, worker_id=settings.worker_id, component="dlq")
    processor, stop, own = Processor(settings), threading.Event(), settings.dlq_processor
    metrics = processor.metrics

    def report() -> Report:
        return Report([] if metrics.healthy else ["PostgreSQL or Kafka does not answer"])

    try:
        server = HttpServer(HttpSettings(host=own.host, port=own.port),
                            Probes(Report, report, lambda: generate_latest(metrics.registry)))  # fmt: skip
    except OSError as error:
        message = f"dlq_processor: cannot listen on {own.host}:{own.port} ({error.strerror}); set dlq_processor.port"
        raise FatalError(message) from error
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server.start()
    try:
        processor.run(stop)
    finally:
        server.close()


@contextmanager
def _processor(settings: Settings) -> "Iterator[Processor]":
    from sink_worker.dlq_processor.processor import Processor

    processor = Processor(settings)
    try:
        yield processor
    finally:
        processor.close()


@contextmanager
def _bar(name: str, total: int | None, quiet: bool) -> Iterator[Callable[[], None]]:
    from sink_worker.progress import progress_bar

    with progress_bar(name, total, wanted=not quiet) as advance:
        yield advance


def _private(path: str, flags: int) -> int:
    """Rows are nobody else's to read."""
    import os

    return os.open(path, flags, 0o600)


def _quiet(settings: Settings) -> Settings:
    from sink_worker.logs import set_up_logs

    set_up_logs(settings.log.model_copy(update={"level": "warning", "format": "console"}))
    return settings


def _say(value: dict[str, Any], as_json: bool) -> None:
    text = ", ".join(f"{name}: {count}" for name, count in value.items()) or "nothing to do"
    sys.stdout.write((json.dumps(value) if as_json else text) + "\n")
