"""``cdc status``: the pipelines as they run, each second."""

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.live import Live

from components.connect.check import addresses
from components.connect.derive import has_source_connector
from components.connect.names import connector_name
from components.core.errors import CdcError
from components.environment import EnvironmentSpec
from components.kafka.derive import change_topic, dlq_topic, format_name, sink_group, source_tables
from components.observability.scraping import PROMETHEUS_PORT
from components.sink.derive import pipelines as worker_pipelines
from components.sink.derive import worker_name
from components.sink.settings import PORT
from operations import project
from operations.connect.cluster import State
from operations.connect.rest import RestCluster
from operations.live.kafka import Cluster as Kafka
from operations.live.reach import KafkaConfig, KafkaPassword, kafka_settings, own_settings
from operations.options import Json, Root, Stack
from operations.terminal import console, print_json
from operations.watching.sources import KafkaWatch, Prometheus, Source, Workers
from operations.watching.state import KafkaSeen, Plan, Sample, Told, rows
from operations.watching.view import as_json as plain
from operations.watching.view import screen

_PATIENCE_SECONDS = 30
_POLL_SECONDS = 0.05

EPILOG = """Offsets and dead letters come from Kafka, states of connectors from Kafka Connect, and how far behind PostgreSQL is
(with breakers and errors) from the workers' metrics. What does not answer is said below the table; the rest is shown.

\b
Examples:
  cdc status dev
  cdc status dev --once
  cdc status prod --once --json --kafka-config client.properties
  cdc status dev --worker orders=http://127.0.0.1:8000/metrics

\b
Exit codes:
  0  shown
  2  bad input; with --once: no source answered"""


