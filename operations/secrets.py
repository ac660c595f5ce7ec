"""``cdc secrets``: the files of secrets that containers read, from Vault or made up."""

import enum
from pathlib import Path
from typing import Annotated

import typer

from components.core.errors import CdcError
from components.environment import EnvironmentSpec
from operations import project
from operations.bundles import bundled
from operations.options import Json, Root, Stack
from operations.terminal import FAINT, GOOD, console, count, print_json, styled
from operations.vault_way import Way, opened

EPILOG = """\b
Each workload's secrets are read as that workload, so the token needs no more
than the policy cdc-<stack>-pull. Certificates are issued where they are
missing, and renewed when their time comes; what is there and good is kept.
Run it again from a timer. Vault is found and entered as by cdc vault.

For development no Vault is needed: make writes a password wherever one is
missing, with a certificate and a token (DIR/sink-admin.token) for the sink's
admin API, and leaves what is there. pulumi up does the same by itself.

\b
Examples:
  cdc secrets pull stage --to /etc/cdc/secrets
  cdc secrets pull stage --to secrets --owner 1000:1000
  cdc secrets make dev

\b
Exit codes:
  0  every file is there
  2  bad input; Vault cannot be reached or refuses; a key is missing: nothing
     was written"""


class Action(enum.StrEnum):
    """What to do."""

    pull = "pull"
    make = "make"


def _owner(text: str) -> tuple[int, int]:
    uid, _, gid = text.partition(":")
    if not uid.isdigit() or not (gid or uid).isdigit():
        raise typer.BadParameter(f"{text!r} is no owner; write numbers, such as 1000:1000")
    return int(uid), int(gid or uid)


@bundled
def command(
    action: Annotated[Action, typer.Argument(help="pull: from Vault. make: make up passwords, for development.")],
    stack: Stack,
    *,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", help="Where to. Default: what CDC_SECRETS_DIR names, or secrets in the project."),
    ] = None,
    owner: Annotated[
        str | None,
        typer.Option("--owner", metavar="UID:GID", help="Whose the files are. Default, for root: each container's user."),
    ] = None,
    way: Way,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Write the secrets of every container on this machine."""
    from components.development.secrets import secrets_folder
    from operations.secret_files import gather, write

    own, project_folder = None if owner is None else _owner(owner), project.find_root(root)
    spec = project.load(project_folder, stack)
    folder = secrets_folder(project_folder) if to is None else to
    if spec.target != "docker":
        raise CdcError(
            f"{spec.name} runs on Kubernetes, where the external-secrets operator does this\n      → see docs/vault.md"
        )
    if action is Action.make:
        _made_up(spec, folder, as_json)
        return
    with opened(spec, way) as vault:
        vault.check_open()
        pulled = gather(spec, vault, folder, vault.now())
    changed = write(folder, pulled, own)
    left = [f"{each.container}/{name}" for each in pulled for name in each.left]
    if as_json:
        print_json({"stack": spec.name, "action": action.value, "written": changed, "notFromVault": left})
        return
    out = console()
    for name in changed:
        out.print(styled(("+ ", GOOD), name))
    for name in left:
        out.print(styled((f"  {name}: is not from Vault; put it there yourself", FAINT)))
    out.print(styled(("✓ ", GOOD), f"{spec.name}: {count(len(changed), 'file')} written"))


def _made_up(spec: EnvironmentSpec, folder: Path, as_json: bool) -> None:
    from components.development.secrets import make_up

    made = make_up(spec, folder)
    if as_json:
        print_json({"stack": spec.name, "action": Action.make.value, "written": made, "notFromVault": []})
        return
    out = console()
    for name in made:
        out.print(styled(("+ ", GOOD), name))
    out.print(styled(("✓ ", GOOD), f"{spec.name}: {count(len(made), 'file')} made up"))
