"""``cdc status``: one row for each pipeline, whatever its sources tell, and never a traceback."""

import io
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from components.core.errors import CdcError
from operations.connect.cluster import State
from operations.watching.sources import KafkaWatch, Prometheus, Source, Workers
from operations.watching.state import KafkaSeen, Plan, Row, Told, parse_metrics, rows
from operations.watching.view import as_json, screen
from tests.harness.cdc_command import SMALL, project
from tests.harness.processes import wait_until

PLAN = Plan(
    "orders",
    "shop",
    ("shop_orders_orders", "shop_orders_lines"),
    "shop_orders_dlq",
    "shop_orders_heartbeat",
    "g",
    "orders-source",
)
METRICS = """\
# HELP cdc_error_total Errors by type
cdc_error_total{table="shop.orders",error_type="bad, \\"row\\"",worker_id="w"} 3.0
cdc_error_total{table="",error_type="postgres"} 1.0
cdc_circuit_breaker_state{service="postgres"} 2.0
cdc_circuit_breaker_state{service="redis"} 0.0
cdc_replication_lag_seconds{table="shop.orders"} 4.5
cdc_replication_lag_seconds{table="shop.lines"} 1e-3
cdc_dlq_size{table="shop.orders"} 2.0
cdc_other{table="x"} 9
process_cpu_seconds_total 1.5
"""
WANTED = frozenset({"cdc_error_total", "cdc_circuit_breaker_state", "cdc_replication_lag_seconds", "cdc_dlq_size"})


def seen(at: float, end: int, committed: int, newest: int = 995_000) -> KafkaSeen:
    return KafkaSeen(
        at=at,
        clock=1_000_000,
        begins={"shop_orders_dlq": 5},
        ends={"shop_orders_orders": end, "shop_orders_lines": 100, "shop_orders_dlq": 12},
        newest={"shop_orders_heartbeat": newest},
        committed={"g": committed},
        lag={"g": end + 100 - committed},
    )


def row(told: Told) -> Row:
    [found] = rows([PLAN], told)
    return found


def drawn(found: list[Row], sources: Mapping[str, str]) -> str:
    out = Console(file=io.StringIO(), width=160, color_system=None)
    out.print(screen("dev", "12:00:00", found, sources))
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


# ---- from what was told to a row


def test_all_sources_together_make_a_row() -> None:
    told = Told(
        kafka=seen(20, 900, 600),
        before=seen(10, 400, 500),
        connect={"orders-source": State("running", 1)},
        workers={"orders": parse_metrics(METRICS, WANTED)},
    )

    assert row(told) == Row(
        pipeline="orders",
        tenant="shop",
        source="running",
        tasks=1,
        source_age=5.0,
        lag=400,
        behind=4.5,
        rate_in=50.0,
        rate_out=10.0,
        dead_letters=2,
        breakers=("postgres open",),
        error='bad, "row" in shop.orders ×3',
    )


def test_what_nobody_told_is_not_known_and_never_zero() -> None:
    found = row(Told())

    assert (found.source, found.lag, found.rate_in, found.behind, found.dead_letters) == ("unknown", None, None, None, None)
    assert (found.breakers, found.error, found.healthy) == (None, "", True)
    assert drawn([found], {}).count("–") == 7


def test_dead_letters_are_counted_in_kafka_where_no_worker_tells() -> None:
    assert row(Told(kafka=seen(1, 0, 0))).dead_letters == 7


@pytest.mark.parametrize(
    ("state", "source", "healthy"),
    [
        (None, "missing", False),
        (State("failed", 1, "Access denied for user"), "failed", False),
        (State("starting"), "starting", True),
    ],
)
def test_a_connector_that_is_not_there_or_failed_is_not_well(state: State | None, source: str, healthy: bool) -> None:
    found = row(Told(connect={} if state is None else {"orders-source": state}))

    assert (found.source, found.healthy) == (source, healthy)
    if state is not None and state.why:
        assert "Access denied for user" in drawn([found], {})


def test_a_restarted_topic_gives_no_negative_rate() -> None:
    assert row(Told(kafka=seen(20, 0, 0), before=seen(10, 400, 500))).rate_in == 0


@pytest.mark.parametrize("text", ["", "cdc_dlq_size", "cdc_dlq_size{", 'cdc_dlq_size{a="b"} x', "cdc_dlq_size{} ", "\x00{}{}"])
def test_metrics_that_are_none_are_passed_over(text: str) -> None:
    assert parse_metrics(text, WANTED) == []


# ---- as it is shown


def test_the_screen_says_who_is_not_well_and_which_source_is_silent() -> None:
    well = row(Told(connect={"orders-source": State("running", 1)}))
    ill = row(Told(connect={"orders-source": State("failed", 1, "a\nlong\treason " * 20)}))

    text = drawn([well, ill], {"kafka": "", "connect": "no worker answers\nat all"})

    assert "2 pipelines, 1 not well, 1 of 2 sources silent   12:00:00" in text
    assert "✗ connect: no worker answers at all" in text
    assert "✓ kafka" in text
    assert "a long reason" in text
    assert max(map(len, text.splitlines())) <= 160


