"""What lets Kafka's programs start in half the processor time: an ahead-of-time cache of their classes (JEP 483, JEP 514).

It is made by a run of a broker, and one of a Connect worker beside it. Java before 25 starts as it always did, and so does a
program whose cache does not fit it.
"""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Literal

import httpx

from tests.harness.namespace import bind
from tests.harness.processes import LOOPBACK, Process, free_ports, is_listening
from tests.toolchain import versions
from tests.toolchain.cache import ToolUnavailable, ensure
from tests.toolchain.java import java, java_home
from tests.toolchain.kafka import LOGGING_FILE, kafka_libs

Program = Literal["broker", "connect"]
COLLECTOR = "-XX:+UseSerialGC"
"""Unless a user chose one."""

IN_IMAGE = "/opt/kafka-startup"

_LEAN = ("-XX:TieredStopAtLevel=1",)
"""How every program of the tests runs: they live for seconds."""

_SINCE = 25
_SECONDS = 120
"""To start, and to end: that is when a program writes its cache."""
_CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw"
_BROKER = """process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller}
log.dirs={folder}/data
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
"""
_CONNECT = """bootstrap.servers=127.0.0.1:{port}
group.id=training
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
config.storage.topic=configs
offset.storage.topic=offsets
status.storage.topic=states
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
plugin.discovery=service_load
listeners=http://127.0.0.1:{rest}
"""


@cache
def startup_folder() -> Path | None:
    """The folder of the caches, ``broker.aot`` and ``connect.aot``; ``None`` with a Java that knows none."""
    release = (java_home() / "release").read_text()
    version = re.search(r'^JAVA_RUNTIME_VERSION="([^"]+)"', release, re.MULTILINE)
    if version is None or int(version[1].split(".")[0].split("+")[0]) < _SINCE:
        return None
    return ensure("kafka-startup", f"{versions.KAFKA}-{version[1]}", _train)


def startup_options(program: Program, folder: Path | str | None = None) -> tuple[str, ...]:
    """Options of a Java that has all of :func:`~tests.toolchain.kafka.kafka_libs` as its classes and nothing before them.
    ``folder`` is where it sees :func:`startup_folder`, when not there."""
    found = startup_folder()
    if found is None:
        return _LEAN
    return (*_LEAN, f"-XX:AOTCache={folder or found}/{program}.aot", "-Xlog:aot*=off")


def visible_startup(root: Path) -> None:
    """Lend the caches to an image, at :data:`IN_IMAGE`."""
    found = startup_folder()
    if found is not None:
        bind(found, root / IN_IMAGE.lstrip("/"), read_only=True)


def _train(folder: Path) -> None:
    scratch = folder / "scratch"
    scratch.mkdir()
    port, controller, rest = free_ports(3)
    broker, connect = scratch / "broker.properties", scratch / "connect.properties"
    broker.write_text(_BROKER.format(port=port, controller=controller, folder=scratch))
    connect.write_text(_CONNECT.format(port=port, rest=rest))
    storage = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(broker)]
    subprocess.run(_command(*storage), check=True, capture_output=True)
    brokers = Process("broker", _command("kafka.Kafka", str(broker), output=folder / "broker.aot"), scratch / "broker.log")
    try:
        brokers.wait_ready(lambda: is_listening(port), _SECONDS)
        main = "org.apache.kafka.connect.cli.ConnectDistributed"
        workers = Process("connect", _command(main, str(connect), output=folder / "connect.aot"), scratch / "connect.log")
        try:
            workers.wait_ready(lambda: _answers(rest), _SECONDS)
        finally:
            workers.stop(_SECONDS)
    finally:
        brokers.stop(_SECONDS)
    shutil.rmtree(scratch)
    missing = [name for name in ("broker", "connect") if not (folder / f"{name}.aot").is_file()]
    if missing:
        raise ToolUnavailable(f"kafka-startup: Java made no cache of {', '.join(missing)}")


def _command(main: str, *arguments: str, output: Path | None = None) -> list[str]:
    libraries = kafka_libs()
    recorded = () if output is None else (f"-XX:AOTCacheOutput={output}",)
    logging = f"-Dlog4j2.configurationFile={libraries / LOGGING_FILE}"
    return [str(java()), *_LEAN, COLLECTOR, "-Xmx256m", *recorded, logging, "-cp", f"{libraries}/*", main, *arguments]


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://{LOOPBACK}:{port}/connectors", timeout=5).is_success
    except httpx.HTTPError:
        return False
