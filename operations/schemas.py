"""``cdc schemas``: are the declared schemas compatible with those in the registry, and register them."""

import enum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from components.core.errors import CdcError
from components.environment import EnvironmentSpec
from components.schema_registry.derive import is_read_only, registry_url
from components.schema_registry.spec import SchemaRegistrySpec
from operations import project
from operations.audit_log import AuditLog, audited
from operations.live.registry import Access, Registry
from operations.options import AuditFile, Json, Root, Stack
from operations.schema_changes import Changes, Finding, apply_changes, observe_changes
from operations.terminal import BAD, FAINT, GOOD, STRONG, WARN, console, print_json, styled

INCOMPATIBLE = 1

EPILOG = """\b
Every declared schema is judged before any is registered: where one is
incompatible, nothing is. Running it again changes nothing.

\b
Examples:
  cdc schemas check prod
  cdc schemas apply prod --url https://localhost:8081 --user ci \\
    --password-file ci.password --ca-file ca.pem

\b
Exit codes:
  0  check: every schema is compatible; apply: the registry has them all
  1  a schema is incompatible; nothing was registered
  2  bad input, a registry that cannot be reached or that refuses the
     credentials"""


class Action(enum.StrEnum):
    """What to do with the declared schemas."""

    check = "check"
    apply = "apply"


def command(
    action: Annotated[Action, typer.Argument(help="check looks and changes nothing; apply registers.")],
    stack: Stack,
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="The registry, as this machine reaches it. Default: the stack's own."),
    ] = None,
    user: Annotated[str | None, typer.Option("--user", metavar="NAME", help="Whom to enter as.")] = None,
    password_file: Annotated[
        Path | None, typer.Option("--password-file", metavar="FILE", help="File with that user's password.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option("--ca-file", metavar="FILE", help="The CA that signed the registry's certificate, PEM.")
    ] = None,
    audit_log: AuditFile = None,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Compare the declared schemas with the registry, and register them."""
    folder = project.find_root(root)
    spec = project.load(folder, stack)
    declared = spec.schema_registry
    if declared is None:
        raise CdcError(f"{spec.name}: no schema registry is declared\n      → declare schemaRegistry, with its subjects")
    if action is Action.apply and is_read_only(spec):
        raise CdcError(
            f"{spec.name}: stands by, and its registry takes nothing new\n      → apply the environment that it mirrors"
        )
    access = Access(_address(spec, url), user, password_file, ca_file)
    with Registry(access) as registry:
        changes = observe_changes(declared, folder, registry)
        if action is Action.apply:
            with audited(folder, spec.name, "schemas apply", audit_log) as log:
                changes = apply_changes(changes, registry)
                _log(log, changes)
    if as_json:
        print_json(_described(spec.name, access.url, action, declared, changes))
    else:
        _print(changes, action)
    if not changes.compatible:
        raise typer.Exit(INCOMPATIBLE)


def _log(log: AuditLog, changes: Changes) -> None:
    """What was changed; nothing is where a schema is incompatible."""
    if not changes.compatible:
        log.change("schemas", outcome="refused", why="a schema is incompatible")
        return
    for level in changes.differing_levels:
        log.change(f"compatibility of {level.subject or 'all subjects'}", level.live, level.wanted)
    for finding in changes.to_register:
        log.change(f"subject {finding.subject}", None, {"version": finding.version, "id": finding.id})


def _address(spec: EnvironmentSpec, url: str | None) -> str:
    """Credentials in an address would end in logs and in the shell's history."""
    address = url or registry_url(spec)
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise CdcError("--url: is not an address\n      → write one such as https://localhost:8081")
    if "@" in parts.netloc:
        raise CdcError("--url: holds credentials\n      → give them by --user and --password-file")
    return address


def _described(stack: str, url: str, action: Action, declared: SchemaRegistrySpec, changes: Changes) -> dict[str, object]:
    """For a machine."""
    return {
        "stack": stack,
        "registry": url,
        "action": action.value,
        "compatible": changes.compatible,
        "compatibility": [{"subject": level.subject, "live": level.live, "declared": level.wanted} for level in changes.levels],
        "subjects": [
            {
                "subject": finding.subject,
                "state": finding.state,
                "version": finding.version,
                "id": finding.id,
                "objections": list(finding.objections),
            }
            for finding in changes.findings
        ],
    }


_STYLES = {"new": GOOD, "next": GOOD, "unchanged": FAINT, "incompatible": BAD, "level": FAINT}


def _print(changes: Changes, action: Action) -> None:
    out = console()
    for level in changes.differing_levels:
        whose = level.subject or "all subjects"
        out.print(styled((whose, STRONG), ": compatibility ", (f"{level.live or 'none of its own'} → {level.wanted}", WARN)))
    for finding in changes.findings:
        out.print(styled((finding.subject, STRONG), "  ", (_said(finding, action), _STYLES[finding.state])))
        for objection in finding.objections:
            out.print(styled((f"    {objection}", FAINT)))
    if not changes.compatible:
        out.print(styled(("nothing was registered", BAD)))


def _said(finding: Finding, action: Action) -> str:
    where = "" if finding.version is None else f", version {finding.version}"
    registered = action is Action.apply and finding.id is not None
    return {
        "new": f"registered{where}" if registered else "new",
        "next": f"registered{where}" if registered else "compatible, a new version",
        "unchanged": f"unchanged{where}",
        "incompatible": "incompatible",
        "level": "no schema declared",
    }[finding.state]
