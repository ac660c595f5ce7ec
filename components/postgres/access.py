"""What brings a server of our own to its state, and keeps it there: psql with the steps, over and over. Pure.

It is a program that stays, on both targets alike: a job that ran once would neither notice a password that was rotated nor a
right that somebody took away, and Kubernetes lets nobody change a job.
"""

import shlex

from components.core.secrets import SecretFile, referenced
from components.environment import EnvironmentSpec
from components.postgres.derive import (
    ADMINISTRATOR,
    CA_FILE,
    authority,
    password_file,
    postgres_state,
    server,
)
from components.postgres.server import first_database, login_roles
from components.postgres.spec import PostgresSpec
from components.postgres.state import PostgresState, Role
from components.postgres.steps import script, steps

FOLDER = "/etc/cdc"
SQL, START = f"{FOLDER}/access.sql", f"{FOLDER}/access.sh"
SECRETS = "/run/secrets/postgres-access"
RUN = "/run/postgres-access"
APPLIED = f"{RUN}/applied"
"""There while the state is what it must be."""

_AGAIN_SECONDS, _RETRY_SECONDS = 60, 2

_FUNCTIONS = r"""entry() {
  printf '*:*:*:%s:%s\n' "$1" "$(sed -e 's/[\\:]/\\&/g' "$secrets/$2")"
}
password() {
  cmp -s "$secrets/$1.password" "$run/$1.known" && return 0
  entry "$1" "$1.password" > "$run/pgpass.role" || return 1
  if ! PGUSER=$1 PGDATABASE=$2 PGPASSFILE=$run/pgpass.role psql -XAtqc 'SELECT 1' > /dev/null 2>&1; then
    new=$(cat "$secrets/$1.password")
    if ! printf '%s\n%s\n' "$new" "$new" | psql -Xqc "\\password \"$1\"" > "$run/output" 2>&1; then
      cat "$run/output" >&2
      return 1
    fi
    echo "$1 has another password" >&2
  fi
  cp "$secrets/$1.password" "$run/$1.known"
}"""
"""``password ROLE DATABASE``: where a role cannot log in with what its file says, psql hashes that and sets it, so that neither
the server nor its log ever sees it. Without a terminal, ``\\password`` reads its standard input."""


def files(environment: EnvironmentSpec, spec: PostgresSpec) -> dict[str, str]:
    """By their path in the container."""
    state = postgres_state(environment)
    return {SQL: script(steps(state)), START: _start(environment, spec, state)}


def _start(environment: EnvironmentSpec, spec: PostgresSpec, state: PostgresState) -> str:
    host, port = server(environment, spec)
    variables = {
        "PGAPPNAME": "postgres-access",
        "PGCONNECT_TIMEOUT": "10",
        "PGDATABASE": "postgres",
        "PGHOST": host,
        "PGPASSFILE": f"{RUN}/pgpass",
        "PGPORT": str(port),
        "PGSSLMODE": "verify-full" if spec.encrypted else "disable",
        "PGUSER": ADMINISTRATOR,
    }
    if spec.encrypted:
        variables["PGSSLROOTCERT"] = f"{SECRETS}/{CA_FILE}"
    lines = ["#!/bin/sh", "set -eu", "umask 077", f"secrets={SECRETS} run={RUN}"]
    lines += [f"export {key}={value}" for key, value in sorted(variables.items())]
    lines += ["export PGOPTIONS='-c statement_timeout=60s -c lock_timeout=10s'", _FUNCTIONS, "apply() {"]
    commands = [f'entry {ADMINISTRATOR} admin.password > "$run/pgpass"', f"psql -Xqf {SQL}"]
    commands += [f"password {role.name} {shlex.quote(first_database(state, role))}" for role in login_roles(state)]
    lines += ["  " + " &&\n  ".join(commands), "}", "trap 'exit 0' TERM INT", "while :; do"]
    lines += [f"  if apply; then touch {APPLIED}; pause={_AGAIN_SECONDS}"]
    lines += [f"  else rm -f {APPLIED}; pause={_RETRY_SECONDS}; fi", '  sleep "$pause" & wait $!', "done"]
    return "\n".join(lines) + "\n"


def secrets(environment: EnvironmentSpec, spec: PostgresSpec) -> tuple[SecretFile, ...]:
    """The administrator's password, and those that it gives to others."""
    found = [referenced(spec.admin_password, "admin.password", "postgres-admin")]
    found += [SecretFile(password_file(role.name), *_source(role)) for role in login_roles(postgres_state(environment))]
    if spec.encrypted:
        found.append(authority(environment, spec))
    return tuple(sorted(found))


def _source(role: Role) -> tuple[str, str, str]:
    if role.password is None:
        raise ValueError(f"{role.name} has no password")
    return role.password.secret, role.password.key, role.password.vault
