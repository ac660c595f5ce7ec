"""How the container of MariaDB is configured and started. Pure."""

import shlex

from components.development import demo
from components.development.derive import databases, readers
from components.development.names import APPLICATION, MARIADB, MARIADB_PORT
from components.development.spec import DevelopmentMariadbSpec
from components.environment import EnvironmentSpec

FOLDER, SECRETS, DATA, RUN = "/etc/cdc", "/run/secrets/mariadb", "/var/lib/mysql", "/run/mysqld"
CONFIGURATION, SEED, START = f"{FOLDER}/mariadb.cnf", f"{FOLDER}/seed.sql", f"{FOLDER}/start.sh"
SOCKET = f"{RUN}/mysqld.sock"
USER = "999:999"
"""``mysql`` of MariaDB's image."""

_MIB = 1 << 20
_WEEK_SECONDS = 7 * 86_400
_LEAST = "SELECT, RELOAD, SHOW DATABASES, LOCK TABLES, REPLICATION SLAVE, REPLICATION CLIENT"
"""What Debezium's documents ask for, and no more."""


def files(environment: EnvironmentSpec, spec: DevelopmentMariadbSpec) -> dict[str, str]:
    """By their path in the container."""
    return {CONFIGURATION: _configuration(spec), SEED: _seed(environment, spec), START: _start(environment)}


def _configuration(spec: DevelopmentMariadbSpec) -> str:
    """The whole row is in the log, before and after; it outlasts a week in which nobody reads."""
    settings = {
        "bind-address": MARIADB,
        "binlog-expire-logs-seconds": _WEEK_SECONDS,
        "binlog-format": "ROW",
        "binlog-row-image": "FULL",
        "binlog-row-metadata": "FULL",
        "character-set-server": "utf8mb4",
        "datadir": f"{DATA}/data",
        "default-time-zone": "+00:00",
        "innodb-buffer-pool-size": f"{spec.resources.memory // _MIB // 4}M",
        "log-bin": "binlog",
        "performance-schema": "OFF",
        "pid-file": f"{RUN}/mysqld.pid",
        "port": MARIADB_PORT,
        "server-id": 1,
        "skip-name-resolve": "ON",
        "socket": SOCKET,
        "ssl": "OFF",
        "tmpdir": "/tmp",  # noqa: S108 - the container's own
    }
    return "\n".join(["[mariadbd]", *(f"{key} = {value}" for key, value in settings.items())]) + "\n"


def _seed(environment: EnvironmentSpec, spec: DevelopmentMariadbSpec) -> str:
    found = databases(environment)
    made = [f"CREATE DATABASE IF NOT EXISTS {_identifier(name)};" for name in found]
    return "\n".join([*made, *(demo.statements(found) if spec.demo else ())]) + "\n"


def _identifier(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


_FUNCTION = r"""account() {
  password=$(sed -e 's/\\/\\\\/g' -e "s/'/''/g" "$secrets/$2")
  printf "CREATE OR REPLACE USER '%s'@'%%' IDENTIFIED BY '%s';\n" "$1" "$password"
}"""
"""``account USER FILE``: passwords are put into the file that the server reads at its start, which lies in memory."""


def _start(environment: EnvironmentSpec) -> str:
    """Storage is made beside its place and renamed into it, so that none is ever there by half."""
    accounts = {reader.user: reader.file for reader in readers(environment)}
    lines = ["#!/bin/sh", "set -eu", "umask 077", f"data={DATA}/data secrets={SECRETS} init={RUN}/init.sql"]
    lines += [
        'if [ ! -d "$data" ]; then',
        '  rm -rf "$data.new"',
        '  mariadb-install-db --no-defaults --datadir="$data.new" --auth-root-authentication-method=normal \\',
        "    --skip-test-db --innodb-log-file-size=16M > /dev/null",
        '  mv "$data.new" "$data"',
        "fi",
        _FUNCTION,
        "{",
        f"  cat {SEED}",
    ]
    for user, file in sorted(accounts.items()):
        grant = f"GRANT {_LEAST} ON *.* TO '{user}'@'%';"
        lines += [f"  account {shlex.quote(user)} {shlex.quote(file)}", f"  echo {shlex.quote(grant)}"]
    lines.append(f"  account {APPLICATION} {APPLICATION}.password")
    grants = [f"GRANT ALL ON {_identifier(name)}.* TO '{APPLICATION}'@'%';" for name in databases(environment)]
    lines += [f"  echo {shlex.quote(grant)}" for grant in grants]
    lines += ['} > "$init"', f'exec mariadbd --defaults-file={CONFIGURATION} --init-file="$init"']
    return "\n".join(lines) + "\n"
