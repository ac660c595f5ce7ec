"""Cassandra, and Debezium's agent for it, as folders of jars."""

from pathlib import Path

from tests.toolchain import versions
from tests.toolchain.cache import ensure
from tests.toolchain.maven import Artifact, copy_dependencies

AGENT = "debezium-connector-cassandra-5"


def cassandra_libs() -> Path:
    """A folder with every jar of Cassandra, for a class path."""
    return ensure("cassandra-libs", versions.CASSANDRA, _fill_cassandra)


def debezium_cassandra_agent() -> Path:
    """The jar of Debezium's agent for Cassandra 5, which brings everything."""
    folder = ensure("debezium-cassandra", versions.DEBEZIUM_CASSANDRA, _fill_agent)
    return folder / f"{AGENT}-{versions.DEBEZIUM_CASSANDRA}-jar-with-dependencies.jar"


def _fill_cassandra(folder: Path) -> None:
    copy_dependencies("cassandra", [Artifact("org.apache.cassandra", "cassandra-all", versions.CASSANDRA)], folder)


def _fill_agent(folder: Path) -> None:
    agent = Artifact("io.debezium", AGENT, versions.DEBEZIUM_CASSANDRA, classifier="jar-with-dependencies", alone=True)
    copy_dependencies("debezium-cassandra", [agent], folder)
