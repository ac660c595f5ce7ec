"""``cdc mock``: made-up users and orders for a source, to try a pipeline with."""

import json
import sys
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from operations.mock_data.changes import Change, MockDataError, changes
from operations.mock_data.loading import load
from operations.mock_data.tables import DATABASE, Source, schema
from operations.mock_data.targets import PORTS, Place, connected
from operations.terminal import GOOD, console, count, styled

EPILOG = """\b
Users and their orders: rows come, change in part, are set to NULL and go; on
Cassandra there are also TTLs, logged batches, and deletions of ranges and of
partitions. The same seed makes the same changes. Never point it at a
production database: it writes.

Faker and the drivers are not installed with cdc: pip install cdc-platform[mock]

\b
Examples:
  cdc mock mariadb --events 3 --dry-run
  cdc mock mariadb --host shop-db --user loader --create \\
    --password-file loader.password --events 10000 --rate 500
  cdc mock cassandra --host cassandra-0 --user loader \\
    --password-file loader.password --ca-file ca.pem --create --seed 7

\b
Exit codes:
  0  every change is made
  2  bad input, a package that is missing, a source that cannot be reached, or
     that refuses something"""


def command(
    source: Annotated[Source, typer.Argument(help="The kind of source.")],
    host: Annotated[str | None, typer.Option("--host", help="The source's host.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65_535, help="Its port, when not the usual.")] = None,
    user: Annotated[str, typer.Option("--user", help="A user that may write.")] = "root",
    password_file: Annotated[
        Path | None, typer.Option("--password-file", metavar="FILE", help="The file with that user's password.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option("--ca-file", metavar="FILE", help="The CA of the source's certificate; encrypts.")
    ] = None,
    database: Annotated[str, typer.Option("--database", help="The database or keyspace.")] = DATABASE,
    create: Annotated[bool, typer.Option("--create", help="Make the tables where they are not there.")] = False,
    replicas: Annotated[int, typer.Option("--replicas", min=1, help="Of a keyspace that is made.")] = 1,
    events: Annotated[int, typer.Option("--events", min=0, help="How many changes.")] = 1_000,
    rate: Annotated[float | None, typer.Option("--rate", min=0.1, help="At most so many a second.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="What the data are made up from.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the statements as JSON lines; write nothing.")] = False,
) -> None:
    """Make changes up and write them into a source."""
    if not database.replace("_", "").isalnum():
        raise typer.BadParameter(f"{database!r} is no plain name", param_hint="--database")
    made = islice(changes(source, seed, database), events)
    tables = schema(source, database, replicas) if create else ()
    if dry_run:
        _print(tables, made)
        return
    if host is None:
        raise typer.BadParameter("is needed without --dry-run", param_hint="--host")
    place = Place(host, port or PORTS[source], user, _password(password_file), ca_file)
    done: Counter[str] = Counter()
    with connected(source, place) as target:
        for statement in tables:
            target.execute(statement)
        load(target, made, rate, lambda change: done.update((change.kind,)))
    kinds = ", ".join(f"{amount} {kind}" for kind, amount in sorted(done.items()))
    console().print(styled((f"{count(done.total(), 'change')} made", GOOD), f": {kinds}" if kinds else ""))


def _print(tables: tuple[str, ...], made: "islice[Change]") -> None:
    for statement in tables:
        _print_line({"statement": statement})
    for change in made:
        steps = [{"statement": step.statement, "values": [_plain(value) for value in step.values]} for step in change.steps]
        _print_line({"kind": change.kind, "steps": steps})


def _print_line(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, int | float | str | None) else str(value)


def _password(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise MockDataError(f"{file}: cannot be read: {error}") from error