def command(
    stack: Stack,
    once: Annotated[bool, typer.Option("--once", help="Look, show, and end.")] = False,
    interval: Annotated[float, typer.Option("--interval", metavar="SECONDS", min=0.2, help="How often to look.")] = 1.0,
    kafka: KafkaConfig = None,
    kafka_password: KafkaPassword = None,
    connect: Annotated[
        list[str] | None, typer.Option("--connect", metavar="URL", help="REST address of a worker of the active colour.")
    ] = None,
    workers: Annotated[
        list[str] | None,
        typer.Option("--worker", metavar="PIPELINE=URL", help="Metrics of a sink worker. Default: as the spec names them."),
    ] = None,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Show the pipelines as they run: states, lag, rates and errors."""
    spec = project.load(project.find_root(root), stack)
    if not spec.pipelines:
        raise CdcError(f"{spec.name} has no pipelines\n      → declare one; see cdc explain pipelines")
    settings = own_settings(spec) if kafka is None else kafka_settings(kafka, kafka_password)
    plans = [_plan(spec, index) for index in range(len(spec.pipelines))]
    with ExitStack() as stacked:
        watched = stacked.enter_context(Kafka(spec.name, {**settings, "socket.timeout.ms": "5000"}))
        watch = Watch(
            Source("kafka", KafkaWatch(watched, plans), interval),
            _connect(spec, connect, interval),
            _workers(spec, workers or [], interval),
        )
        stacked.callback(watch.stop)
        watch.start()
        if once or as_json:
            _show_once(spec.name, plans, watch, as_json)
        else:
            _show_live(spec.name, plans, watch, interval)


class Watch:
    """Every source of an environment."""

    def __init__(
        self,
        kafka: "Source[KafkaSeen]",
        connect: "Source[Mapping[str, State]] | None",
        workers: "Sequence[Source[dict[str, list[Sample]]]]",
    ) -> None:
        self.kafka, self.connect, self.workers = kafka, connect, workers

    @property
    def all(self) -> "list[Source[Any]]":
        return [self.kafka, *([] if self.connect is None else [self.connect]), *self.workers]

    def start(self) -> None:
        for source in self.all:
            source.start()

    def stop(self) -> None:
        for source in self.all:
            source.stop()

    def told(self) -> Told:
        """What is known now."""
        history = list(self.kafka.history)
        return Told(
            kafka=self.kafka.answer,
            before=history[0] if len(history) > 1 else None,
            connect=None if self.connect is None else self.connect.answer,
            workers={name: samples for source in self.workers for name, samples in (source.answer or {}).items()},
        )

    def silent(self) -> dict[str, str]:
        return {source.name: source.why for source in self.all}


def _plan(spec: EnvironmentSpec, index: int) -> Plan:
    pipeline = spec.pipelines[index]
    names, reads = spec.naming, spec.connect is not None and has_source_connector(pipeline)
    return Plan(
        name=pipeline.name,
        tenant=pipeline.tenant,
        topics=tuple(dict.fromkeys(change_topic(pipeline, names, table) for table in source_tables(pipeline))),
        dlq=dlq_topic(pipeline, names),
        heartbeat=f"{format_name(names.internal, pipeline)}_heartbeat",
        group=sink_group(pipeline, names),
        connector=connector_name(pipeline.name, "source", spec.connect.active, spec.target) if reads and spec.connect else "",
    )


def _connect(spec: EnvironmentSpec, given: list[str] | None, interval: float) -> "Source[Mapping[str, State]] | None":
    if spec.connect is None:
        return None
    urls = given or (addresses(spec.connect, spec, spec.connect.active) if spec.target == "docker" else [])
    return Source("connect", _Connectors(spec.connect.active, urls), interval)


class _Connectors:
    def __init__(self, colour: str, urls: Sequence[str]) -> None:
        self._cluster, self._urls = RestCluster(colour, urls), urls

    def __call__(self) -> Mapping[str, State]:
        if not self._urls:
            raise CdcError("on Kubernetes its address is not known here; give one with --connect URL")
        return self._cluster.states()


def _workers(spec: EnvironmentSpec, given: list[str], interval: float) -> "list[Source[dict[str, list[Sample]]]]":
    """Each pipeline's workers; where nothing else is said and this machine reaches Prometheus, that one in place of them."""
    if spec.sink is None:
        return []
    known = {pipeline.name: worker_name(pipeline) for _, pipeline in worker_pipelines(spec)}
    said: dict[str, list[str]] = {}
    for text in given:
        name, sign, url = text.partition("=")
        if name not in known or not sign or not url.startswith(("http://", "https://")):
            raise CdcError(
                f"--worker {text}: is no PIPELINE=URL\n      → name one of: {', '.join(known) or 'none has workers'}"
            )
        said.setdefault(name, []).append(url)
    observed = spec.observability
    if not said and spec.target == "docker" and observed is not None and observed.prometheus.publish:
        return [Source("prometheus", Prometheus(f"http://127.0.0.1:{PROMETHEUS_PORT}"), interval)]
    return [
        Source(f"workers of {name}", Workers(name, said.get(name) or _own(spec, worker)), interval)
        for name, worker in known.items()
    ]


def _own(spec: EnvironmentSpec, worker: str) -> list[str]:
    if spec.target == "kubernetes" or spec.sink is None:
        return [f"http://{worker}.{spec.kubernetes.namespace}.svc:{PORT}/metrics"]
    return [f"http://{worker}-{number}:{PORT}/metrics" for number in range(spec.sink.replicas)]


def _show_once(environment: str, plans: list[Plan], watch: Watch, as_json: bool) -> None:
    """Kafka twice, for its rates; each other source as soon as it has answered, or failed."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        enough = watch.kafka.asked >= (2 if not watch.kafka.why else 1)
        if enough and all(source.asked for source in watch.all):
            break
        time.sleep(_POLL_SECONDS)
    found, told = rows(plans, watch.told()), watch.silent()
    if as_json:
        print_json(plain(environment, found, told))
    else:
        console().print(screen(environment, _now(), found, told))
    if all(told.values()):
        raise typer.Exit(2)


def _show_live(environment: str, plans: list[Plan], watch: Watch, interval: float) -> None:
    """In place on a terminal; one screen after the other elsewhere."""
    out = console()
    with Live(console=out, auto_refresh=False) if out.is_terminal else nullcontext() as live:
        try:
            while True:
                lines = out.height if live is not None else None
                shown = screen(environment, _now(), rows(plans, watch.told()), watch.silent(), lines)
                if live is None:
                    out.print(shown)
                    sys.stdout.flush()
                else:
                    live.update(shown, refresh=True)
                time.sleep(interval)
        except KeyboardInterrupt:
            return


def _now() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S")
