"""How a server of our own is configured: its parameters, and who may enter from where. Pure."""

from collections.abc import Mapping

from components.core.secrets import SecretFile, referenced
from components.environment import EnvironmentSpec
from components.postgres.derive import ADMINISTRATOR, MONITOR
from components.postgres.spec import PostgresSpec
from components.postgres.sql import access_name, literal
from components.postgres.state import PostgresState, Role

SECRETS = "/run/secrets/postgres"
RUN = "/run/postgres"
_MIB = 1 << 20


def parameters(spec: PostgresSpec) -> dict[str, str]:
    """What a server wants that takes batches of thousands of rows: a cache, checkpoints that are seldom and spread, and rows
    that are cleaned away early. Everything that waits for long is logged; no statement is, for what it may hold."""
    memory = spec.resources.memory // _MIB
    own = {
        "autovacuum_analyze_scale_factor": "0.02",
        "autovacuum_vacuum_cost_limit": "2000",
        "autovacuum_vacuum_insert_scale_factor": "0.05",
        "autovacuum_vacuum_scale_factor": "0.05",
        "checkpoint_completion_target": "0.9",
        "checkpoint_timeout": "15min",
        "effective_cache_size": f"{memory * 3 // 4}MB",
        "idle_in_transaction_session_timeout": "10min",
        "log_connections": "on",
        "log_disconnections": "on",
        "log_lock_waits": "on",
        "log_min_duration_statement": "-1",
        "log_statement": "none",
        "maintenance_work_mem": f"{max(64, memory // 16)}MB",
        "max_connections": str(spec.max_connections),
        "max_wal_size": f"{max(1024, spec.wal.size // _MIB // 4)}MB",
        "min_wal_size": "512MB",
        "password_encryption": "scram-sha-256",
        "shared_buffers": f"{max(16, memory // 4)}MB",
        "ssl_min_protocol_version": "TLSv1.3",
        "tcp_keepalives_count": "3",
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "10",
        "wal_compression": "lz4",
    }
    return dict(sorted({**own, **{key: _text(value) for key, value in spec.parameters.items()}}.items()))


def _text(value: str | int | float | bool) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def configuration(spec: PostgresSpec, host: str, port: int, access_file: str) -> str:
    """``postgresql.conf`` of the container. It has no socket in the file system: all enter by the network."""
    own = {"hba_file": access_file, "listen_addresses": host, "port": str(port), "unix_socket_directories": ""}
    if spec.tls.enabled:
        own |= {"ssl": "on", "ssl_cert_file": f"{RUN}/server.crt", "ssl_key_file": f"{RUN}/server.key"}
        if spec.sink_authentication == "certificate":
            own["ssl_ca_file"] = f"{SECRETS}/client-ca.pem"
    return _file({**parameters(spec), **own})


def _file(settings: Mapping[str, str]) -> str:
    """PostgreSQL's own syntax; a backslash in a quoted value is an escape there."""
    lines = (f"{key} = {literal(value.replace(chr(92), chr(92) * 2))}\n" for key, value in sorted(settings.items()))
    return "".join(lines)


def access_rules(environment: EnvironmentSpec, spec: PostgresSpec, state: PostgresState) -> list[str]:
    """Lines of ``pg_hba.conf``: each role to its own databases, encrypted, by SCRAM or by its certificate; nobody else."""
    kind = "hostssl" if spec.encrypted else "host"
    rules = [f"{kind} all {access_name(name)} all scram-sha-256" for name in (ADMINISTRATOR, MONITOR)]
    groups = {schema.reader: schema.database for schema in state.schemas}
    for role in sorted(state.roles, key=lambda role: role.name):
        if not role.login or role.name == MONITOR:
            continue
        databases = {database.name for database in state.databases if role.name in database.writers}
        databases |= {groups[group] for group in role.member_of}
        method = "cert" if role.certificate else "scram-sha-256"
        rules += [f"{kind} {access_name(name)} {access_name(role.name)} all {method}" for name in sorted(databases)]
    return [*rules, "host all all all reject"]


def start_script(spec: PostgresSpec, data: str, configuration_file: str) -> str:
    """A script for ``sh`` that becomes the server. A cluster is made beside its place and renamed into it, so that none is ever
    there by half; the key is copied to where it can belong to the server alone, as that wants."""
    lines = [
        "#!/bin/sh",
        "set -eu",
        "umask 077",
        f"data={data}",
        'if [ ! -d "$data" ]; then',
        '  rm -rf "$data.new"',
        '  initdb --pgdata="$data.new" --username=' + ADMINISTRATOR + " --pwfile=" + f"{SECRETS}/admin.password \\",
        "    --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --data-checksums --no-instructions",
        '  mv "$data.new" "$data"',
        "fi",
    ]
    if spec.tls.enabled:
        lines += [f"cp {SECRETS}/server.crt {SECRETS}/server.key {RUN}/", f"chmod 600 {RUN}/server.key"]
    return "\n".join([*lines, f'exec postgres -D "$data" -c config_file={configuration_file}']) + "\n"


def secrets(environment: EnvironmentSpec, spec: PostgresSpec) -> tuple[SecretFile, ...]:
    """What the server itself needs: on docker its folder of secrets; on Kubernetes what the operator reads of Secrets, where a
    role's has its name beside its password."""
    admin = referenced(spec.admin_password, "admin.password", "postgres-admin")
    if environment.target == "kubernetes":
        monitor = referenced(spec.monitor_password, "monitor.password", "postgres-monitor")
        names = [SecretFile(f"{file.secret}.username", file.secret, "username") for file in (admin, monitor)]
        return tuple(sorted([admin, monitor, *names]))
    tls = spec.tls
    pairs = [(tls.certificate, "server.crt"), (tls.key, "server.key")] if tls.enabled else []
    if spec.sink_authentication == "certificate":
        pairs.append((tls.client_ca, "client-ca.pem"))
    return tuple(sorted([admin, *(referenced(reference, name, "postgres-tls") for reference, name in pairs)]))


def login_roles(state: PostgresState) -> list[Role]:
    """Those whose password somebody must set."""
    return [role for role in state.roles if role.login and role.password is not None]


def first_database(state: PostgresState, role: Role) -> str:
    """A database that a role may enter."""
    groups = {schema.reader: schema.database for schema in state.schemas}
    own = [database.name for database in state.databases if role.name in database.writers]
    return next(iter([*own, *(groups[group] for group in role.member_of if group in groups)]), "postgres")
