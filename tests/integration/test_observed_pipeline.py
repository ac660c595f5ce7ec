"""One change from MariaDB to PostgreSQL, watched: the metrics that are named are there, its trace leads all the way, and
``cdc status`` shows what Connect, Kafka, the worker and Prometheus say."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pymysql
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from components.core import yaml_text
from components.observability import jmx
from components.observability.render_docker import prometheus_yml
from components.tracing.names import COLLECTOR
from components.tracing.senders import java_variables
from components.tracing.spec import TracingSpec
from operations import status
from operations.project import load
from tests.harness.cdc_command import Outcome, Project, project
from tests.harness.connect_cluster import ConnectCluster, json_converters
from tests.harness.kafka_broker import KafkaBroker
from tests.harness.mariadb_server import USER, MariadbServer
from tests.harness.metric_names import EXPORTED, exposed, of_sink_worker
from tests.harness.observed import observed
from tests.harness.postgres_server import SUPERUSER, PostgresServer
from tests.harness.processes import LOOPBACK, Process, free_port, wait_until
from tests.harness.sink_worker import HASTY, SinkWorker, merged
from tests.harness.tracing import Tracer, running_tracer
from tests.toolchain.debezium import debezium_plugin
from tests.toolchain.jmx_exporter import jmx_exporter
from tests.toolchain.opentelemetry import otel_java_agent
from tests.toolchain.prometheus import prometheus_program

pytestmark = pytest.mark.integration

WAIT_SECONDS = 120
TOPIC, HISTORY = "shop_orders.shop.orders", "shop_orders_schema_history"
SERVICE = "cdc-connect-blue"
QUICK_GROUPS = {"group.min.session.timeout.ms": "1000"}
SPEC = """
config:
  cdc-platform:environment:
    tier: development
    target: docker
    kafka: {controllers: 0, brokers: 1, listeners: [{name: plain, port: 9092, tls: false}]}
    connect: {}
    sink: {image: "acme/sink-worker:1", replicas: 1}
    observability: {}
    tenants: [{name: shop, owner: team-shop}]
    pipelines:
      - name: orders
        tenant: shop
        source: {mariadb: {host: db, password: "secret:db#password", tables: [shop.orders]}}
        sink: {postgres: {host: rows, database: warehouse, password: "secret:rows#password"}}
        tables: {shop.orders: {name: shop_orders.shop.orders}}
"""


@dataclass(frozen=True)
class Watched:
    """What runs, and where its metrics are."""

    broker: KafkaBroker
    source: MariadbServer
    connect: ConnectCluster
    worker: SinkWorker
    tracer: Tracer
    kafka_metrics: int
    connect_metrics: int
    project: Project

    def execute(self, *statements: str) -> None:
        """In MariaDB, each a transaction."""
        with pymysql.connect(host=LOOPBACK, port=self.source.port, user=USER, autocommit=True) as connection:
            for statement in statements:
                connection.cursor().execute(statement)

    def status(self, *more: str) -> Outcome:
        """``cdc status``, which finds Prometheus by itself where no ``--worker`` is named."""
        connect = f"http://{LOOPBACK}:{self.connect.port}"
        client = str(self.project.root / "client.properties")
        return self.project.cdc("status", "live", "--once", "--kafka-config", client, "--connect", connect, *more)

    def row(self, *more: str) -> dict[str, Any]:
        """What it says of the pipeline."""
        done = self.status("--json", *more)
        assert done.code == 0, done.text
        [row] = json.loads(done.out)["pipelines"]
        return dict(row)

    @property
    def asked_directly(self) -> tuple[str, str]:
        """The option that names the worker's own metrics."""
        return ("--worker", f"orders=http://{LOOPBACK}:{self.worker.port}/metrics")


def read(port: int) -> str:
    return httpx.get(f"http://{LOOPBACK}:{port}/metrics", timeout=30, trust_env=False).raise_for_status().text


