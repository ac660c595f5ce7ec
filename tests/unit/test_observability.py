"""What is rendered about metrics, alerts and dashboards, without any program."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.core.jmx import with_agent
from components.core.rendered import Rendered
from components.environment import EnvironmentSpec
from components.kafka.derive import sink_group
from components.loading import build_environment
from components.observability import jmx, rules
from components.observability.alert import INFO
from components.observability.alerts import alerts
from components.observability.dashboards import DASHBOARDS
from components.observability.scraping import jobs, tls_ports
from components.platform import render
from tests.harness.metric_names import EXPORTED, all_exported, named
from tests.harness.observed import RUNBOOKS, observed

STACKS = ("prod", "prod-dr", "docker")


def expressions() -> dict[str, list[str]]:
    """Every PromQL expression, by where it stands."""
    found = {f"rules of {stack}": _rules(observed(stack)) for stack in STACKS}
    for dashboard in DASHBOARDS:
        body = dashboard.body()
        found[dashboard.uid] = [target["expr"] for panel in body["panels"] for target in panel.get("targets", [])]
        found[dashboard.uid] += [
            variable["query"]["query"] for variable in body["templating"]["list"] if variable["type"] == "query"
        ]
    return found


def _rules(spec: EnvironmentSpec) -> list[str]:
    return [rule["expr"] for groups in rules.documents(spec).values() for group in groups for rule in group["rules"]]


def _recorded() -> set[str]:
    documents = [groups for stack in STACKS for groups in rules.documents(observed(stack)).values()]
    return {rule["record"] for groups in documents for group in groups for rule in group["rules"] if "record" in rule}


def test_every_metric_that_is_named_is_exported_or_recorded() -> None:
    known = all_exported() | _recorded()
    unknown = {(where, name) for where, found in expressions().items() for expr in found for name in named(expr)}
    assert {(where, name) for where, name in unknown if name not in known} == set()


def test_a_metric_that_nobody_exports_is_found_in_an_expression() -> None:
    expr = 'sum by (job, code) (rate(a_total{x="b_total"}[5m])) / on (instance) group_left (node) c:d > 2 or vector(0)'
    assert set(named(expr)) == {"a_total", "c:d"}
    assert set(named("label_values(e_f, pipeline)")) == {"e_f"}


def test_no_metric_is_listed_that_nothing_names() -> None:
    """The list of what programs export holds what is used, so that the real runs prove what matters."""
    used = {name for found in expressions().values() for expr in found for name in named(expr)}
    listed = set().union(*EXPORTED.values()) - {"kafka_consumergroup_current_offset"}
    assert listed - used == set()


def test_the_rules_of_the_exporter_give_the_names_that_are_used() -> None:
    for text, job in ((jmx.kafka_rules(), "kafka"), (jmx.connect_rules(), "connect")):
        assert set(re.findall(r"name: \"?([a-z0-9_]+)\"?$", text, re.MULTILINE)) == EXPORTED[job]


@pytest.mark.parametrize("stack", STACKS)
def test_every_alert_has_a_runbook_that_is_there_and_speaks_of_it(stack: str) -> None:
    for alert in alerts(observed(stack)):
        page = (RUNBOOKS / f"{alert.runbook}.md").read_text()
        assert f"`{alert.name}`" in page, alert.name


def test_every_alert_says_who_is_concerned_how_bad_it_is_and_where_to_read_on() -> None:
    spec = observed("prod")
    [group] = rules.documents(spec)["cdc-alerts"]
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["labels"]["environment"] == "prod"
        assert ("owner" in rule["labels"]) != ("cdc:pipeline" in rule["expr"]), rule["alert"]
        assert rule["annotations"]["runbook_url"] == f"https://git.example/runbooks/{rule['annotations']['runbook'][14:]}"
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"])


def test_a_thousand_pipelines_have_as_many_alert_rules_as_one() -> None:
    few, many = observed("docker"), with_pipelines(1000)
    assert len(rules.documents(few)["cdc-alerts"][0]["rules"]) == len(rules.documents(many)["cdc-alerts"][0]["rules"])
    assert len(rules.documents(few)["cdc-recorded"][0]["rules"]) == len(rules.documents(many)["cdc-recorded"][0]["rules"])
    assert [len(groups[0]["rules"]) for name, groups in rules.documents(many).items() if "pipelines" in name] == [400, 400, 200]


def with_pipelines(count: int) -> EnvironmentSpec:
    values = observed("docker").published()
    first = values["pipelines"][1]
    source = first["source"]["mariadb"]
    values["pipelines"] = [
        {**first, "name": f"p{number}", "source": {"mariadb": {**source, "tables": [f"shop.t{number}"]}}}
        for number in range(count)
    ]
    return build_environment(values, "docker", "docker")


def test_a_pipeline_is_known_by_its_tenant_owner_and_group() -> None:
    spec = observed("docker")
    first, _, third = rules.documents(spec)["cdc-pipelines-0"][0]["rules"]
    group = sink_group(spec.pipelines[0], spec.naming)
    labels = {"pipeline": "orders", "tenant": "shop", "owner": "team-shop", "consumergroup": group, "via": "sink-worker"}
    assert first == {"record": INFO, "expr": "vector(1)", "labels": labels}
    assert third["labels"]["pipeline"] == "returns"


def test_a_threshold_of_its_own_is_one_series_more() -> None:
    _, own, _ = rules.documents(observed("docker"))["cdc-pipelines-0"][0]["rules"]
    assert (own["expr"], own["labels"]) == ("vector(50000)", {"pipeline": "orders", "kind": "lag"})


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_panels_lie_beside_and_below_each_other_and_never_on_one_another(dashboard: Any) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard.body()["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def docker(**changes: Any) -> Rendered:
    values = observed("docker").published() | changes
    return render(build_environment(values, "docker", "docker"))


def test_docker_scrapes_every_program_by_its_name() -> None:
    rendered = docker()
    names = {workload.name for workload in rendered.workloads}
    for job in jobs(observed("docker")):
        assert {host for host, _ in job.hosts} <= names
    found = {job.name for job in jobs(observed("docker"))}
    assert found == {"backup", "connect", "kafka-exporter", "postgres", "redis", "schema-registry", "sink"}


def test_brokers_on_docker_have_an_agent_where_their_image_has_one() -> None:
    rendered = docker(observability={"jmxAgent": "/opt/jmx/agent*.jar"})
    broker = next(workload for workload in rendered.workloads if workload.component == "kafka")
    assert "for agent in /opt/jmx/agent*.jar" in broker.command[2]
    assert broker.command[2].index("kafka-storage.sh") < broker.command[2].index("-javaagent")
    assert broker.files["/etc/cdc/metrics.yaml"] == jmx.kafka_rules()
    plain = next(workload for workload in docker().workloads if workload.component == "kafka")
    assert "javaagent" not in plain.command[2]


def test_connect_of_debezium_image_is_watched_and_another_only_when_told() -> None:
    def commands(**connect: Any) -> list[tuple[str, ...]]:
        rendered = docker(connect={"replicas": 1, "converter": "apicurio", **connect})
        return [workload.command for workload in rendered.workloads if workload.component == "connect"]

    assert all("-javaagent" in command[-1] for command in commands())
    assert not any("-javaagent" in command[-1] for command in commands(image="acme/connect:1"))


def test_the_exporters_password_is_no_argument_of_its_process() -> None:
    rendered = docker(
        kafka={"brokers": 3, "listeners": [{"name": "clients", "port": 9093}], "users": []},
        tier="staging",
    )
    exporter = next(workload for workload in rendered.workloads if workload.name == "kafka-exporter")
    assert exporter.command[2].splitlines()[-1] == "exec kafka_exporter @/tmp/arguments"
    assert not exporter.environment


def test_grafana_without_a_password_lets_everybody_look_and_nobody_change() -> None:
    grafana = next(workload for workload in docker().workloads if workload.name == "grafana")
    assert grafana.environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert grafana.environment["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    owned = docker(observability={"grafana": {"password": "secret:grafana#password"}})
    grafana = next(workload for workload in owned.workloads if workload.name == "grafana")
    assert grafana.environment["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/run/secrets/grafana/admin.password"
    assert "GF_AUTH_ANONYMOUS_ENABLED" not in grafana.environment


def test_every_file_of_a_container_has_a_place_of_its_own_in_the_tree() -> None:
    for workload in docker().workloads:
        assert len({workload.tree_path(path) for path in workload.files}) == len(workload.files), workload.name


def test_what_prometheus_scrapes_lets_it_in_and_nobody_else_is_let_in() -> None:
    spec = observed("prod")
    manifests = [manifest for manifest in render(spec).manifests if manifest.component == "observability"]
    policies = {manifest.name: manifest.body["spec"] for manifest in manifests if manifest.kind == "NetworkPolicy"}
    for job in jobs(spec):
        policy = policies[f"scrape-{job.name}"]
        assert policy["podSelector"]["matchLabels"] == job.pods
        [rule] = policy["ingress"]
        assert [port["port"] for port in rule["ports"]] == [job.port]
        [peer] = rule["from"]
        assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}
        assert peer["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "prometheus"}


def test_pods_that_are_scraped_have_the_port_and_the_labels_that_monitors_look_for() -> None:
    """Of what is not Strimzi's or CloudNativePG's: a monitor that selects nothing is silent."""
    spec = observed("prod")
    pods = [
        manifest.body["spec"]["template"]
        for manifest in render(spec).manifests
        if manifest.kind in {"Deployment", "StatefulSet"}
    ]
    for job in jobs(spec):
        if any(label.startswith(("strimzi.io/", "cnpg.io/")) for label in job.pods):
            continue
        chosen = [pod for pod in pods if job.pods.items() <= pod["metadata"]["labels"].items()]
        assert chosen, job.name
        for pod in chosen:
            ports = {port["containerPort"] for container in pod["spec"]["containers"] for port in container.get("ports", [])}
            assert (job.declared or job.port) in ports, job.name
            assert set(job.from_pods.values()) <= set(pod["metadata"]["labels"]), job.name


def test_every_tls_port_is_probed() -> None:
    assert set(tls_ports(observed("prod"))) >= {
        "cdc-kafka-bootstrap.cdc.svc:9093",
        "cdc-kafka-bootstrap.cdc.svc:9094",
        "haproxy:8081",
        "haproxy:8083",
        "otel-collector:4318",
        "redis-0.redis.cdc.svc:6379",
        "vault:8200",
    }
    assert tls_ports(observed("docker")) == {}


def test_dashboards_are_files_of_the_tree_on_either_target() -> None:
    for rendered in (render(observed("prod")), docker()):
        files = [path for path in rendered.files if path.endswith(".json") and Path(path).stem in {d.uid for d in DASHBOARDS}]
        assert len(files) == len(DASHBOARDS)
        assert all(json.loads(rendered.files[path])["uid"] == Path(path).stem for path in files)


def test_where_it_is_not_declared_nothing_of_it_is_there() -> None:
    values = observed("docker").published()
    del values["observability"]
    rendered = render(build_environment(values, "docker", "docker"))
    assert not [workload for workload in rendered.workloads if workload.component == "observability"]
    assert "javaagent" not in str([workload.command for workload in rendered.workloads])


@pytest.mark.parametrize("found", [True, False])
def test_a_jvm_gets_the_agent_that_its_image_has_or_its_start_says_what_is_missing(found: bool, tmp_path: Path) -> None:
    """By a real shell, as the container runs it."""
    if found:
        (tmp_path / "jmx_prometheus_javaagent-1.0.1.jar").touch()
    script = f"{with_agent(f'{tmp_path}/jmx_prometheus_javaagent*.jar', 'broker-0')}; echo $KAFKA_OPTS"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, env={"KAFKA_OPTS": "-Da=b"})
    if found:
        agent = f"-javaagent:{tmp_path}/jmx_prometheus_javaagent-1.0.1.jar=broker-0:9404:/etc/cdc/metrics.yaml"
        assert done.stdout.strip() == f"{agent} -Da=b"
    else:
        assert (done.returncode, done.stdout) == (1, "")
        assert "observability.jmxAgent" in done.stderr
