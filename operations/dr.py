"""``cdc dr``: how far a standby is behind, and whether it could take over now."""

import enum
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from components.core.errors import CdcError
from components.core.quantities import format_duration
from operations import project
from operations.mirror_status import MirrorStatus, Readiness
from operations.options import Json, Root, Stack
from operations.terminal import BAD, FAINT, GOOD, STRONG, console, print_json

NOT_WITHIN = 3
_TOPICS_SHOWN = 10

EPILOG = """\b
Ask the standby's stack: the one with mirrorMaker. Each side is reached with a
file of librdkafka's settings, such as
  bootstrap.servers=127.0.0.1:9093
  security.protocol=SASL_SSL
  sasl.mechanism=SCRAM-SHA-512
for a user that may describe topics and groups and read what is mirrored.
Nothing is written or committed.

\b
Examples:
  cdc dr status prod-dr --source-config prod.properties \\
    --standby-config prod-dr.properties
  cdc dr status prod-dr … --watch 5     again every five seconds
  cdc dr failover-check prod-dr --standby-config prod-dr.properties

\b
Exit codes:
  0  no more than the RPO would be lost; the standby can take over
  2  bad input, or a standby that does not answer
  3  more than the RPO would be lost, or the source does not answer;
     the standby cannot take over"""


class Action(enum.StrEnum):
    """What to look at."""

    status = "status"
    failover_check = "failover-check"


def command(
    action: Annotated[Action, typer.Argument(help="status: how far behind; failover-check: could it take over now?")],
    stack: Stack,
    source_config: Annotated[
        Path | None, typer.Option("--source-config", metavar="FILE", help="Settings of a client of the source.")
    ] = None,
    standby_config: Annotated[
        Path | None, typer.Option("--standby-config", metavar="FILE", help="Settings of a client of the standby.")
    ] = None,
    watch: Annotated[
        float | None, typer.Option("--watch", metavar="SECONDS", min=0.1, help="Ask again and again (status).")
    ] = None,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Measure a standby against its RPO."""
    from operations.live.kafka import Cluster, read_settings
    from operations.live.mirror import observe_readiness, observe_status

    spec = project.load(project.find_root(root), stack)
    mirror = spec.mirror_maker
    if mirror is None:
        raise CdcError(f"{spec.name}: mirrors no other environment\n      → name the standby, whose spec has mirrorMaker")
    settings = read_settings(_needed(standby_config, "--standby-config"))
    with Cluster(spec.name, settings) as standby:
        if action is Action.failover_check:
            checks = observe_readiness(spec, standby)
            _show_readiness(spec.name, checks, as_json)
            raise typer.Exit(NOT_WITHIN if any(check.problem for check in checks) else 0)
        with Cluster(mirror.source.environment, read_settings(_needed(source_config, "--source-config"))) as source:
            while True:
                status = observe_status(spec, mirror, source, standby)
                _show_status(spec.name, mirror.source.environment, status, as_json)
                if watch is None:
                    raise typer.Exit(0 if status.within else NOT_WITHIN)
                time.sleep(watch)


def _needed(file: Path | None, option: str) -> Path:
    if file is None:
        raise CdcError(f"{option} is missing\n      → name a file of librdkafka's settings; cdc dr --help shows one")
    return file


def _show_status(standby: str, source: str, status: MirrorStatus, as_json: bool) -> None:
    if as_json:
        print_json(status_record(standby, source, status))
        return
    out = console()
    if status.behind is None:
        _verdict(
            out, False, f"{source} does not answer: what it wrote after {_time(status.complete_until)} may not be in {standby}"
        )
    else:
        text = f"{standby} is {_seconds(status.behind)} behind {source} (RPO {format_duration(status.rpo)})"
        _verdict(out, status.within, text)
    for topic in (status.lag or ())[:_TOPICS_SHOWN]:
        if topic.records:
            out.print(Text(f"  {topic.topic}: {topic.records:,} records, {_seconds(topic.milliseconds)}", FAINT))
    out.print(Text(f"  newest mirrored record: {_time(status.complete_until)}", FAINT))
    if status.alive_at is not None:
        out.print(Text(f"  MirrorMaker's last sign of life: {_time(status.alive_at)}", FAINT))


def status_record(standby: str, source: str, status: MirrorStatus) -> dict[str, Any]:
    """For a machine; times are UTC, durations seconds."""
    return {
        "standby": standby,
        "source": source,
        "within": status.within,
        "rpoSeconds": status.rpo / 1000,
        "behindSeconds": None if status.behind is None else status.behind / 1000,
        "completeUntil": _time(status.complete_until),
        "aliveAt": _time(status.alive_at),
        "topics": None
        if status.lag is None
        else [
            {"topic": lag.topic, "partitions": lag.partitions, "records": lag.records, "seconds": lag.milliseconds / 1000}
            for lag in status.lag
        ],
    }


def _show_readiness(standby: str, checks: list[Readiness], as_json: bool) -> None:
    problems = [check for check in checks if check.problem]
    if as_json:
        found = [{"what": check.what, "ready": not check.problem, "problem": check.problem or None} for check in checks]
        print_json({"standby": standby, "ready": not problems, "checks": found})
        return
    out = console()
    text = (
        f"{standby} can take over" if not problems else f"{standby} cannot take over: {len(problems)} of {len(checks)} missing"
    )
    _verdict(out, not problems, text)
    for check in problems:
        out.print(Text.assemble("  ", (check.what, STRONG), f" {check.problem}"))


def _verdict(out: Console, good: bool, text: str) -> None:
    out.print(Text.assemble(("✓ " if good else "✗ ", GOOD if good else BAD), text))


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.1f} s"


def _time(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
