"""Stands in for ``debezium/connect``, whose registry cannot be reached: its paths, with Kafka's jars and Debezium's plugins.

What it does not have: Debezium's entrypoint, which the platform does not use, and Kafka of the release that the image has.
"""

from pathlib import Path

from tests.harness.compose_project import Image
from tests.harness.kafka_startup import COLLECTOR, IN_IMAGE, startup_options, visible_startup
from tests.harness.namespace import bind
from tests.harness.system_files import java_settings, system_files
from tests.toolchain.debezium import debezium_plugin
from tests.toolchain.java import java_home
from tests.toolchain.jmx_exporter import jmx_exporter
from tests.toolchain.kafka import kafka_libs
from tests.toolchain.registry import avro_converter

CONNECTORS = ("mariadb", "mysql", "jdbc")
SCRIPT = """#!/bin/bash
mkdir -p "$LOG_DIR" || exit 1
exec java {startup} $KAFKA_HEAP_OPTS ${{KAFKA_JVM_PERFORMANCE_OPTS:-{collector}}} \\
    $KAFKA_LOG4J_OPTS $KAFKA_OPTS -cp '/opt/kafka-libs/*' org.apache.kafka.connect.cli.ConnectDistributed "$@"
"""


def connect_image() -> Image:
    """With Java, ``bash``, ``grep`` and ``head``."""
    return Image(lambda root: _fill(root, CONNECTORS), {"PATH": "/opt/java/bin:/usr/bin:/bin"})


def connect_image_without_debezium() -> Image:
    """A release gone wrong: nothing is in its folder of connectors."""
    return Image(lambda root: _fill(root, ()), {"PATH": "/opt/java/bin:/usr/bin:/bin"})


def _fill(root: Path, connectors: tuple[str, ...]) -> None:
    system_files(root)
    java_settings(root)
    bind(java_home(), root / "opt" / "java", read_only=True)
    bind(kafka_libs(), root / "opt" / "kafka-libs", read_only=True)
    visible_startup(root)
    (root / "kafka" / "libs").mkdir(parents=True)
    bind(jmx_exporter(), root / "kafka" / "libs" / jmx_exporter().name, read_only=True)
    (root / "kafka" / "connect").mkdir()
    for connector in connectors:
        [folder] = debezium_plugin(connector).iterdir()
        bind(folder, root / "kafka" / "connect" / folder.name, read_only=True)
    bind(avro_converter() / "avro-converter", root / "kafka" / "external_libs" / "apicurio", read_only=True)
    script = root / "kafka" / "bin" / "connect-distributed.sh"
    script.parent.mkdir()
    startup = " ".join(startup_options("connect", IN_IMAGE))
    script.write_text(SCRIPT.format(startup=startup, collector=COLLECTOR))
    script.chmod(0o755)
