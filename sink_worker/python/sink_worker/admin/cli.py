"""``sink-worker admin``: serve the admin API, make a token, describe the API."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from sink_worker.admin.settings import Role
from sink_worker.settings_file import load_settings

admin = typer.Typer(help="The admin API: a process of its own, that lets in only whom it knows.")
Config = Annotated[Path | None, typer.Option("--config", "-c", help="Settings, JSON or TOML; SINK_… variables win over it.")]


@admin.callback(invoke_without_command=True)
def serve(context: typer.Context, config: Config = None) -> None:
    """Serve until SIGTERM or SIGINT. Exit code 2 without authentication, or open to others without TLS."""
    if context.invoked_subcommand is None:
        from sink_worker.admin.serving import serve as serve_until_told

        serve_until_told(load_settings(config))


@admin.command()
def token(
    name: Annotated[str, typer.Argument(help="Whose it is: the audit log names it so.")],
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.VIEWER,
    days: Annotated[int, typer.Option(min=1, help="How long it is good.")] = 30,
) -> None:
    """Make a token: itself goes to the standard error, once; its entry for the file of tokens to the standard output."""
    from sink_worker.admin.authentication import digest_of, new_token

    made = new_token()
    until = (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")
    typer.echo(made, err=True)
    typer.echo(json.dumps({"name": name, "role": role.value, "sha256": digest_of(made).hex(), "expires": until}))


@admin.command()
def openapi() -> None:
    """Print the API's description (OpenAPI 3.1), as docs/admin-api.openapi.json has it."""
    from sink_worker.admin.description import openapi_text

    typer.echo(openapi_text(), nl=False)
