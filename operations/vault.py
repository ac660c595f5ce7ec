"""``cdc vault``: bring a live Vault to the spec, and say what is missing in it."""

import difflib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from operations import project
from operations.audit_log import audited
from operations.bundles import bundled
from operations.options import AuditFile, Json, Root, Stack
from operations.source_options import SourceOptions
from operations.terminal import BAD, FAINT, GOOD, STRONG, WARN, console, count, print_json, styled
from operations.vault_way import KafkaAdministrator, Way, opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from components.environment import EnvironmentSpec
    from operations.live.kafka_passwords import KafkaPasswords
    from operations.login_report import Restart

DIFFERS = 3

EPILOG = """\b
Vault is found by --address, VAULT_ADDR or the spec; trusted by --ca-file or
VAULT_CACERT; entered with VAULT_TOKEN, --token-file or the file that
vault login writes. No token is taken on the command line.

\b
Examples:
  cdc vault plan prod            what differs, and which keys are missing
  cdc vault apply prod --yes     bring it to the spec
  cdc vault plan prod --json     for a machine
  cdc vault rotate prod --yes --postgres-config admin.conf
  cdc vault rotate prod --yes --source-config sources.cnf

\b
Exit codes:
  0  Vault is what the spec says
  1  rotate: a connector that was started again does not run, or Connect does
     not answer; run the same again
  2  bad input; a Vault that is sealed, cannot be reached, refuses the token,
     or holds something of that name that is somebody else's
  3  plan, or apply without --yes: something differs; a key is missing that
     only a person can write"""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Bring a live Vault to the spec.",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Yes = Annotated[bool, typer.Option("--yes", help="Do it; without it, only what would be done is shown.")]


@app.callback()
def _group(root: Root = None) -> None:
    """Takes the options that stand before the verb."""


@app.command("plan", epilog=EPILOG)
@bundled
def plan_command(
    stack: Stack,
    *,
    way: Way,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Show what differs, and change nothing."""
    _run(stack, way, root, as_json, yes=False)


@app.command("apply", epilog=EPILOG)
@bundled
def apply_command(
    stack: Stack,
    *,
    yes: Yes = False,
    reviewer_token_file: Annotated[
        Path | None,
        typer.Option("--reviewer-token-file", metavar="FILE", help="A token of vault-token-reviewer, for an external Vault."),
    ] = None,
    way: Way,
    audit_log: AuditFile = None,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Make what differs equal. Secrets that people write are never read, changed or deleted."""
    _run(stack, way, root, as_json, yes=yes, reviewer=reviewer_token_file, audit_log=audit_log)


@app.command("rotate", epilog=EPILOG)
@bundled
def rotate_command(
    stack: Stack,
    *,
    yes: Yes = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="PATH", help="This path in Vault, however fresh; may be repeated.")
    ] = None,
    postgres_config: Annotated[
        Path | None,
        typer.Option("--postgres-config", metavar="FILE", help="libpq's settings of a role that may change passwords."),
    ] = None,
    kafka: KafkaAdministrator,
    sources: SourceOptions,
    way: Way,
    audit_log: AuditFile = None,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Give old passwords their successors. No client that is connected, or connects, is refused."""
    from components.vault.rotation import Login
    from components.vault.source_rotation import SourceLogin
    from operations import vault_rotate
    from operations.live.postgres_roles import PostgresServers, read_settings
    from operations.live.told import Servers
    from operations.login_report import restarts

    folder = project.find_root(root)
    spec = project.load(folder, stack)
    done: list[str] = []
    with opened(spec, way) as vault:
        vault.check_open()
        now = vault.now()
        found = vault_rotate.observe(spec, vault, now, only or ())
        due = [finding for finding in found if finding.state == "due"]
        if yes and due:
            logins = [login for finding in due for logins in finding.rotated.keys.values() for login in logins]
            brokers = _brokers(spec, kafka) if any(finding.rotated.kafka for finding in due) else None
            with (
                PostgresServers(logins, read_settings(postgres_config)) as servers,
                audited(folder, spec.name, "vault rotate", audit_log) as log,
            ):
                told = Servers({Login: servers, SourceLogin: sources.servers()})
                done = vault_rotate.rotate(vault, told, found, now, log, brokers)
        held = [finding for finding in found if finding.state == "restart"]
        if yes and held:
            with audited(folder, spec.name, "vault rotate", audit_log) as log:
                sources.restart(spec, vault, [finding.rotated for finding in held], log, quiet=as_json)
            found = [replace(finding, state="read") if finding in held else finding for finding in found]
    _show_rotation(spec.name, found, done, restarts(spec, found, done, now), as_json)
    unfinished = [finding for finding in found if finding.state in {"missing", "settling"}]
    if ((due or held) and not yes) or unfinished:
        raise typer.Exit(DIFFERS)


_STATES = {
    "due": ("due", WARN),
    "fresh": ("fresh", FAINT),
    "settling": ("was written lately: clients may not have fetched it yet; rotate it later", WARN),
    "missing": ("is not in Vault; write it first", BAD),
    "restart": ("to be read anew by its connectors: --yes starts them again", WARN),
    "read": ("read anew by its connectors", GOOD),
}


def _brokers(spec: "EnvironmentSpec", kafka: KafkaAdministrator) -> "KafkaPasswords":
    """Where Kafka's users are given their passwords."""
    from operations.live.kafka_passwords import KafkaPasswords
    from operations.live.reach import kafka_settings, own_settings

    settings = own_settings(spec) if kafka.config is None else kafka_settings(kafka.config, kafka.password)
    return KafkaPasswords(spec.name, settings)


