"""HAProxy."""

from pathlib import Path

from tests.toolchain.debian import ensure_packages


def haproxy_program() -> Path:
    """The program ``haproxy``."""
    return ensure_packages({"haproxy": "haproxy"})["haproxy"]
