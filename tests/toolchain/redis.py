"""Redis, which is its own sentinel."""

from pathlib import Path

from tests.toolchain.debian import ensure_packages


def redis_server() -> Path:
    """The program ``redis-server``; with ``--sentinel`` it is one."""
    return ensure_packages({"redis-server": "redis-server"})["redis-server"]
