"""Debezium's plugins for Kafka Connect."""

from functools import partial
from pathlib import Path

from tests.toolchain import versions
from tests.toolchain.cache import ensure
from tests.toolchain.maven import Artifact, unpack_archive


def debezium_plugin(connector: str) -> Path:
    """A folder for Connect's ``plugin.path`` with one connector: ``mariadb``, ``mysql`` (sources) or ``jdbc`` (the sink)."""
    return ensure(f"debezium-{connector}", versions.DEBEZIUM, partial(_fill, connector=connector))


def _fill(folder: Path, connector: str) -> None:
    name = f"debezium-connector-{connector}"
    plugin = Artifact("io.debezium", name, versions.DEBEZIUM, classifier="plugin", type="tar.gz", alone=True)
    unpack_archive(f"debezium-{connector}", plugin, folder)
