"""Stand in for ``cassandra``, and for the image of Debezium's agent that is made from it: the same jars in the same places."""

import os
import sys
import sysconfig
from pathlib import Path

from tests.harness.cassandra_server import JAVA, LEAN
from tests.harness.compose_project import Image
from tests.harness.namespace import bind
from tests.harness.system_files import java_settings, system_files
from tests.toolchain.cassandra import cassandra_libs, cqlsh_packages, debezium_cassandra_agent
from tests.toolchain.java import java_home_of

USER = 999
HOME = "/opt/cassandra"
SCRIPT = f"""#!/bin/sh
export PYTHONPATH="{HOME}/pylib:{HOME}/driver" LD_LIBRARY_PATH="{HOME}/python/lib" PYTHONDONTWRITEBYTECODE=1
exec "{HOME}/python/bin/{{python}}" -m cqlshlib "$@"
"""
"""``cqlsh``, with the tests' own Python and driver."""
VARIABLES = {"PATH": f"{HOME}/bin:/opt/java/bin:/usr/bin:/bin", "JAVA_TOOL_OPTIONS": " ".join(LEAN)}
"""Tests have little memory and start often: Java is told so, as a user of the images could."""


def cassandra_image() -> Image:
    """With Java, ``bash`` and ``cqlsh``, and the image's user, who owns the folder of the data."""
    return Image(_cassandra, VARIABLES)


def cassandra_agent_image() -> Image:
    """With Java, ``awk`` and ``bash``, and the folder of the agent's state."""
    return Image(_agent, VARIABLES)


def _cassandra(root: Path) -> None:
    _base(root)
    home = root / HOME.lstrip("/")
    bind(cassandra_libs(), home / "lib", read_only=True)
    bind(cqlsh_packages(), home / "pylib", read_only=True)
    bind(Path(sysconfig.get_path("purelib")), home / "driver", read_only=True)
    bind(Path(os.path.realpath(sys.base_prefix)), home / "python", read_only=True)
    script = home / "bin" / "cqlsh"
    script.parent.mkdir()
    script.write_text(SCRIPT.format(python=Path(os.path.realpath(sys.executable)).name))
    script.chmod(0o755)


def _agent(root: Path) -> None:
    _base(root)
    bind(debezium_cassandra_agent(), root / "opt" / "debezium" / "connector.jar", read_only=True)
    _owned(root / "var" / "lib" / "debezium")


def _base(root: Path) -> None:
    system_files(root)
    java_settings(root)
    bind(Path("/etc/alternatives"), root / "etc" / "alternatives", read_only=True)  # Debian's awk
    bind(java_home_of(JAVA), root / "opt" / "java", read_only=True)
    (root / "etc" / "passwd").write_text(f"cassandra:x:{USER}:{USER}::/:/bin/bash\n")
    _owned(root / "var" / "lib" / "cassandra")


def _owned(folder: Path) -> None:
    folder.mkdir(parents=True)
    os.chown(folder, USER, USER)
