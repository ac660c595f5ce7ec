"""Entry point of ``cdc``: global options, and what every verb has in common when something goes wrong."""

import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
import typer.core
from typer.main import get_command as typer_command

from components.core.errors import CdcError, SpecError
from components.core.garbage import collect_rarely
from operations.options import Root

PURE = ("preview", "render", "check", "diff", "promote", "explain", "lineage", "schema", "audit")
LIVE = (
    "adopt",
    "status",
    "plan",
    "apply",
    "drift",
    "schemas",
    "connect",
    "dr",
    "postgres",
    "vault",
    "secrets",
    "backup",
    "mock",
)
"""These talk to servers. One that closes its connection early must be an error that is told, and not the end of ``cdc``."""
VERBS = (*PURE, *LIVE)
EPILOG = """\b
Exit codes:
  0  done, nothing to object to
  1  check, preview, diff: a mandatory rule is broken; schemas: a schema is incompatible;
     promote: refused
  2  bad input: a wrong option, stack or spec, a place that cannot be written, a registry that cannot be reached
  3  diff: the two sides differ; promote: there is something to do; dr: more than the RPO would be lost;
     plan, drift, vault, postgres, connect: the system differs from the spec;
     backup, audit: a backup or the log is not whole

\b
Examples:
  cdc preview prod                  what will be declared, and the verdicts
  cdc render prod                   the same as files under rendered/prod
  cdc check --format sarif          every stack, for a pull request
  cdc diff prod main                what this working copy changes in prod
  cdc explain kafka.brokers         what a field means

Each verb has a --help with examples of its own."""


class VerbGroup(typer.core.TyperGroup):
    """Imports a verb's module when the verb is asked for, so that none waits for another's imports."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in VERBS:
            return None
        if cmd_name not in self.commands:
            module = import_module(f"operations.{cmd_name}")
            self.commands[cmd_name] = typer_command(getattr(module, "app", None) or _single(cmd_name, module))
        return self.commands[cmd_name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in VERBS:
            for verb in VERBS:  # the suggestions for a misspelt verb come from the loaded ones
                self.get_command(ctx, verb)
        return super().resolve_command(ctx, args)

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        arguments = list(sys.argv[1:] if args is None else args)
        try:
            return super().main(arguments, *rest, **extra)
        except CdcError as error:
            _report(error, as_json="--json" in arguments)
            sys.exit(error.exit_code)
        except Exception as error:
            _report_bug(error)
            sys.exit(70)  # EX_SOFTWARE of sysexits.h: neither a verdict nor the user's mistake


def _single(name: str, module: Any) -> typer.Typer:
    """A verb that is one command; a module with several has an ``app`` of its own."""
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name, epilog=module.EPILOG)(module.command)
    return single


app = typer.Typer(
    cls=VerbGroup,
    name="cdc",
    help="One typed spec per environment becomes a whole change-data-capture platform.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        import importlib.metadata

        typer.echo(f"cdc {importlib.metadata.version('cdc-platform')}")
        raise typer.Exit


@app.callback()
def _global_options(
    root: Root = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Takes the options that stand before the verb; :data:`Root` reads them from the context."""


def _report(error: CdcError, as_json: bool) -> None:
    """The whole message to stderr; for a machine the same on stdout, where it looks for an answer."""
    if as_json:
        problems = error.problems if isinstance(error, SpecError) else ()
        found = [{"path": p.path, "line": p.line, "message": p.message, "remedy": p.remedy} for p in problems]
        typer.echo(json.dumps({"error": str(error), "problems": found}, indent=2, ensure_ascii=False))
    typer.echo(str(error), err=True)


def _report_bug(error: Exception) -> None:
    if os.environ.get("CDC_DEBUG"):
        traceback.print_exception(error)
    typer.echo(f"This is a bug in cdc, not in your spec: {type(error).__name__}: {error}", err=True)
    if not os.environ.get("CDC_DEBUG"):
        typer.echo("      → run it again with CDC_DEBUG=1 and report what it prints", err=True)


def main() -> None:
    """Runs ``cdc``. A closed pipe ends a verb that talks to nobody silently, as any Unix tool; Ctrl-C ends it with 130."""
    collect_rarely()
    if next((argument for argument in sys.argv[1:] if argument in VERBS), None) in PURE:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    app(prog_name="cdc")
