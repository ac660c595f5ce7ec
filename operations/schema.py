"""``cdc schema``: the JSON Schema of a stack file, for editors and for other programs."""

import json
from pathlib import Path
from typing import Annotated

import typer

from operations.errors import cannot_write
from operations.stack_schema import stack_schema

EPILOG = """\b
Examples:
  cdc schema                                to standard output
  cdc schema -o docs/schema/stack.schema.json

The comment line at the top of each stack file makes editors use the latter.

\b
Exit codes:
  0  written
  2  the file cannot be written"""


def command(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it here instead of to standard output.")
    ] = None,
) -> None:
    """Print the JSON Schema (2020-12) of Pulumi.<stack>.yaml."""
    text = schema_text()
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise cannot_write(output, error) from None


def schema_text() -> str:
    """Exactly what is committed as ``docs/schema/stack.schema.json``."""
    return json.dumps(stack_schema(), indent=2, ensure_ascii=False) + "\n"
