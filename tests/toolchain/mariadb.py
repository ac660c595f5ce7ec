"""MariaDB's server: the database that stands in for MySQL, which Debian does not have."""

from pathlib import Path

from tests.toolchain.debian import ensure_packages

PACKAGE = "mariadb-server-core"  # the server alone: the full package would also set up a service


def mariadb_program(name: str = "mariadbd") -> Path:
    """One of the server's programs: ``mariadbd``, ``mariadb-install-db``."""
    return ensure_packages({name: PACKAGE})[name]