def jmx_agent(folder: Path, name: str, rules: str) -> tuple[str, int]:
    """A JVM's option for the JMX exporter with the rendered ``rules``, and the port that it serves."""
    file, port = folder / f"{name}.yaml", free_port()
    file.write_text(rules)
    return f"-javaagent:{jmx_exporter()}={LOOPBACK}:{port}:{file}", port


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    kafka_agent, kafka_metrics = jmx_agent(folder, "kafka", jmx.kafka_rules())
    connect_agent, connect_metrics = jmx_agent(folder, "connect", jmx.connect_rules())
    with ExitStack() as stack, pytest.MonkeyPatch.context() as environment:
        tracer = stack.enter_context(running_tracer(folder / "tracing", TracingSpec(sampling="100%")))
        broker = stack.enter_context(KafkaBroker(folder / "kafka", QUICK_GROUPS, (kafka_agent,)))
        source = stack.enter_context(MariadbServer(folder))
        postgres = stack.enter_context(PostgresServer(folder))
        postgres.psql("CREATE TABLE public.orders (id integer PRIMARY KEY, text text)")
        _fill(broker, source)
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # Python's exporter would trust these instead
            environment.delenv(name, raising=False)
        for name, value in _java_variables(tracer).items():
            environment.setenv(name, value)
        options = (connect_agent, f"-javaagent:{otel_java_agent()}")
        connect = ConnectCluster(
            folder / "connect", broker.bootstrap, [debezium_plugin("mariadb")], memory="-Xmx512m", jvm_options=options
        )
        stack.enter_context(connect)
        connect.create("orders-source", _connector(broker, source))
        worker = stack.enter_context(SinkWorker(folder, _settings(broker, postgres, tracer), name="worker"))
        with psycopg.connect(postgres.dsn(), autocommit=True) as target:
            query = "SELECT count(*) FROM public.orders"
            wait_until("the row is written", lambda: target.execute(query).fetchone() == (1,), WAIT_SECONDS)
        made = project(folder, live=SPEC)
        (folder / "client.properties").write_text(f"bootstrap.servers={broker.bootstrap}\n")
        yield Watched(broker, source, connect, worker, tracer, kafka_metrics, connect_metrics, made)


def _java_variables(tracer: Tracer) -> dict[str, str]:
    """Those that are rendered, with the test's collector; every change is followed. Python's SDK reads its certificate there
    too, and its sampler (the worker's spans are roots: they are all kept)."""
    spec = observed("prod")
    assert spec.tracing is not None
    spec = spec.model_copy(update={"tracing": spec.tracing.model_copy(update={"sampling": 100})})
    rendered = java_variables(spec, SERVICE, "/mnt")
    assert (rendered["OTEL_TRACES_SAMPLER_ARG"], rendered["OTEL_EXPORTER_OTLP_CERTIFICATE"]) == (
        "1",
        "/mnt/otel-collector-ca.pem",
    )
    placed = {"OTEL_EXPORTER_OTLP_ENDPOINT": tracer.grpc, "OTEL_EXPORTER_OTLP_CERTIFICATE": str(tracer.ca)}
    return {**rendered, **placed, "OTEL_BSP_SCHEDULE_DELAY": "200"}


def _fill(broker: KafkaBroker, source: MariadbServer) -> None:
    with pymysql.connect(host=LOOPBACK, port=source.port, user=USER, autocommit=True) as connection:
        for statement in (
            "CREATE DATABASE shop",
            "CREATE TABLE shop.orders (id INT PRIMARY KEY, text VARCHAR(40))",
            "INSERT INTO shop.orders VALUES (1, 'one')",
        ):
            connection.cursor().execute(statement)
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for future in admin.create_topics([NewTopic(topic, 1, 1) for topic in (TOPIC, HISTORY)]).values():
        future.result(30)


def _connector(broker: KafkaBroker, source: MariadbServer) -> dict[str, str]:
    history = "schema.history.internal.kafka"
    return {
        "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
        "tasks.max": "1",
        "database.hostname": LOOPBACK,
        "database.port": str(source.port),
        "database.user": USER,
        "database.password": "",
        "database.server.id": "77",
        "database.ssl.mode": "disable",
        "topic.prefix": "shop_orders",
        "table.include.list": "shop.orders",
        "include.schema.changes": "false",
        f"{history}.bootstrap.servers": broker.bootstrap,
        f"{history}.topic": HISTORY,
        **json_converters(schemas=True),
    }


def _settings(broker: KafkaBroker, postgres: PostgresServer, tracer: Tracer) -> dict[str, Any]:
    own = {
        "kafka": {"bootstrap_servers": broker.bootstrap, "group_id": "shop_orders_sink", "topics": [TOPIC]},
        "routing": {"rules": [{"topics": re.escape(TOPIC), "table": "orders"}]},
        "postgres": {
            "host": LOOPBACK,
            "port": str(postgres.port),
            "database": SUPERUSER,
            "user": SUPERUSER,
            "sslmode": "disable",
        },
        "tracing": {"enabled": True, "endpoint": f"{tracer.http}/v1/traces"},
    }
    return merged(HASTY, own)


