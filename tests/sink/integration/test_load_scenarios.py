"""The Locust scenarios work: a few seconds of each against real servers, without a failure."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sink_worker.admin.authentication import digest_of, new_token

from tests.harness.processes import LOOPBACK
from tests.sink.integration.admin_process import AdminProcess
from tests.sink.integration.stand import Pipeline
from tests.sink.workload.feed import create_topic

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
USERS, REQUESTS, LONGEST_SECONDS = 3, 12, 120
ENDING = """
import json
import gevent
from locust import events
from tests.load.{scenario} import *

@events.init.add_listener
def count(environment, **_):
    told = []

    @environment.events.request.add_listener
    def ended(**request):
        told.append(request)
        if len(told) == {requests}:
            gevent.spawn(environment.runner.quit)  # not in the user's own greenlet, which it ends

@events.quitting.add_listener
def tell(environment, **_):
    stats = [*environment.stats.entries.values(), environment.stats.total]
    with open({result!r}, "w") as file:
        json.dump({{stat.name: [stat.num_requests, stat.num_failures] for stat in stats}}, file)
"""
"""A scenario that ends by a number of requests: a busy machine is slow, and no failure."""


def run(scenario: str, folder: Path, variables: dict[str, str], *more: str) -> dict[str, int]:
    """Requests by name, of a run without failures."""
    file = folder / f"{scenario}_scenario.py"
    result = folder / f"{scenario}.json"
    file.write_text(ENDING.format(scenario=scenario, requests=REQUESTS, result=str(result)))
    command: list[str | Path] = [
        sys.executable, "-m", "locust", "-f", file, "--headless", "--only-summary", "--users", str(USERS), "--spawn-rate", "10",
        "--run-time", f"{LONGEST_SECONDS}s", *more,
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, list[int]] = json.loads(result.read_text())
    assert {failures for _, failures in found.values()} == {0}, done.stdout + done.stderr
    return {name: requests for name, (requests, _) in found.items()}


def test_the_scenarios_load_a_pipeline_and_its_admin_api(pipeline: Pipeline, tmp_path: Path) -> None:
    """Every row that a user waited for came."""
    topic = f"{pipeline.name}.shop.notes"
    create_topic(pipeline.stand.broker.bootstrap, topic, 2)
    pipeline.topics.append(topic)
    pipeline.execute("CREATE TABLE notes (id bigint PRIMARY KEY, note text)")
    token = new_token()
    tokens, own = tmp_path / "tokens.json", tmp_path / "token"
    tokens.write_text(json.dumps([{"name": "load", "role": "operator", "sha256": digest_of(token).hex()}]))
    own.write_text(token)
    with pipeline.worker() as worker:
        places = {"BOOTSTRAP": pipeline.stand.broker.bootstrap, "TOPIC": topic, "DSN": pipeline.dsn, "TABLE": "public.notes"}
        counts = run("pipeline", tmp_path, {f"CDC_LOAD_{name}": value for name, value in places.items()})
        assert counts["Aggregated"] >= REQUESTS // 2
        with AdminProcess(tmp_path, worker, {"tokens_file": str(tokens), "requests_per_minute": 100_000}) as admin:
            asked = run("admin_api", tmp_path, {"CDC_ADMIN_TOKEN_FILE": str(own)}, "--host", f"http://{LOOPBACK}:{admin.port}")
            assert asked["Aggregated"] >= REQUESTS // 2