def test_figures_are_whole_even_where_there_is_little_room() -> None:
    ill = row(Told(kafka=seen(1, 123_456, 0), connect={"orders-source": State("failed", 1, "x" * 200)}))

    out = Console(file=io.StringIO(), width=96, color_system=None)
    out.print(screen("dev", "12:00:00", [ill], {}))

    assert isinstance(out.file, io.StringIO)
    assert "123,556" in out.file.getvalue()
    assert "BEHIND" in out.file.getvalue()


def test_of_more_pipelines_than_lines_those_that_are_not_well_are_shown() -> None:
    well = replace(row(Told()), pipeline="fine")
    found = [*[well] * 50, replace(well, pipeline="broken", error="no disk"), *[well] * 50]

    def shown(lines: int) -> list[str]:
        out = Console(file=io.StringIO(), width=160, color_system=None)
        out.print(screen("dev", "12:00:00", found, {"kafka": ""}, lines))
        assert isinstance(out.file, io.StringIO)
        return out.file.getvalue().splitlines()

    text = shown(20)
    assert len(text) <= 20
    assert next(line for line in text if "shop/" in line).lstrip().startswith("shop/broken")
    assert "101 pipelines, 1 not well" in text[0]
    assert any("… and 88 more, all well" in line for line in text), text
    assert sum("shop/" in line for line in shown(500)) == 101


def test_json_has_every_figure_by_its_name() -> None:
    found = as_json("dev", [row(Told(kafka=seen(1, 900, 600)))], {"kafka": "", "connect": "x"})

    assert json.loads(json.dumps(found))["pipelines"][0] | {"lag": 400, "deadLetters": 7} == found["pipelines"][0]
    assert found["sources"] == {"connect": {"answers": False, "why": "x"}, "kafka": {"answers": True, "why": ""}}


# ---- sources


@contextmanager
def answering(text: str) -> Iterator[str]:
    """A double of whatever tells ``text`` at any address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_workers_and_prometheus_tell_the_same() -> None:
    sample = {"metric": {"__name__": "cdc_dlq_size", "pipeline": "orders", "table": "t"}, "value": [1.5, "2"]}
    with answering(METRICS) as worker, answering(json.dumps({"data": {"result": [sample]}})) as prometheus:
        assert len(Workers("orders", [f"{worker}/metrics", f"{worker}/metrics"])()["orders"]) == 14
        assert Prometheus(prometheus)() == {"orders": [("cdc_dlq_size", sample["metric"], 2.0)]}
        with pytest.raises(CdcError, match="is no Prometheus"):
            Prometheus(worker)()
    with pytest.raises(CdcError, match=re.escape(f"{worker}/metrics: ")):
        Workers("orders", [f"{worker}/metrics"])()


def test_a_source_that_fails_says_why_and_is_asked_again() -> None:
    answers: list[Any] = [CdcError("not now\n      → wait"), 1, 2]

    def ask() -> int:
        found = answers.pop(0)
        if isinstance(found, CdcError):
            raise found
        return int(found)

    source = Source("x", ask, 0.001)
    source.once()
    assert (source.answer, source.why) == (None, "not now")
    source.once()
    source.once()
    assert (source.answer, source.why, list(source.history)) == (2, "", [1, 2])


def test_one_silent_source_holds_up_no_other() -> None:
    block = threading.Event()
    slow, quick = Source("slow", block.wait, 0.001), Source("quick", lambda: 1, 0.001)
    slow.start()
    quick.start()

    wait_until("the quick one has answered", lambda: quick.asked > 3, 60)

    assert slow.asked == 0
    quick.stop()
    block.set()
    slow.stop()


def test_a_spec_without_pipelines_and_a_wrong_worker_are_told(tmp_path: Path) -> None:
    made = project(tmp_path, prod=SMALL, bare="config: {cdc-platform:environment: {tier: development, target: docker}}\n")
    client = tmp_path / "client.properties"
    client.write_text("bootstrap.servers=127.0.0.1:1\n")
    password = "schema: shop, password: 'vault:warehouse#password'"
    sinks = SMALL.replace("    tenants:", "    sink: {image: a/b:1}\n    tenants:").replace("schema: shop", password)
    made.write("sinks", sinks)

    for arguments, message in (
        (["bare"], "bare has no pipelines"),
        (["prod"], "how to reach Kafka from here is not known"),
        (["sinks", "--worker", "nothing=http://x", "--kafka-config", str(client)], "is no PIPELINE=URL"),
    ):
        outcome = made.cdc("status", *arguments, "--once")
        assert (outcome.code, message in outcome.err) == (2, True), outcome.text


def test_where_nothing_answers_all_is_said_and_the_exit_code_is_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = project(tmp_path, prod=SMALL)

    def fail(*_: object) -> None:
        raise CdcError("is not there")

    monkeypatch.setattr(KafkaWatch, "__call__", fail)
    client = tmp_path / "client.properties"
    client.write_text("bootstrap.servers=127.0.0.1:1\n")

    outcome = made.cdc("status", "prod", "--once", "--kafka-config", str(client))

    assert outcome.code == 2, outcome.text
    assert "✗ kafka: is not there" in outcome.out
    assert re.search(r"shop/orders\s+agent", outcome.out), "no Connect in this spec"
