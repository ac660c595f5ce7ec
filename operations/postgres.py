"""``cdc postgres``: what a PostgreSQL server lacks for the pipelines, and giving it that."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from components.core.errors import CdcError
from components.environment import EnvironmentSpec
from components.postgres.derive import ADMINISTRATOR, password_file, postgres_state, server
from components.postgres.server import first_database, login_roles
from components.postgres.spec import PostgresSpec
from components.postgres.state import Role
from components.postgres.steps import Step, steps
from operations import project
from operations.audit_log import AuditLog, audited
from operations.bundles import bundled
from operations.live.postgres import Access, PostgresError, Server, read_password
from operations.options import AuditFile, Json, Root, Stack
from operations.terminal import FAINT, GOOD, STRONG, WARN, console, print_json, styled

DIFFERENT = 3

EPILOG = """\b
Databases, schemas, roles, grants and limits are derived from the pipelines.
Nothing is taken away but what PUBLIC may do. Run again, it changes nothing.
Passwords are read from DIR/<role>.password and hashed here.

\b
Examples:
  cdc postgres plan prod --user admin --password-file admin.password \\
    --ca-file ca.pem
  cdc postgres apply prod --user admin --password-file admin.password \\
    --ca-file ca.pem --secrets passwords/

\b
Exit codes:
  0  plan: nothing is missing; apply: nothing is missing any more
  2  bad input, a server that cannot be reached, or that refuses something
  3  plan: something is missing"""

app = typer.Typer(
    help="Bring a PostgreSQL server to what the pipelines need.",
    epilog=EPILOG,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
)


@dataclass(frozen=True, slots=True)
class Way:
    """What the command line says of the server; its fields are the options."""

    host: Annotated[
        str | None,
        typer.Option("--host", metavar="NAME", help="The server, as this machine reaches it. Default: the stack's own."),
    ] = None
    port: Annotated[int | None, typer.Option("--port", metavar="NUMBER", help="Its port.", min=1, max=65535)] = None
    user: Annotated[str, typer.Option("--user", metavar="NAME", help="Whom to enter as: it makes roles and databases.")] = (
        ADMINISTRATOR
    )
    password_file: Annotated[
        Path | None, typer.Option("--password-file", metavar="FILE", help="File with that user's password.")
    ] = None
    ca_file: Annotated[
        Path | None,
        typer.Option(
            "--ca-file", metavar="FILE", help="What signed the server's certificate, PEM. Default: what the system trusts."
        ),
    ] = None


Secrets = Annotated[
    Path | None,
    typer.Option("--secrets", metavar="DIR", help="Folder with <role>.password files. Without it passwords are left alone."),
]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is missing: steps in their order, and roles that cannot log in with the password of their file."""

    missing: tuple[Step, ...]
    passwords: tuple[Role, ...]

    @property
    def empty(self) -> bool:
        return not self.missing and not self.passwords


@app.command("plan", epilog=EPILOG)
@bundled
def plan_command(
    stack: Stack,
    *,
    way: Way,
    secrets: Secrets = None,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Show what the server lacks, and change nothing.

    Exit codes: 0 it lacks nothing, 2 bad input or no answer, 3 it lacks something.
    """
    spec, declared = _declared(root, stack)
    found = observe(Server(_access(spec, declared, way)), spec, secrets)
    _show(spec.name, found, as_json, done=False)
    raise typer.Exit(0 if found.empty else DIFFERENT)


@app.command("apply", epilog=EPILOG)
@bundled
def apply_command(
    stack: Stack,
    *,
    way: Way,
    secrets: Secrets = None,
    audit_log: AuditFile = None,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Give the server what it lacks, then look again.

    Roles, and what is in one database, each change in one transaction. Exit codes: 0 done, 2 bad input, no answer or refused.
    """
    spec, declared = _declared(root, stack)
    live = Server(_access(spec, declared, way))
    found = observe(live, spec, secrets)
    if not found.empty:
        with audited(project.find_root(root), spec.name, "postgres apply", audit_log) as log:
            _make(live, found, secrets, log)
    left = observe(live, spec, secrets)
    _show(spec.name, found, as_json, done=True)
    if not left.empty:
        raise PostgresError(_still(left))


def _make(live: Server, found: Plan, secrets: Path | None, log: AuditLog) -> None:
    try:
        live.run(found.missing)
    except CdcError as error:
        for step in found.missing:
            log.change(step.what, after=step.statement, outcome="unknown", why=str(error))
        raise
    for step in found.missing:
        log.change(step.what, after=step.statement)
    for role in found.passwords:
        with log.changing(f"password of role {role.name}"):
            live.set_password(role.name, _password(secrets, role))


def observe(live: Server, spec: EnvironmentSpec, secrets: Path | None) -> Plan:
    """What is missing now. Every password file is read before anything is asked."""
    state = postgres_state(spec)
    known = [] if secrets is None else [(role, _password(secrets, role)) for role in login_roles(state)]
    wanted = steps(state)
    holding = live.holding(wanted)
    shut_out = tuple(role for role, password in known if not live.enters(role.name, password, first_database(state, role)))
    return Plan(tuple(step for step in wanted if step not in holding), shut_out)


def _password(secrets: Path | None, role: Role) -> str:
    if secrets is None:
        raise CdcError("no folder of passwords is given\n      → name it with --secrets")
    return read_password(secrets / password_file(role.name))


def _declared(root: Path | None, stack: str) -> tuple[EnvironmentSpec, PostgresSpec]:
    spec = project.load(project.find_root(root), stack)
    if spec.postgres is None:
        raise CdcError(f"{spec.name}: no PostgreSQL is declared\n      → declare postgres; see cdc explain postgres")
    return spec, spec.postgres


def _access(spec: EnvironmentSpec, declared: PostgresSpec, way: Way) -> Access:
    host, port = server(spec, declared)
    return Access(way.host or host, way.port or port, way.user, way.password_file, way.ca_file, declared.encrypted)


def _still(left: Plan) -> str:
    """Something was run and holds no more than before: the server took it and did nothing, or somebody else undid it."""
    lines = [f"  {step.what}: {step.statement}" for step in left.missing]
    lines += [f"  {role.name} cannot log in with its password" for role in left.passwords]
    what = "\n".join(lines)
    return (
        f"{len(lines)} still not so:\n{what}\n"
        "      → run the statements as the owner of what they name; for a login, look at the server's pg_hba.conf"
    )


def _show(stack: str, found: Plan, as_json: bool, *, done: bool) -> None:
    if as_json:
        steps_found = [{"what": step.what, "database": step.database, "statement": step.statement} for step in found.missing]
        print_json(
            {"stack": stack, "applied": done, "steps": steps_found, "passwords": [role.name for role in found.passwords]}
        )
        return
    out = console()
    for step in found.missing:
        out.print(styled((step.what, GOOD if done else WARN)))
        out.print(styled((f"    {step.statement}", FAINT)))
    for role in found.passwords:
        out.print(styled((f"role {role.name}: its password", GOOD if done else WARN)))
    if found.empty:
        out.print(styled(("nothing to do", STRONG)))
