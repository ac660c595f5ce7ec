"""PostgreSQL's programs."""

from pathlib import Path

from tests.toolchain import versions
from tests.toolchain.debian import ensure_packages


def postgres_programs() -> Path:
    """The folder with ``initdb``, ``postgres``, ``pg_ctl`` and ``psql``."""
    program = f"/usr/lib/postgresql/{versions.POSTGRESQL}/bin/postgres"
    return ensure_packages({program: f"postgresql-{versions.POSTGRESQL}"})[program].parent
