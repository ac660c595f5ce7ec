"""From the state that PostgreSQL must have to the steps that bring it there. Pure.

A step is a question and a statement: whether it holds already, in SQL, and what makes it hold. So one list serves every server:
psql runs it as a script, which asks before each statement (docker, Kubernetes), and ``cdc postgres`` asks first, shows what is
missing and runs just that (existing servers). A second run finds that everything holds, and changes nothing. Questions go by
names through the catalogs, so that they have an answer also where a role or a schema is not there yet.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from components.postgres.sql import connect_command, identifier, literal
from components.postgres.state import Database, PostgresState, Role, Schema


@dataclass(frozen=True, slots=True)
class Step:
    """``holds`` is an SQL condition. It is asked in ``database``; ``None`` is any. ``alone``: no transaction may be open."""

    what: str
    holds: str
    statement: str
    database: str | None = None
    alone: bool = False


def steps(state: PostgresState) -> tuple[Step, ...]:
    """Roles, then databases, then what is inside each, in an order in which every statement finds what it needs."""
    found = [step for role in state.roles for step in _role(role)]
    found += [step for role in state.roles for step in _memberships(role)]
    for database in state.databases:
        found += _database(database, state.closed)
        for schema in state.schemas:
            if schema.database == database.name:
                found += _schema(schema)
    return tuple(found)


def _role(role: Role) -> Iterator[Step]:
    name, text = identifier(role.name), literal(role.name)
    yield Step(f"role {role.name}", f"EXISTS (SELECT FROM pg_roles WHERE rolname = {text})", f"CREATE ROLE {name}")
    yield Step(
        f"role {role.name} without the rights of an administrator",
        f"NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {text} AND (rolsuper OR rolreplication OR rolbypassrls))",
        f"ALTER ROLE {name} NOSUPERUSER NOREPLICATION NOBYPASSRLS",
    )
    may_login = "rolcanlogin" if role.login else "NOT rolcanlogin"
    yield Step(
        f"role {role.name}: {'may' if role.login else 'cannot'} log in, connections {role.connections}",
        f"EXISTS (SELECT FROM pg_roles WHERE rolname = {text} AND {may_login} AND rolconnlimit = {role.connections} "
        "AND rolinherit AND NOT rolcreaterole AND NOT rolcreatedb)",
        f"ALTER ROLE {name} {'LOGIN' if role.login else 'NOLOGIN'} INHERIT NOCREATEROLE NOCREATEDB "
        f"CONNECTION LIMIT {role.connections}",
    )
    for key, value in sorted(role.settings.items()):
        yield Step(
            f"role {role.name}: {key} is {value}",
            "EXISTS (SELECT FROM pg_db_role_setting AS s JOIN pg_roles AS r ON r.oid = s.setrole WHERE s.setdatabase = 0 "
            f"AND r.rolname = {text} AND {literal(f'{key}={value}')} = ANY (s.setconfig))",
            f"ALTER ROLE {name} SET {key} = {literal(value)}",
        )


def _memberships(role: Role) -> Iterator[Step]:
    for group in role.member_of:
        yield Step(
            f"role {role.name} is one of {group}",
            "EXISTS (SELECT FROM pg_auth_members AS m JOIN pg_roles AS g ON g.oid = m.roleid "
            f"JOIN pg_roles AS u ON u.oid = m.member WHERE g.rolname = {literal(group)} AND u.rolname = {literal(role.name)})",
            f"GRANT {identifier(group)} TO {identifier(role.name)}",
        )
    if role.administered:
        yield Step(
            f"the administrator acts for {role.name}",
            f"EXISTS (SELECT FROM pg_roles WHERE rolname = {literal(role.name)} AND pg_has_role(current_user, oid, 'USAGE'))",
            f"GRANT {identifier(role.name)} TO CURRENT_USER",
        )


def _database(database: Database, closed: bool) -> Iterator[Step]:
    name, text = identifier(database.name), literal(database.name)
    yield Step(
        f"database {database.name}",
        f"EXISTS (SELECT FROM pg_database WHERE datname = {text})",
        f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0",
        alone=True,
    )
    if closed:
        yield Step(
            f"database {database.name} is closed to everybody else",
            f"EXISTS (SELECT FROM pg_database WHERE datname = {text}) AND "  # noqa: S608 - names are quoted
            "NOT EXISTS (SELECT FROM pg_database AS d CROSS JOIN LATERAL "
            "aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a "
            f"WHERE d.datname = {text} AND a.grantee = 0)",
            f"REVOKE ALL ON DATABASE {name} FROM PUBLIC",
        )
    grants: list[tuple[str, tuple[str, ...]]] = [(role, ("CONNECT", "TEMPORARY")) for role in database.writers]
    grants += [(role, ("CONNECT",)) for role in database.connectors]
    for role, privileges in grants:
        granted = " AND ".join(
            _granted("pg_database AS o", "o.datacl", f"o.datname = {text}", role, privilege) for privilege in privileges
        )
        wanted = ", ".join(privileges)
        yield Step(
            f"{role} may {wanted.lower()} in {database.name}",
            granted,
            f"GRANT {wanted} ON DATABASE {name} TO {identifier(role)}",
        )
    if closed:
        yield Step(
            f"schema {database.name}.public is closed to everybody else",
            "NOT EXISTS (SELECT FROM pg_namespace AS n CROSS JOIN LATERAL aclexplode(n.nspacl) AS a "
            "WHERE n.nspname = 'public' AND a.grantee = 0)",
            "REVOKE ALL ON SCHEMA public FROM PUBLIC",
            database.name,
        )


def _granted(table: str, acl: str, where: str, role: str, privilege: str) -> str:
    """Whether ``role`` itself, by name, was given ``privilege`` on an object."""
    return (
        f"EXISTS (SELECT FROM {table} CROSS JOIN LATERAL aclexplode({acl}) AS a JOIN pg_roles AS r ON r.oid = a.grantee "
        f"WHERE {where} AND r.rolname = {literal(role)} AND a.privilege_type = {literal(privilege)})"
    )


def _schema(schema: Schema) -> Iterator[Step]:
    name, text, place = identifier(schema.name), literal(schema.name), schema.database
    label = f"{place}.{schema.name}"
    if schema.name != "public":
        yield Step(
            f"schema {label}",
            f"EXISTS (SELECT FROM pg_namespace WHERE nspname = {text})",
            f"CREATE SCHEMA {name} AUTHORIZATION {identifier(schema.owner)}",
            place,
        )
    for role in schema.writers:
        yield Step(
            f"{role} may make tables in {label}",
            " AND ".join(
                _granted("pg_namespace AS o", "o.nspacl", f"o.nspname = {text}", role, right) for right in ("USAGE", "CREATE")
            ),
            f"GRANT USAGE, CREATE ON SCHEMA {name} TO {identifier(role)}",
            place,
        )
    if schema.reader is not None:
        yield from _reading(schema, schema.reader)


def _reading(schema: Schema, reader: str) -> Iterator[Step]:
    """What is there, and what its writers will make."""
    name, text, place, label = (
        identifier(schema.name),
        literal(schema.name),
        schema.database,
        f"{schema.database}.{schema.name}",
    )
    yield Step(
        f"{reader} may look into {label}",
        _granted("pg_namespace AS o", "o.nspacl", f"o.nspname = {text}", reader, "USAGE"),
        f"GRANT USAGE ON SCHEMA {name} TO {identifier(reader)}",
        place,
    )
    unreadable = (
        "FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_roles AS w ON w.oid = c.relowner "
        f"WHERE n.nspname = {text} AND w.rolname IN ({', '.join(map(literal, schema.writers))}) "
        "AND c.relkind IN ('r', 'p', 'v', 'm', 'f') "
        f"AND NOT {_granted('pg_class AS o', 'o.relacl', 'o.oid = c.oid', reader, 'SELECT')}"
    )
    every_one = (
        f"DECLARE place text; BEGIN FOR place IN SELECT c.oid::regclass::text {unreadable} LOOP "
        f"EXECUTE 'GRANT SELECT ON ' || place || ' TO ' || {literal(identifier(reader))}; END LOOP; END"
    )
    yield Step(
        f"{reader} may read the tables of {label}", f"NOT EXISTS (SELECT {unreadable})", f"DO {literal(every_one)}", place
    )
    may_read = f"GRANT SELECT ON TABLES TO {identifier(reader)}"
    for role in schema.writers:
        where = f"n.nspname = {text} AND w.rolname = {literal(role)} AND o.defaclobjtype = 'r'"
        table = (
            "pg_default_acl AS o JOIN pg_namespace AS n ON n.oid = o.defaclnamespace JOIN pg_roles AS w ON w.oid = o.defaclrole"
        )
        yield Step(
            f"{reader} may read what {role} will make in {label}",
            _granted(table, "o.defaclacl", where, reader, "SELECT"),
            f"ALTER DEFAULT PRIVILEGES FOR ROLE {identifier(role)} IN SCHEMA {name} {may_read}",
            place,
        )


def script(wanted: tuple[Step, ...]) -> str:
    """The steps for psql, which begins in the server's own database. Nothing in it is secret."""
    lines = ["\\set ON_ERROR_STOP on", "SET client_min_messages TO warning;"]
    here: str | None = None
    for step in wanted:
        if step.database is not None and step.database != here:
            lines += [connect_command(step.database), "SET client_min_messages TO warning;"]
            here = step.database
        lines += [f"-- {step.what}", f"SELECT {literal(step.statement)} WHERE NOT ({step.holds}) \\gexec"]
    return "\n".join(lines) + "\n"
