"""``python -m bench.rules [--pipelines N] [--json]``: how long a real Prometheus takes to evaluate the rules of N pipelines.

Prometheus runs with the rendered rules and scrapes a page with the metrics of all pipelines, so that every rule has what it
asks for. The figures are Prometheus' own: the duration of the last evaluation of each group, added up as if they ran one after
another, and the processor time of an interval, scraping included, which tells a slow rule from a busy machine.
"""

import argparse
import http.server
import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from components.core import yaml_text
from components.environment import EnvironmentSpec
from components.kafka.derive import sink_group
from components.loading import build_environment
from components.observability import rules
from tests.harness.observed import observed
from tests.harness.processes import LOOPBACK, Process, free_port, is_listening
from tests.toolchain.prometheus import prometheus_program

DEMANDED_SECONDS = 1.0
PARTITIONS = 6
ROUNDS = 5
WAIT_SECONDS = 120
INTERVAL_SECONDS = 5
CPU = "process_cpu_seconds_total"
DURATION = "prometheus_rule_group_last_duration_seconds"


def environment(pipelines: int) -> EnvironmentSpec:
    """So many pipelines, every tenth with thresholds of its own."""
    values = observed("docker").published()
    first = values["pipelines"][1]
    source = first["source"]["mariadb"]
    values["pipelines"] = [
        {
            **first,
            "name": f"p{number}",
            "source": {"mariadb": {**source, "tables": [f"shop.t{number}"]}},
            **({"alerts": {"lag": 1000 + number, "lagTime": "5m"}} if number % 10 == 0 else {}),
        }
        for number in range(pipelines)
    ]
    values["observability"] = {"scrapeInterval": f"{INTERVAL_SECONDS}s"}
    return build_environment(values, "docker", "docker")


def page(spec: EnvironmentSpec) -> bytes:
    """What all exporters together would say."""
    lines = ["kafka_brokers 1"]
    for number, pipeline in enumerate(spec.pipelines):
        own = f'pipeline="{pipeline.name}",tenant="{pipeline.tenant}"'
        group = sink_group(pipeline, spec.naming)
        for partition in range(PARTITIONS):
            lag = 20_000 if number % 100 == 0 else partition
            place = f'topic="t{number}",partition="{partition}"'
            lines.append(f'kafka_consumergroup_lag{{consumergroup="{group}",{place}}} {lag}')
            lines.append(f"kafka_topic_partition_leader{{{place}}} 0")
            lines.append(f"kafka_topic_partition_under_replicated_partition{{{place}}} 0")
        lines.append(f'kafka_topic_partitions{{topic="t{number}"}} {PARTITIONS}')
        lines += [
            f'cdc_events_processed_total{{{own},table="t{number}",worker_id="w"}} {time.time():.0f}',
            f'cdc_error_total{{{own},table="t{number}",error_type="poison"}} 0',
            f'cdc_replication_lag_seconds{{{own},table="t{number}"}} 0.1',
            f'cdc_dlq_size{{{own},table="t{number}"}} 0',
            f"cdc_dlq_outbox_size{{{own}}} 0",
            f"cdc_partitions_halted{{{own}}} 0",
            f"cdc_partitions_assigned{{{own}}} {PARTITIONS}",
            f'cdc_circuit_breaker_state{{{own},service="postgres"}} 0',
            f"cdc_redis_failures_total{{{own}}} 0",
        ]
    return ("\n".join(lines) + "\n").encode()


def measure(spec: EnvironmentSpec, folder: Path) -> dict[str, Any]:
    """Rules, series, and the seconds of an evaluation of all groups: of the fastest round, the median, and the slowest."""
    documents = rules.documents(spec)
    for name, groups in documents.items():
        (folder / f"{name}.rules.yml").write_text(rules.text(groups))
    text = page(spec)
    with _served(text) as source:
        port = free_port()
        configuration = {
            "global": {"scrape_interval": f"{INTERVAL_SECONDS}s", "evaluation_interval": f"{INTERVAL_SECONDS}s"},
            "rule_files": [f"{folder}/*.rules.yml"],
            "scrape_configs": [
                {"job_name": "all", "honor_labels": True, "static_configs": [{"targets": [f"{LOOPBACK}:{source}"]}]},
            ],
        }
        (folder / "prometheus.yml").write_text(yaml_text.dump(configuration))
        command: list[str | Path] = [
            prometheus_program(),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={LOOPBACK}:{port}",
        ]
        with Process("prometheus", command, folder / "prometheus.log") as process:
            process.wait_ready(lambda: is_listening(port), WAIT_SECONDS)
            return _rounds(port, documents)


def _rounds(port: int, documents: dict[str, Any]) -> dict[str, Any]:
    """Only evaluations count that found everything: some alerts must be pending."""
    deadline = time.monotonic() + WAIT_SECONDS
    while _value(port, 'count(ALERTS{alertname="HighConsumerLag"})') == 0:
        if time.monotonic() > deadline:
            raise TimeoutError("no alert became pending: the rules did not find their series")
        time.sleep(0.5)
    seen: dict[float, float] = {}
    cpu, began = _own(port, CPU), time.monotonic()
    while len(seen) < ROUNDS and time.monotonic() < deadline:
        when = _own(port, "prometheus_rule_group_last_evaluation_timestamp_seconds")
        seen[when] = _own(port, DURATION)
        time.sleep(1)
    spent = (_own(port, CPU) - cpu) / (time.monotonic() - began) * INTERVAL_SECONDS
    return {
        "rules": sum(len(group["rules"]) for groups in documents.values() for group in groups),
        "alert rules": len(documents["cdc-alerts"][0]["rules"]),
        "series": int(_value(port, 'count({job="all"})') or _value(port, "count(kafka_consumergroup_lag)")),
        "processor seconds of an interval": round(spent, 4),
        "fastest seconds": round(min(seen.values()), 4),
        "median seconds": round(statistics.median(seen.values()), 4),
        "slowest seconds": round(max(seen.values()), 4),
    }


def _own(port: int, metric: str) -> float:
    """The sum over all groups, from Prometheus' own metrics."""
    text = httpx.get(f"http://{LOOPBACK}:{port}/metrics", timeout=30, trust_env=False).text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith((f"{metric}{{", f"{metric} ")))


def _value(port: int, query: str) -> float:
    answer = httpx.get(f"http://{LOOPBACK}:{port}/api/v1/query", params={"query": query}, timeout=30, trust_env=False).json()
    result = answer["data"]["result"]
    return float(result[0]["value"][1]) if result else 0.0


class _served:  # noqa: N801 - a context
    """A page of metrics on loopback."""

    def __init__(self, text: bytes) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                return

        self._server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler)

    def __enter__(self) -> int:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return int(self._server.server_address[1])

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()


def main(arguments: list[str]) -> int:
    """0, or 1 where the demand was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.rules", description=__doc__)
    parser.add_argument("--pipelines", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        found = {"pipelines": options.pipelines, **measure(environment(options.pipelines), Path(folder))}
    print(json.dumps(found) if options.json else "\n".join(f"{name}: {value}" for name, value in found.items()))
    return 0 if found["median seconds"] < DEMANDED_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
