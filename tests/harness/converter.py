"""Apicurio's converter with rendered settings, in a JVM of its own: what a Connect worker would write and read."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.harness.namespace import Namespace
from tests.toolchain.java import java
from tests.toolchain.kafka import kafka_libs
from tests.toolchain.registry import avro_converter

_PROGRAM = Path(__file__).with_name("AvroRoundTrip.java")


def round_trip(namespace: Namespace, folder: Path, settings: Mapping[str, str]) -> tuple[bytes, str]:
    """The bytes of one value, and its id as they are read back. ``settings`` are the converter's own, secrets resolved; an
    error of the converter raises, with what it says."""
    file = folder / "converter.properties"
    file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="utf-8")
    command = namespace.command(java(), "-XX:TieredStopAtLevel=1", "-cp", _classes(), _PROGRAM, file)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise AssertionError(done.stderr[-3000:])
    written, read = done.stdout.split()
    return bytes.fromhex(written), read


def _classes() -> str:
    """A worker keeps a plugin's libraries from its own; here they are together, so only what the plugin lacks is added."""
    own = [path for name in ("connect-api", "kafka-clients", "slf4j-api") for path in kafka_libs().glob(f"{name}-*.jar")]
    return ":".join([f"{avro_converter() / 'avro-converter'}/*", *map(str, own)])
