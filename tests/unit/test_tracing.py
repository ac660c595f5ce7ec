"""What is rendered about traces."""

import json
from typing import Any

import pytest

from components.core.errors import SpecError
from components.core.rendered import Rendered
from components.loading import build_environment
from components.platform import render
from tests.harness.observed import observed


def docker(**tracing: Any) -> Rendered:
    values = observed("docker").published() | {"tracing": tracing}
    return render(build_environment(values, "docker", "docker"))


def prod(**tracing: Any) -> Rendered:
    values = observed("prod").published() | {"tracing": tracing}
    return render(build_environment(values, "prod", "prod"))


def settings(rendered: Rendered) -> dict[str, Any]:
    worker = next(workload for workload in rendered.workloads if workload.component == "sink")
    found: dict[str, Any] = json.loads(worker.files["/etc/cdc/settings.json"])
    return found


def test_workers_send_their_spans_to_the_collector_and_know_it_by_its_certificate() -> None:
    rendered = docker()
    worker = next(workload for workload in rendered.workloads if workload.component == "sink")
    assert settings(rendered)["tracing"] == {"enabled": True, "endpoint": "https://otel-collector:4318/v1/traces"}
    assert worker.environment["OTEL_EXPORTER_OTLP_CERTIFICATE"] == "/run/secrets/sink/otel-collector-ca.pem"
    [made] = [m for m in prod().manifests if (m.kind, m.name) == ("Deployment", "sink-orders")]
    assert "otel-collector-ca.pem" in json.dumps(made.body)


def test_without_tracing_workers_send_nothing() -> None:
    values = observed("docker").published()
    rendered = render(build_environment(values, "docker", "docker"))
    assert "tracing" not in settings(rendered)
    assert not [workload for workload in rendered.workloads if workload.component == "tracing"]


def test_without_certificates_the_endpoint_is_plain() -> None:
    rendered = docker(tls={"enabled": False}, jaeger={"tls": {"enabled": False}})
    assert settings(rendered)["tracing"]["endpoint"] == "http://otel-collector:4318/v1/traces"
    collector = next(workload for workload in rendered.workloads if workload.name == "otel-collector")
    assert "insecure: true" in collector.files["/etc/cdc/config.yaml"]
    assert collector.mounts == ()


def test_connect_on_kubernetes_begins_traces_for_the_share_that_is_asked_for() -> None:
    [made] = [m for m in prod(sampling="5%").manifests if (m.kind, m.name) == ("KafkaConnect", "cdc-connect-blue")]
    assert made.body["spec"]["tracing"] == {"type": "opentelemetry"}
    template = made.body["spec"]["template"]["connectContainer"]
    variables = {entry["name"]: entry["value"] for entry in template["env"]}
    assert variables["OTEL_TRACES_SAMPLER"] == "parentbased_traceidratio"
    assert variables["OTEL_TRACES_SAMPLER_ARG"] == "0.05"
    assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"] == "https://otel-collector:4317"
    folder, _, name = variables["OTEL_EXPORTER_OTLP_CERTIFICATE"].rpartition("/")
    assert name == "otel-collector-ca.pem"
    assert folder in {mount["mountPath"] for mount in template["volumeMounts"]}


def test_connect_on_docker_begins_traces_where_its_image_has_the_agent() -> None:
    def options(rendered: Rendered) -> set[str | None]:
        return {w.environment.get("KAFKA_OPTS") for w in rendered.workloads if w.component == "connect"}

    assert options(docker()) == {None}
    assert options(docker(javaAgent="/otel/agent.jar")) == {"-javaagent:/otel/agent.jar"}


def test_another_backend_stands_for_jaeger() -> None:
    rendered = docker(backend={"endpoint": "tempo.example:4317"})
    assert "jaeger" not in {workload.name for workload in rendered.workloads}
    collector = next(workload for workload in rendered.workloads if workload.name == "otel-collector")
    assert "endpoint: tempo.example:4317" in collector.files["/etc/cdc/config.yaml"].replace("'", "").replace('"', "")


def test_only_the_clients_of_kafka_reach_the_collector_and_only_it_reaches_jaeger() -> None:
    policies = {m.name: m.body["spec"] for m in prod().manifests if m.kind == "NetworkPolicy" and m.component == "tracing"}
    client = {"matchLabels": {"cdc.platform/kafka-client": "true"}}
    collector = {"matchLabels": {"app.kubernetes.io/name": "otel-collector"}}
    [into_collector] = policies["otel-collector"]["ingress"]
    assert into_collector["from"] == [{"podSelector": client}]
    [into_jaeger] = policies["jaeger"]["ingress"]
    assert into_jaeger["from"] == [{"podSelector": collector}]
    assert policies["otel-collector-clients"]["podSelector"] == client


@pytest.mark.parametrize(
    ("tracing", "path"),
    [
        ({"replicas": 2}, "tracing.replicas"),
        ({"backend": {"endpoint": "tempo.example:4317"}, "jaeger": {}}, "tracing.jaeger"),
        ({"backend": {"endpoint": "tempo.example"}}, "tracing.backend.endpoint"),
        ({"sampling": "0%"}, "tracing.sampling"),
        ({"javaAgent": "agent.jar"}, "tracing.javaAgent"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(tracing: dict[str, Any], path: str) -> None:
    with pytest.raises(SpecError) as refused:
        docker(**tracing)
    assert path in {problem.path for problem in refused.value.problems}


@pytest.mark.parametrize(
    ("observability", "path"),
    [
        ({"scrapeInterval": "1s"}, "observability.scrapeInterval"),
        ({"certificates": {"warning": "2d"}}, "observability.certificates.critical"),
        ({"thresholds": {"lag": 0}}, "observability.thresholds.lag"),
        ({"thresholds": {"errors": "0%"}}, "observability.thresholds.errors"),
        ({"runbooks": "docs"}, "observability.runbooks"),
        ({"grafana": {"password": "hunter2"}}, "observability.grafana.password"),
        ({"jmxAgent": "agent.jar; rm -rf /"}, "observability.jmxAgent"),
    ],
)
def test_wrong_words_about_observability_are_refused_with_their_place(observability: dict[str, Any], path: str) -> None:
    values = observed("docker").published() | {"observability": observability}
    with pytest.raises(SpecError) as refused:
        build_environment(values, "docker", "docker")
    assert path in {problem.path for problem in refused.value.problems}
    assert "hunter2" not in str(refused.value)


def test_the_ca_of_a_backend_that_lies_in_vault_is_in_the_secret_that_the_collector_mounts() -> None:
    values = observed("prod").published() | {"vault": {}}
    backend = {"endpoint": "traces.acme.example:4317", "ca": "vault:cdc-pipeline/prod/traces#ca"}
    rendered = render(build_environment(values | {"tracing": {"backend": backend}}, "prod", "prod"))
    made = {
        (entry["remoteRef"]["key"], manifest.body["spec"]["target"]["name"], entry["secretKey"])
        for manifest in rendered.manifests
        if manifest.kind == "ExternalSecret"
        for entry in manifest.body["spec"]["data"]
    }
    [collector] = [m for m in rendered.manifests if (m.kind, m.name) == ("Deployment", "otel-collector")]
    [volume] = [v for v in collector.body["spec"]["template"]["spec"]["volumes"] if v["name"] == "secrets"]
    mounted = {(s["secret"]["name"], item["key"]) for s in volume["projected"]["sources"] for item in s["secret"]["items"]}
    assert ("cdc-pipeline/prod/traces", "tracing-backend", "ca") in made
    assert ("tracing-backend", "ca") in mounted
