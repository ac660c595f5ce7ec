"""Kafka Connect as containers on one machine, and its connectors as files for ``cdc connect apply``. Pure."""

from typing import TYPE_CHECKING

from components.connect.access import FOLDER, secrets
from components.connect.check import published_port
from components.connect.connectors import connectors
from components.connect.derive import REST_PORT, worker_names
from components.connect.names import COLOURS, COMPONENT, CONNECTORS, Colour
from components.connect.worker import properties
from components.core import versions
from components.core.jmx import RULES_FILE, with_agent
from components.core.rendered import HealthCheck, Rendered, Workload
from components.core.secrets import mounted
from components.development.derive import waits_for_kafka
from components.kafka.render_docker import CONSOLE_LOGGING, LOGGING, TEMPORARY, jvm_options
from components.observability.derive import agent
from components.observability.jmx import connect_rules
from components.tracing.senders import java_variables

if TYPE_CHECKING:
    from components.connect.spec import ConnectSpec
    from components.environment import EnvironmentSpec

PROPERTIES = "/etc/cdc/connect.properties"
USER = "1001:1001"
"""``kafka`` of Debezium's image."""

START_SECONDS = 180
"""How long a worker may take to look through its plugins and to read its topics."""

_HEALTHY = "exec 3<>/dev/tcp/{name}/{port} && printf 'GET /health HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"
"""``/health`` answers 200 once the worker is a member of its group (KIP-1017). The image need not have curl."""


def render(environment: "EnvironmentSpec", connect: "ConnectSpec") -> Rendered:
    """Workers of both colours; the connectors' files of the active one."""
    workloads = tuple(
        _worker(environment, connect, colour, number, name)
        for colour in COLOURS
        for number, name in enumerate(worker_names(connect, environment.kafka, colour))
    )
    files = {workload.tree_path(path): text for workload in workloads for path, text in workload.files.items()}
    for connector in connectors(environment, connect.active):
        files[f"{CONNECTORS}/{connect.active}/{connector.name}.json"] = connector.text()
    return Rendered(workloads=workloads, files=files)


def _worker(environment: "EnvironmentSpec", connect: "ConnectSpec", colour: Colour, number: int, name: str) -> Workload:
    heap = f"{connect.heap_bytes >> 20}m"
    variables = {
        "EXTRA_ARGS": "-name connectDistributed",
        "KAFKA_HEAP_OPTS": f"-Xms{heap} -Xmx{heap}",
        "KAFKA_LOG4J_OPTS": f"-Dlog4j2.configurationFile={LOGGING}",
        "LOG_DIR": "/tmp/connect-logs",  # noqa: S108 - the container's own
    }
    variables |= _tracing(environment, name)
    if connect.jvm.options:
        variables["KAFKA_JVM_PERFORMANCE_OPTS"] = jvm_options(connect.jvm.options)
    rules = {} if agent(environment, COMPONENT) is None else {RULES_FILE: connect_rules()}
    return Workload(
        component=COMPONENT,
        name=name,
        image=connect.images.get(colour) or connect.image or versions.CONNECT_IMAGE,
        command=_command(environment, name),
        environment=variables,
        files={PROPERTIES: properties(environment, connect, colour, name), LOGGING: CONSOLE_LOGGING, **rules},
        mounts=(mounted(name, FOLDER),) if secrets(environment, colour) else (),
        ports=((published_port(connect, colour, number), REST_PORT),),
        tmpfs=(TEMPORARY,),
        user=USER,
        memory_bytes=connect.resources.memory,
        cpu_millicores=connect.resources.cpu_limit_millicores,
        health=HealthCheck(
            command=("bash", "-c", _HEALTHY.format(name=name, port=REST_PORT)), start_period_seconds=START_SECONDS
        ),
        depends_on=waits_for_kafka(environment),
    )


def _command(environment: "EnvironmentSpec", name: str) -> tuple[str, ...]:
    """The worker itself; a shell before it where a JMX exporter is looked for."""
    pattern, start = agent(environment, COMPONENT), ("/kafka/bin/connect-distributed.sh", PROPERTIES)
    if pattern is None:
        return start
    return ("bash", "-c", f"{with_agent(pattern, name)}; exec {' '.join(start)}")


def _tracing(environment: "EnvironmentSpec", name: str) -> dict[str, str]:
    """OpenTelemetry's Java agent makes a span of each record that is produced, and gives the record its context in a header."""
    tracing = environment.tracing
    if tracing is None or tracing.java_agent is None:
        return {}
    return {**java_variables(environment, name, FOLDER), "KAFKA_OPTS": f"-javaagent:{tracing.java_agent}"}
