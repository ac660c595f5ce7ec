"""Health and metrics as they are seen from outside."""

import asyncio
import json

import httpx
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sink_worker.aggregate import add_up
from sink_worker.health import Probes, Report, application
from sink_worker.metrics import Metrics

REQUIRED = {
    "cdc_events_processed_total": {"table", "worker_id"}, "cdc_replication_latency_seconds_bucket": {"table", "le"},
    "cdc_replication_lag_seconds": {"table"}, "cdc_error_total": {"table", "error_type"}, "cdc_dlq_size": {"table"},
    "cdc_checkpoint_age_seconds": {"table", "partition"}, "cdc_postgres_batch_size_bucket": {"table", "le"},
    "cdc_circuit_breaker_state": {"service"},
}  # fmt: skip


def _used(worker: str = "w") -> Metrics:
    metrics = Metrics(worker)
    metrics.written("t", 10, 7, [0.2, 3.0])
    metrics.error("t", "CheckViolation:23514")
    metrics.lag("t", 0, 5, 1.0)
    metrics.table_lag("t", 2.0)
    metrics.dlq_waits([("t", "X:23514", 3, 10.0), ("t", "Y", 1, 90.0)], ["t", "u"])
    metrics.breaker.labels("postgres").set(2)
    return metrics


def _samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(text.decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_the_required_metrics_have_their_names_and_labels() -> None:
    found = {name: {label for label, _ in labels} for name, labels in _samples(generate_latest(_used().registry))}
    assert {name: found.get(name) for name in REQUIRED} == REQUIRED


def test_several_processes_add_up() -> None:
    one, two = _used("w-0"), _used("w-1")
    two.table_lag("t", 9.0)
    total = _samples(add_up([generate_latest(one.registry).decode(), generate_latest(two.registry).decode()]))
    assert total["cdc_postgres_batch_size_sum", (("table", "t"),)] == 14
    assert total["cdc_replication_latency_seconds_count", (("table", "t"),)] == 4
    assert total["cdc_error_total", (("error_type", "CheckViolation:23514"), ("table", "t"))] == 2
    assert total["cdc_replication_lag_seconds", (("table", "t"),)] == 9.0
    assert total["cdc_dlq_size", (("table", "t"),)] == 4
    assert {labels for name, labels in total if name == "cdc_events_processed_total"} == {
        (("table", "t"), ("worker_id", "w-0")), (("table", "t"), ("worker_id", "w-1")),
    }  # fmt: skip


def test_adding_up_one_changes_nothing() -> None:
    text = generate_latest(_used().registry)
    kept = {key: value for key, value in _samples(text).items() if not key[0].endswith("_created")}
    assert _samples(add_up([text.decode()])) == kept


@pytest.mark.parametrize(("problems", "status"), [([], 200), (["PostgreSQL does not take writes"], 503)])
def test_a_probe_answers_with_its_problems(problems: list[str], status: int) -> None:
    probes = Probes(Report, lambda: Report(problems, {"partitions": {"running": 3}}), lambda: b"# none\n")

    async def ask() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(application(probes)), base_url="http://worker") as client:  # type: ignore[arg-type]
            ready = await client.get("/healthz/ready")
            assert (ready.status_code, json.loads(ready.text)["problems"]) == (status, problems)
            assert (await client.get("/healthz/live")).status_code == 200
            assert (await client.get("/metrics")).text == "# none\n"
            assert (await client.get("/")).status_code == 404
            assert (await client.post("/metrics")).status_code == 405

    asyncio.run(ask())
