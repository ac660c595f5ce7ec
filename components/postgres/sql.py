"""How names and texts are written for PostgreSQL: each syntax once. Pure."""

import hashlib

IDENTIFIER_BYTES = 63
"""``NAMEDATALEN - 1``. PostgreSQL cuts longer names in silence, so that two can become one."""

_HASH_DIGITS = 8


def identifier(name: str) -> str:
    """A name in SQL, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL; ``standard_conforming_strings`` is on since PostgreSQL 9.1."""
    return "'" + text.replace("'", "''") + "'"


def access_name(name: str) -> str:
    """A database or a role in ``pg_hba.conf``: quoted, no keyword such as ``all`` is one."""
    return identifier(name)


def connect_command(database: str) -> str:
    """psql's command that goes on in another database. A bare name could be taken for a connection string."""
    escaped = database.replace("\\", "\\\\").replace("'", "\\'")
    return "\\connect -reuse-previous=on " + identifier(f"dbname='{escaped}'")


def fitted(name: str) -> str:
    """``name``, or its beginning and a hash of the whole where PostgreSQL would cut it."""
    encoded = name.encode()
    if len(encoded) <= IDENTIFIER_BYTES:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:_HASH_DIGITS]
    head = encoded[: IDENTIFIER_BYTES - _HASH_DIGITS - 1].decode(errors="ignore")
    return f"{head}_{digest}"
