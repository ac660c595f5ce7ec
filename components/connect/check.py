"""What must hold between Connect and the rest of the environment. Pure."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.connect.connectors import connectors
from components.connect.derive import has_sink_connector, has_source_connector, worker_names
from components.connect.names import COLOURS, Colour
from components.connect.routes import native_topic, routed, routes, topic_prefix
from components.connect.server_ids import server_ids
from components.connect.worker import is_owned
from components.core.errors import Problem
from components.core.paths import format_step
from components.kafka.clients import listener_problems
from components.kafka.derive import change_topic

if TYPE_CHECKING:
    from components.connect.spec import ConnectSpec
    from components.environment import EnvironmentSpec


_LAST_PORT = 65_535
_ENCRYPTION = "database.ssl."


def misfits(connect: "ConnectSpec", environment: "EnvironmentSpec") -> Iterator[Problem]:
    """Every problem; paths begin at the environment's root."""
    yield from _target(connect, environment)
    for key in connect.config:
        if is_owned(key):
            yield Problem(f"connect.config{format_step(key)}", "is set by the platform", "leave it out here")
    listeners = listener_problems(environment.kafka)
    yield from listeners
    if environment.pipelines and not any(has_source_connector(p) or has_sink_connector(p) for p in environment.pipelines):
        yield Problem(
            "connect",
            "no pipeline has a connector, so that both colours would run nothing",
            "leave connect out: Cassandra is read by agents, see cassandraAgent",
        )
    yield from _converter(connect, environment)
    yield from _server_ids(connect, environment)
    yield from _pipelines(environment)
    if not listeners:
        yield from _connector_settings(environment)


def _converter(connect: "ConnectSpec", environment: "EnvironmentSpec") -> Iterator[Problem]:
    registry = environment.schema_registry
    if connect.converter != "apicurio" or registry is None:
        return
    if registry.distribution != "apicurio":
        yield Problem("connect.converter", f"the registry is {registry.distribution}'s", "leave it at confluent")


def _target(connect: "ConnectSpec", environment: "EnvironmentSpec") -> Iterator[Problem]:
    if environment.target == "kubernetes":
        for colour in COLOURS:
            if connect.image is None and connect.build is None and colour not in connect.images:
                yield Problem(
                    "connect.image",
                    f"nothing says which image {colour} runs: Strimzi's own has no Debezium",
                    "name an image made from Strimzi's, or let the operator build one: see connect.build",
                )
                return
        return
    for field, value in (("build", connect.build), ("autoscaling", connect.autoscaling)):
        if value is not None:
            yield Problem(f"connect.{field}", "exists on Kubernetes only", "leave it out for the docker target")
    last = connect.host_port + sum(connect.workers(colour) for colour in COLOURS) - 1
    if last > _LAST_PORT:
        yield Problem("connect.hostPort", f"the last worker would be on port {last}", "write a lower one")
    for index, listener in enumerate(environment.kafka.listeners):
        ports = range(listener.port, listener.port + environment.kafka.brokers.replicas)
        if listener.type == "host" and ports[0] <= last and connect.host_port <= ports[-1]:
            yield Problem(
                "connect.hostPort",
                f"workers are published on {connect.host_port} to {last}, where kafka.listeners[{index}] is",
                "choose another, such as 18083",
            )


def published_port(connect: "ConnectSpec", colour: Colour, number: int) -> int:
    """Where on 127.0.0.1 a worker of the docker target answers."""
    return connect.host_port + number + (connect.workers("blue") if colour == "green" else 0)


def addresses(connect: "ConnectSpec", environment: "EnvironmentSpec", colour: Colour) -> tuple[str, ...]:
    """The published REST addresses of a colour on docker."""
    count = len(worker_names(connect, environment.kafka, colour))
    return tuple(f"http://127.0.0.1:{published_port(connect, colour, number)}" for number in range(count))


def _server_ids(connect: "ConnectSpec", environment: "EnvironmentSpec") -> Iterator[Problem]:
    names = [pipeline.name for pipeline in environment.pipelines if has_source_connector(pipeline)]
    for name in connect.server_ids:
        if name not in names:
            yield Problem(
                f"connect.serverIds{format_step(name)}",
                f"no pipeline {name} has a source connector",
                f"use one of: {', '.join(names) or 'none declared'}",
            )
    taken: dict[int, tuple[str, Colour]] = {}
    for pipeline, colour, number in server_ids(connect, environment.name, names):
        other = taken.setdefault(number, (pipeline, colour))
        if other != (pipeline, colour):
            yield Problem(
                f"connect.serverIds{format_step(pipeline)}",
                f"{number} on {colour} is the id of {other[0]} on {other[1]} too",
                "give one of them another id here; green takes the one after it",
            )


def _pipelines(environment: "EnvironmentSpec") -> Iterator[Problem]:
    for index, pipeline in enumerate(environment.pipelines):
        if has_sink_connector(pipeline) and not has_source_connector(pipeline):
            yield Problem(
                f"pipelines[{index}].sink.via",
                "the JDBC sink cannot read what Debezium writes for Cassandra",
                "leave it at sink-worker",
            )
        if not has_source_connector(pipeline):
            continue
        found = routes(pipeline, environment.naming)
        prefix = topic_prefix(pipeline, environment.naming)
        for table, override in pipeline.tables.items():
            wanted = change_topic(pipeline, environment.naming, table)
            if override.name is not None and routed(found, native_topic(prefix, table)) != wanted:
                yield Problem(
                    f"pipelines[{index}].tables{format_step(table)}.name",
                    f"{wanted} is a name that Debezium itself gives to another table of the pipeline",
                    "choose another name",
                )


def _connector_settings(environment: "EnvironmentSpec") -> Iterator[Problem]:
    """What a user adds to a connector is neither the platform's nor a secret, nor what a field of the spec says."""
    for connector in connectors(environment, "blue"):
        for key in connector.refused:
            path = f"pipelines[{connector.index}].connector.config{format_step(key)}"
            yield Problem(path, "is set by the platform", "leave it out here")
    for index, pipeline in enumerate(environment.pipelines):
        for key, value in pipeline.connector.config.items():
            if key.startswith(_ENCRYPTION):
                path = f"pipelines[{index}].connector.config{format_step(key)}"
                yield Problem(path, "belongs to the source", "write pipelines[].source.<kind>.tls")
            elif key.endswith("password") and not str(value).startswith("${"):
                path = f"pipelines[{index}].connector.config{format_step(key)}"
                yield Problem(
                    path,
                    "a secret is written as a reference, never as its value",
                    "write a reference of the config provider, ${…}",
                )