def _show_rotation(stack: str, found: Any, done: list[str], restarts: "Mapping[str, Restart]", as_json: bool) -> None:
    if as_json:
        entries = [
            {
                "path": finding.path,
                "keys": sorted(finding.rotated.keys),
                "state": "rotated" if finding.path in done else finding.state,
                "rotatedAt": None if finding.since is None else finding.since.isoformat(),
                **(restarts[finding.path].record() if finding.path in restarts else {}),
            }
            for finding in found
        ]
        print_json({"stack": stack, "rotations": entries})
        return
    out = console()
    for finding in found:
        said, style = ("rotated", GOOD) if finding.path in done else _STATES[finding.state]
        out.print(styled((finding.path, STRONG), f" {', '.join(sorted(finding.rotated.keys))}: ", (said, style)))
        if finding.path in done and finding.rotated.sources:
            out.print(styled(("    its connectors are started again by the next run, once they can have the new file", FAINT)))
        if finding.path in restarts:
            out.print(styled((f"    {restarts[finding.path]}", FAINT)))
    waiting = sum(finding.state == "due" for finding in found) - len(done)
    out.print(styled(f"{stack}: {count(len(done), 'path')} rotated" + (f", {waiting} due; --yes rotates" if waiting else "")))


def _run(
    stack: str,
    way: Way,
    root: Path | None,
    as_json: bool,
    *,
    yes: bool,
    reviewer: Path | None = None,
    audit_log: Path | None = None,
) -> None:
    from operations.live.vault import read_token
    from operations.vault_apply import apply, with_reviewer
    from operations.vault_plan import check_may, observe, plan

    folder = project.find_root(root)
    spec = project.load(folder, stack)
    with opened(spec, way) as vault:
        vault.check_open()
        found = plan(spec, observe(spec, vault), vault.now())
        if yes:
            changes = with_reviewer(found.changes, None if reviewer is None else read_token(reviewer))
            check_may(vault, changes)
            with audited(folder, spec.name, "vault apply", audit_log) as log:
                apply(vault, changes, log)
    if as_json:
        print_json(_record(spec.name, vault.url, found, yes))
    else:
        _show(console(), spec.name, found, yes)
    if found.missing or (found.changes and not yes):
        raise typer.Exit(DIFFERS)


_SIGNS = {"create": ("+", GOOD), "change": ("~", WARN), "renew": ("~", WARN), "remove": ("-", BAD), "generate": ("+", GOOD)}


def _show(out: Console, stack: str, found: Any, applied: bool) -> None:
    for change in found.changes:
        sign, style = _SIGNS[change.action]
        out.print(styled((f"{sign} {change.action} ", style), (change.entry.id, STRONG)))
        for difference in change.differences:
            for line in _lines(difference):
                out.print(styled((f"    {line}", FAINT)))
        if change.action == "generate":
            out.print(styled((f"    {', '.join(change.entry.body['keys'])}: a random password", FAINT)))
    for path, keys in found.missing.items():
        out.print(styled(("! missing ", BAD), (path, STRONG), f": {', '.join(keys)}"))
    if found.missing:
        path, keys = next(iter(found.missing.items()))
        out.print(styled((f"  → write them, such as: vault kv patch -mount=secret {path} {keys[0]}=-", FAINT)))
    if found.is_empty:
        out.print(styled(("✓ ", GOOD), f"{stack}: Vault is what the spec says"))
    elif found.changes:
        said = "made" if applied else "to be made; cdc vault apply --yes makes them"
        out.print(styled(f"{stack}: {count(len(found.changes), 'change')} {said}"))


def _lines(difference: Any) -> list[str]:
    """A policy line by line; another setting as it was and will be."""
    if difference.field != "policy":
        return [f"{difference.field}: {difference.live} → {difference.wanted}"]
    lines = difflib.unified_diff(str(difference.live).splitlines(), str(difference.wanted).splitlines(), lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def _record(stack: str, url: str, found: Any, applied: bool) -> dict[str, Any]:
    """For a machine; names only."""
    return {
        "stack": stack,
        "vault": url,
        "applied": applied,
        "changes": [
            {
                "action": change.action,
                "kind": change.entry.kind,
                "name": change.entry.name,
                "differences": [{"field": each.field, "live": each.live, "wanted": each.wanted} for each in change.differences],
            }
            for change in found.changes
        ],
        "missing": {path: list(keys) for path, keys in found.missing.items()},
    }
