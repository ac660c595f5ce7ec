"""Cassandra, and Debezium's agent for it, as folders of jars; and Cassandra's shell."""

import sys
import tempfile
from pathlib import Path

from tests.toolchain import versions
from tests.toolchain.cache import ensure, run_step
from tests.toolchain.maven import Artifact, copy_dependencies

AGENT = "debezium-connector-cassandra-5"


def cassandra_libs() -> Path:
    """A folder with every jar of Cassandra, for a class path."""
    return ensure("cassandra-libs", versions.CASSANDRA, _fill_cassandra)


def debezium_cassandra_agent() -> Path:
    """The jar of Debezium's agent for Cassandra 5, which brings everything."""
    folder = ensure("debezium-cassandra", versions.DEBEZIUM_CASSANDRA, _fill_agent)
    return folder / f"{AGENT}-{versions.DEBEZIUM_CASSANDRA}-jar-with-dependencies.jar"


def cqlsh_packages() -> Path:
    """A folder with Cassandra's shell as the Python package ``cqlshlib``. The driver that it needs is the tests' own."""
    return ensure("cqlsh", versions.CQLSH, _fill_cqlsh)


def _fill_cassandra(folder: Path) -> None:
    copy_dependencies("cassandra", [Artifact("org.apache.cassandra", "cassandra-all", versions.CASSANDRA)], folder)


def _fill_agent(folder: Path) -> None:
    agent = Artifact("io.debezium", AGENT, versions.DEBEZIUM_CASSANDRA, classifier="jar-with-dependencies", alone=True)
    copy_dependencies("debezium-cassandra", [agent], folder)


def _fill_cqlsh(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        wanted = Path(scratch, "requirements.txt")
        wanted.write_text("".join(f"{name} --hash=sha256:{digest}\n" for name, digest in versions.CQLSH_HASHES.items()))
        install = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--no-compile",
        ]
        run_step("cqlsh", [*install, "--require-hashes", f"--target={folder}", f"--requirement={wanted}"])