def test_a_node_of_kafka_exports_what_is_named_of_it(watched: Watched) -> None:
    wait_until("all are there", lambda: EXPORTED["kafka"] <= exposed(read(watched.kafka_metrics)), WAIT_SECONDS, 0.2)
    text = read(watched.kafka_metrics)
    assert re.search(rf"^{jmx.ACTIVE_CONTROLLERS} 1\.0$", text, re.MULTILINE)
    assert re.search(rf'^{jmx.REQUEST_SECONDS}{{request="Produce"}} \d+\.\d+', text, re.MULTILINE)
    assert len(exposed(text)) < 200, "what no rule names is not exported, but for the JVM's own"


def test_connect_and_debezium_export_what_is_named_of_them(watched: Watched) -> None:
    wait_until("all are there", lambda: EXPORTED["connect"] <= exposed(read(watched.connect_metrics)), WAIT_SECONDS, 0.2)
    text = read(watched.connect_metrics)
    assert f'{jmx.CONNECTOR_STATUS}{{connector="orders-source",status="running"}} 1.0' in text
    assert f'{jmx.TASKS_RUNNING}{{connector="orders-source"}} 1.0' in text
    connected = f'{jmx.SOURCE_CONNECTED}{{server="shop_orders"}} 1.0'
    wait_until("Debezium is connected", lambda: connected in read(watched.connect_metrics), WAIT_SECONDS, 0.2)
    assert len(exposed(text)) < 200


def test_the_worker_exports_what_is_named_of_it(watched: Watched) -> None:
    assert of_sink_worker() <= exposed(watched.worker.metrics())
    assert re.search(
        r'^cdc_events_processed_total{table="public\.orders",.*} [1-9]\d*\.0$', watched.worker.metrics(), re.MULTILINE
    )


def test_the_collector_exports_what_is_named_of_it(watched: Watched) -> None:
    """Those that count what went wrong are there once something was tried."""
    wanted = EXPORTED[COLLECTOR]
    wait_until("all are there", lambda: wanted <= exposed(watched.tracer.metrics()), WAIT_SECONDS, 0.2)


def test_one_change_can_be_followed_from_its_read_to_the_commit(watched: Watched) -> None:
    """Requirement A20: Connect's span, its context in the record's header, and the link from the transaction that wrote it."""
    trace_id = _trace_of_first_record(watched.broker)

    def links() -> list[str]:
        found = watched.tracer.traces("sink-worker")
        return [
            reference["traceID"]
            for trace in found
            for span in trace["spans"]
            if span["operationName"] == "postgres.write"
            for reference in span["references"]
        ]

    wait_until("the worker's span links to the change", lambda: trace_id in links(), WAIT_SECONDS, 0.2)
    wait_until("the change's own trace is there", lambda: bool(watched.tracer.trace(trace_id)), WAIT_SECONDS, 0.2)
    [trace] = watched.tracer.trace(trace_id)
    assert {process["serviceName"] for process in trace["processes"].values()} == {SERVICE}
    assert any(TOPIC in span["operationName"] for span in trace["spans"])
    operations = {span["operationName"] for trace in watched.tracer.traces("sink-worker") for span in trace["spans"]}
    assert operations >= {"kafka.consume", "transformation", "validation", "postgres.write", "checkpoint.commit"}


def _trace_of_first_record(broker: KafkaBroker) -> str:
    """The trace id in the record's W3C header."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "looks"})
    consumer.assign([TopicPartition(TOPIC, 0, OFFSET_BEGINNING)])
    try:
        message = None
        while message is None:
            message = consumer.poll(1)
        headers: Any = message.headers()
        header = dict(headers)["traceparent"]
    finally:
        consumer.close()
    found = re.fullmatch(r"00-([0-9a-f]{32})-[0-9a-f]{16}-01", header.decode())
    assert found is not None, header
    return found[1]


# cdc status


def test_a_pipeline_that_is_well_is_shown_as_connect_kafka_and_its_worker_say(watched: Watched) -> None:
    """How far it is behind is the worker's own figure, to the last digit, looked at while that does not change."""

    def shown() -> bool:
        before = _behind(watched.worker.metrics())
        row = watched.row(*watched.asked_directly)
        told = {key: row[key] for key in ("source", "tasks", "lag", "deadLetters", "breakers", "error")}
        assert told == {"source": "running", "tasks": 1, "lag": 0, "deadLetters": 0, "breakers": [], "error": ""}
        return before is not None and before == _behind(watched.worker.metrics()) == row["behind"]

    wait_until("the same figure", shown, WAIT_SECONDS, 0.2)


