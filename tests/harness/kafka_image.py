"""Stands in for ``apache/kafka``, whose registry cannot be reached: the same paths, from Kafka's own jars.

The jars come without Kafka's start scripts, so the two that are needed are written here; they start the same classes with the
same environment variables.
"""

import os
from pathlib import Path

from tests.harness.compose_project import Image
from tests.harness.kafka_startup import COLLECTOR, IN_IMAGE, Program, startup_options, visible_startup
from tests.harness.namespace import bind
from tests.harness.system_files import java_settings, system_files
from tests.toolchain.java import java_home
from tests.toolchain.kafka import kafka_libs

APPUSER = 1000
OWNED_BY_APPUSER = ("var/lib/kafka/data", "var/lib/kafka/tiered")
"""The first is in Kafka's image; the second must be brought by the image that also brings the local tiered store."""

SCRIPT = """#!/bin/bash
mkdir -p "$LOG_DIR" || exit 1
exec java {startup} $KAFKA_HEAP_OPTS ${{KAFKA_JVM_PERFORMANCE_OPTS:-{collector}}} \\
    $KAFKA_LOG4J_OPTS $KAFKA_OPTS -cp '/opt/kafka/libs/*' {main_class} "$@"
"""
SCRIPTS: dict[str, tuple[str, Program]] = {
    "connect-mirror-maker.sh": ("org.apache.kafka.connect.mirror.MirrorMaker", "connect"),
    "kafka-storage.sh": ("kafka.tools.StorageTool", "broker"),
    "kafka-server-start.sh": ("kafka.Kafka", "broker"),
}


def kafka_image() -> Image:
    """With Java, ``bash``, and the folders of the image that its user owns."""
    return Image(_fill, {"PATH": "/opt/java/bin:/usr/bin:/bin"})


def _fill(root: Path) -> None:
    system_files(root)
    java_settings(root)
    bind(java_home(), root / "opt" / "java", read_only=True)
    bind(kafka_libs(), root / "opt" / "kafka" / "libs", read_only=True)
    scripts = root / "opt" / "kafka" / "bin"
    scripts.mkdir()
    visible_startup(root)
    for name, (main_class, program) in SCRIPTS.items():
        startup = " ".join(startup_options(program, IN_IMAGE))
        (scripts / name).write_text(SCRIPT.format(main_class=main_class, startup=startup, collector=COLLECTOR))
        (scripts / name).chmod(0o755)
    for name in OWNED_BY_APPUSER:
        (root / name).mkdir(parents=True)
        os.chown(root / name, APPUSER, 0)
