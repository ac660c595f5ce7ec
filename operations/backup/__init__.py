"""``cdc backup``: backups of a running environment made, judged, listed and restored."""

import typer

from operations.backup.commands import create_command, list_command, restore_command, verify_command

EPILOG = """\b
In a backup: configuration of all topics, records of those that backup.data
names, where groups stand, ACLs, names of SCRAM users, schemas with their
ids, connectors with their positions, quotas, the names of secrets, and the
spec where it is at hand. No secret is in it, and no password's hash: Kafka
gives none.

\b
Examples:
  cdc backup create prod --kafka-config prod.properties --key-file key \\
    --registry https://haproxy:8081 --connect http://connect-0:8083
  cdc backup verify prod --key-file key
  cdc backup restore prod --kafka-config empty.properties --key-file key …

\b
Exit codes:
  0  done; whole
  2  bad input, no answer, another key, or a target that is in use
  3  a backup is not whole; list: or there is none"""

app = typer.Typer(
    name="backup",
    add_completion=False,
    help="Backups of a running environment.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=EPILOG,
)
app.command("create", epilog=EPILOG)(create_command)
app.command("verify", epilog=EPILOG)(verify_command)
app.command("restore", epilog=EPILOG)(restore_command)
app.command("list", epilog=EPILOG)(list_command)
