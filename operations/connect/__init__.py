"""``cdc connect``: connectors planned, applied, and switched from one colour to the other, on docker and on Kubernetes."""

import typer

from operations.connect.commands import apply_command, plan_command, switch_command

EPILOG = """\b
Examples:
  cdc connect plan dev                     what the active colour lacks
  cdc connect apply dev                    make and change it
  cdc connect switch dev                   what a switch would do
  cdc connect switch dev --to green --yes  do it

\b
Exit codes:
  0  done, or nothing to do
  1  a connector is refused or does not run, or Connect, its operator or the
     API server does not answer
  2  bad input
  3  plan, switch without --yes: there is something to do"""

app = typer.Typer(
    name="connect",
    add_completion=False,
    help="Connectors of Kafka Connect, blue and green.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=EPILOG,
)
app.command("plan")(plan_command)
app.command("apply")(apply_command)
app.command("switch")(switch_command)
