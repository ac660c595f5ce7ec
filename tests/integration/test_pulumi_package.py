"""The components are usable alone, and from other Pulumi languages: a YAML program, with the real YAML language host."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from components.loading import load_environment
from components.platform import render
from tests.harness.pulumi_engine import PulumiEngine

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
TOKENS = {
    "cdc:backup:Backup",
    "cdc:cassandra:CassandraAgent",
    "cdc:chaos:Chaos",
    "cdc:connect:KafkaConnect",
    "cdc:connect:KafkaConnectors",
    "cdc:development:Development",
    "cdc:foundation:Foundation",
    "cdc:haproxy:Haproxy",
    "cdc:kafka:KafkaCluster",
    "cdc:kafka:KafkaTopics",
    "cdc:kafka:KafkaUsers",
    "cdc:mirrorMaker:MirrorMaker",
    "cdc:observability:Observability",
    "cdc:platform:CdcPlatform",
    "cdc:postgres:Postgres",
    "cdc:redis:Redis",
    "cdc:schemaRegistry:SchemaRegistry",
    "cdc:sink:SinkWorkers",
    "cdc:tracing:Tracing",
    "cdc:vault:Vault",
}
PROGRAM = """
name: other
runtime: yaml
plugins:
  providers:
    - {{name: cdc, path: {provider}}}
resources:
  alone:
    type: {token}
    properties: {properties}
outputs:
  summary: ${{alone.summary}}
"""
NewEngine = Callable[..., PulumiEngine]


@pytest.fixture(name="engine_of")
def _engine_of(tmp_path: Path) -> NewEngine:
    """An engine on a YAML program that holds one component with the given inputs."""

    def create(token: str, properties: dict[str, object]) -> PulumiEngine:
        project = tmp_path / "project"
        project.mkdir()
        program = PROGRAM.format(provider=ROOT / "provider", token=token, properties=json.dumps(properties))
        (project / "Pulumi.yaml").write_text(program)
        engine = PulumiEngine(project, tmp_path / "work", Path(sys.executable))
        engine.init_stack("other")
        return engine

    return create


def kubernetes_names(engine: PulumiEngine) -> set[str]:
    """Names of the Kubernetes resources in the state."""
    resources = engine.export("other")["deployment"]["resources"]
    return {r["urn"].rsplit("::", 1)[-1] for r in resources if r["type"].startswith("kubernetes:")}


def test_the_package_schema_is_the_engines_own_taste_and_names_every_component(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "Pulumi.yaml").write_text("{name: other, runtime: yaml}")
    engine = PulumiEngine(project, tmp_path / "work", Path(sys.executable))

    outcome = engine.run("package", "get-schema", str(ROOT / "provider")).succeeded()

    schema = json.loads(outcome.stdout)
    assert set(schema["resources"]) == TOKENS
    assert all(resource["isComponent"] for resource in schema["resources"].values())


def test_a_yaml_program_declares_one_component_alone(engine_of: NewEngine) -> None:
    spec = load_environment(ROOT, "prod")
    engine = engine_of("cdc:kafka:KafkaCluster", {**spec.published(), "name": "prod"})

    engine.up("other").succeeded()

    kafka = {m.id for m in render(spec).manifests if m.component.startswith("kafka")}
    assert kubernetes_names(engine) == kafka
    assert engine.outputs("other")["summary"]["kafka"]["bootstrap"]["clients"] == "cdc-kafka-bootstrap.cdc.svc:9093"


def test_a_wrong_input_from_another_language_is_refused_with_its_path(engine_of: NewEngine) -> None:
    kafka = {"brokers": {"replicas": 1}, "topicDefaults": {"replicas": 3}}
    engine = engine_of("cdc:kafka:KafkaCluster", {"tier": "staging", "target": "kubernetes", "kafka": kafka})

    outcome = engine.preview("other").refused()

    assert "kafka.topicDefaults.replicas" in outcome.output
    assert "Traceback" not in outcome.output
