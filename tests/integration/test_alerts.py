"""Prometheus' own tool judges every rule: its syntax, when it fires, when it ends, and that it does not flap."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.core import yaml_text
from components.environment import EnvironmentSpec
from components.observability import rules
from components.observability.alerts import alerts
from components.observability.render_docker import prometheus_yml
from tests.harness.alert_scenarios import SCENARIOS, batches, fires_and_resolves, goes_on_firing, stays_quiet_at_a_blip
from tests.harness.observed import observed
from tests.toolchain.prometheus import promtool

pytestmark = pytest.mark.integration

STACKS = ("prod", "prod-dr", "docker")


def rule_files(spec: EnvironmentSpec, folder: Path) -> list[str]:
    for name, groups in rules.documents(spec).items():
        (folder / f"{name}.rules.yml").write_text(rules.text(groups))
    return sorted(path.name for path in folder.glob("*.rules.yml"))


def judged(folder: Path, *arguments: str) -> str:
    """What ``promtool`` says; it must be content."""
    done = subprocess.run([promtool(), *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def promtool_test(spec: EnvironmentSpec, folder: Path, tests: list[dict[str, Any]]) -> str:
    document = {"rule_files": rule_files(spec, folder), "evaluation_interval": "30s", "tests": tests}
    (folder / "tests.yml").write_text(json.dumps(document))
    return judged(folder, "test", "rules", "tests.yml")


@pytest.mark.parametrize("stack", STACKS)
def test_rules_and_configuration_are_valid(stack: str, tmp_path: Path) -> None:
    spec = observed(stack)
    names = rule_files(spec, tmp_path)
    judged(tmp_path, "check", "rules", "--lint-fatal", *names)
    assert spec.observability is not None
    text = prometheus_yml(spec, spec.observability).replace("/etc/cdc/", f"{tmp_path}/")
    (tmp_path / "prometheus.yml").write_text(text)
    assert f"{len(names)} rule files found" in judged(tmp_path, "check", "config", "prometheus.yml")


@pytest.mark.parametrize("stack", STACKS)
def test_every_alert_fires_resolves_and_does_not_flap(stack: str, tmp_path: Path) -> None:
    spec = observed(stack)
    histories = (fires_and_resolves, stays_quiet_at_a_blip, goes_on_firing)
    promtool_test(spec, tmp_path, [history(batch) for batch in batches(alerts(spec)) for history in histories])


def test_every_scenario_is_of_an_alert() -> None:
    assert set(SCENARIOS) == {alert.name for stack in STACKS for alert in alerts(observed(stack))}


def test_a_pipeline_has_thresholds_of_its_own_and_the_others_have_those_of_all(tmp_path: Path) -> None:
    lag = [
        {
            "series": f'kafka_consumergroup_lag{{consumergroup="shop_{name}_sink",topic="t",partition="0"}}',
            "values": "20000x60",
        }
        for name in ("orders", "returns")
    ]
    fired = {"labels": '{pipeline="returns"}', "value": 1}
    check = {
        "expr": 'count by (pipeline) (ALERTS{alertname="HighConsumerLag",alertstate="firing"})',
        "eval_time": "20m",
        "exp_samples": [fired],
    }
    promtool_test(observed("docker"), tmp_path, [{"interval": "30s", "input_series": lag, "promql_expr_test": [check]}])


def test_an_alert_says_whose_it_is_what_it_is_and_where_to_read_on(tmp_path: Path) -> None:
    """Templates as Prometheus fills them in."""
    series = 'kafka_consumergroup_lag{consumergroup="shop_orders_sink",topic="t",partition="0"}'
    alert = {
        "exp_labels": {
            "severity": "warning",
            "environment": "prod",
            "owner": "team-shop",
            "pipeline": "orders",
            "tenant": "shop",
            "consumergroup": "shop_orders_sink",
            "via": "sink-worker",
        },
        "exp_annotations": {
            "summary": "orders: 20000 records behind in its worst partition",
            "description": "Group shop_orders_sink does not keep up, or does not run.",
            "runbook": "docs/runbooks/consumer-lag.md",
            "runbook_url": "https://git.example/runbooks/consumer-lag.md",
        },
    }
    check = {"eval_time": "20m", "alertname": "HighConsumerLag", "exp_alerts": [alert]}
    values = [{"series": series, "values": "20000x60"}]
    promtool_test(observed("prod"), tmp_path, [{"interval": "30s", "input_series": values, "alert_rule_test": [check]}])


def test_a_rule_that_is_wrong_is_found(tmp_path: Path) -> None:
    """That the tool would notice: an alert that waits too short fires too early."""
    spec = observed("docker")
    names = rule_files(spec, tmp_path)
    text = (tmp_path / "cdc-alerts.rules.yml").read_text()
    (tmp_path / "cdc-alerts.rules.yml").write_text(text.replace("for: 5m", "for: 1m"))
    alert = next(alert for alert in alerts(spec) if alert.name == "HighConsumerLag")
    document = {"rule_files": names, "evaluation_interval": "30s", "tests": [fires_and_resolves([alert])]}
    (tmp_path / "tests.yml").write_text(yaml_text.dump(document))
    command: list[str | Path] = [promtool(), "test", "rules", "tests.yml"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).returncode != 0
