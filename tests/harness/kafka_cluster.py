"""A real Kafka cluster: one Java process for each node, from complete ``server.properties`` files."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.harness.kafka_startup import COLLECTOR, startup_options
from tests.harness.processes import Process, is_listening
from tests.toolchain.java import java
from tests.toolchain.kafka import LOGGING_FILE, kafka_libs

READY_SECONDS = 90
TOOL_SECONDS = 120
SERVER_MEMORY = "-Xmx384m"
TOOL_MEMORY = "-Xmx128m"


class ToolError(RuntimeError):
    """One of Kafka's command-line tools ended with an error; the message has all of its output."""


@dataclass(frozen=True)
class KafkaNode:
    """One node to run. ``port`` is one that it listens on, be it as a broker or as a controller."""

    node_id: int
    properties: Path
    port: int
    jvm_options: tuple[str, ...] = ()


def java_command(*options: str) -> list[str]:
    """A Java command line that has Kafka's classes, a quick start, and logs on the standard error."""
    libraries = kafka_libs()
    logging = f"-Dlog4j2.configurationFile={libraries / LOGGING_FILE}"
    return [str(java()), *startup_options("broker"), COLLECTOR, logging, *options, "-cp", f"{libraries}/*"]


def run_tool(main_class: str, *arguments: str, stdin: str = "", timeout: float = TOOL_SECONDS) -> str:
    """The standard output of one of Kafka's command-line tools; :class:`ToolError` when it ends with an error."""
    done = subprocess.run(
        [*java_command(TOOL_MEMORY), main_class, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode != 0:
        raise ToolError(f"{main_class} {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class KafkaCluster:
    """Nodes by name. Entering the context formats their storage, starts all, and waits until each serves."""

    def __init__(
        self,
        nodes: Mapping[str, KafkaNode],
        cluster_id: str,
        log_folder: Path,
        *,
        format_arguments: Sequence[str] = (),
        ready_seconds: float = READY_SECONDS,
    ) -> None:
        """``format_arguments`` go to every ``StorageTool format``, as ``--add-scram …``; logs are ``log_folder/NAME.log``."""
        self.nodes = dict(nodes)
        self.cluster_id = cluster_id
        self._log_folder = log_folder
        self._format_arguments = tuple(format_arguments)
        self._ready_seconds = ready_seconds
        self._processes: dict[str, Process] = {}

    def format(self) -> None:
        """Give every node that has no storage yet a formatted one."""
        with ThreadPoolExecutor(os.cpu_count()) as workers:
            list(workers.map(self._format, self.nodes.values()))

    def start(self, *names: str) -> None:
        """Start the named nodes, or all, and wait until they serve."""
        chosen = names or tuple(self.nodes)
        for name in chosen:
            self._processes[name] = self._launch(name)
        for name in chosen:
            self._wait_ready(name)

    def stop(self, name: str, grace: float = 30) -> None:
        """Shut a node down as an operator would: it hands its partitions over first."""
        self._processes.pop(name).stop(grace)

    def kill(self, name: str) -> None:
        """End a node with no warning, as by ``kill -9``."""
        self._processes.pop(name).kill()

    def process(self, name: str) -> Process:
        """The running process of a node."""
        return self._processes[name]

    def log(self, name: str) -> Path:
        """The log file of a node; it goes on over restarts."""
        return self._log_folder / f"{name}.log"

    def tool(self, main_class: str, *arguments: str, stdin: str = "", timeout: float = TOOL_SECONDS) -> str:
        """See :func:`run_tool`."""
        return run_tool(main_class, *arguments, stdin=stdin, timeout=timeout)

    def close(self) -> None:
        """End every node at once. Nothing is handed over: there is nobody left to hand it to."""
        while self._processes:
            self._processes.popitem()[1].kill()

    def _format(self, node: KafkaNode) -> None:
        run_tool(
            "kafka.tools.StorageTool",
            "format",
            "--cluster-id",
            self.cluster_id,
            "--config",
            str(node.properties),
            "--ignore-formatted",
            *self._format_arguments,
        )

    def _launch(self, name: str) -> Process:
        node = self.nodes[name]
        options = java_command(SERVER_MEMORY, "-Dkafka.log.level=INFO", *node.jvm_options)
        return Process(f"Kafka node {name}", [*options, "kafka.Kafka", node.properties], self.log(name))

    def _wait_ready(self, name: str) -> None:
        node, process = self.nodes[name], self._processes[name]
        started = f"[KafkaRaftServer nodeId={node.node_id}] Kafka Server started"
        process.wait_ready(lambda: is_listening(node.port) and started in process.output(), self._ready_seconds)

    def __enter__(self) -> Self:
        try:
            self.format()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