def _behind(metrics: str) -> float | None:
    """``None`` until the worker has looked for the first time."""
    found = re.findall(r"^cdc_replication_lag_seconds{.*} (\S+)$", metrics, re.MULTILINE)
    return max(map(float, found), default=None)


def test_a_failed_connectors_error_and_a_lag_are_shown_as_they_are(watched: Watched) -> None:
    """The worker is frozen while three rows come, and the source then locks the connector's account."""
    watched.worker.process.pause()
    with pymysql.connect(host=LOOPBACK, port=watched.source.port, user=USER, autocommit=True) as connection:
        cursor = connection.cursor()
        try:
            cursor.execute("INSERT INTO shop.orders VALUES (101, 'a'), (102, 'b'), (103, 'c')")
            wait_until("the lag is shown", lambda: watched.row(*watched.asked_directly)["lag"] == 3, WAIT_SECONDS, 0.2)
            cursor.execute(f"ALTER USER '{USER}'@'%' ACCOUNT LOCK")
            watched.connect.restart("orders-source")
            wait_until("it has failed", lambda: bool(_trace(watched.connect)), WAIT_SECONDS, 0.2)
            row = watched.row(*watched.asked_directly)
            screen = watched.status(*watched.asked_directly)
        finally:
            cursor.execute(f"ALTER USER '{USER}'@'%' ACCOUNT UNLOCK")
            watched.worker.process.resume()
    assert (row["source"], row["lag"], row["error"]) == ("failed", 3, _trace(watched.connect)[:500])
    assert (screen.code, "✗ failed" in screen.out, "1 not well" in screen.out) == (0, True, True), screen.text
    assert "✗ workers of orders: " in screen.out
    assert " ".join(row["error"].split())[:20] in screen.out
    watched.connect.restart("orders-source")
    well = {"source": "running", "lag": 0, "error": ""}
    wait_until("all is well", lambda: watched.row(*watched.asked_directly).items() >= well.items(), WAIT_SECONDS, 0.2)


def _trace(connect: ConnectCluster) -> str:
    """Why the first of its parts that failed did, without where in the code."""
    found = connect.status("orders-source")
    traces = [part["trace"] for part in (found["connector"], *found["tasks"]) if part["state"] == "FAILED"]
    return traces[0].partition("\n\tat ")[0] if traces else ""


def test_prometheus_says_the_same_of_a_worker(watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the labels of the rendered job: without them nobody knows whose metrics they are."""
    spec, port = load(watched.project.root, "live"), free_port()
    assert spec.observability is not None
    rendered = yaml_text.load(prometheus_yml(spec, spec.observability), "prometheus.yml")
    [job] = [job for job in rendered["scrape_configs"] if job["job_name"] == "sink"]
    [labels] = [entry["labels"] for entry in job["static_configs"] if entry["labels"].get("pipeline") == "orders"]
    targets = [{"targets": [f"{LOOPBACK}:{watched.worker.port}"], "labels": labels}]
    own = {"global": {"scrape_interval": "1s"}, "scrape_configs": [{"job_name": "sink", "static_configs": targets}]}
    (tmp_path / "prometheus.yml").write_text(yaml_text.dump(own))
    command: list[str | Path] = [
        prometheus_program(),
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'samples'}",
        f"--web.listen-address={LOOPBACK}:{port}",
    ]
    monkeypatch.setattr(status, "PROMETHEUS_PORT", port)
    with Process("prometheus", command, tmp_path / "prometheus.log"):

        def same() -> bool:
            done = watched.status("--json")
            told = json.loads(done.out) if done.code == 0 else {"sources": {}, "pipelines": [{}]}
            [row], sources = told["pipelines"], told["sources"]
            wanted = watched.row(*watched.asked_directly)
            figures = ("behind", "breakers", "deadLetters", "error", "source", "lag")
            if wanted["behind"] is None:
                return False
            return "prometheus" in sources and [row.get(key) for key in figures] == [wanted[key] for key in figures]

        wait_until("both say the same", same, WAIT_SECONDS, 0.5)
