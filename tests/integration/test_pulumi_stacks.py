"""The Pulumi program under the real engine registers exactly what was rendered, and changes only what an edit changes."""

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from components.core.rendered import Manifest
from components.loading import load_environment
from components.platform import render
from tests.harness.cdc_command import SMALL
from tests.harness.pulumi_engine import PulumiEngine, linked_project
from tests.harness.pulumi_outcome import Outcome

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
Resources = dict[str, dict[str, Any]]
Stack = tuple[PulumiEngine, Path]


@pytest.fixture(name="stack")
def _stack(tmp_path: Path) -> Callable[..., Stack]:
    """An initialised stack of this project, with edits (pattern → replacement) made to its file first."""

    def create(name: str, **edits: str) -> Stack:
        made = opened(ROOT, tmp_path, name)
        edit(made[1], edits)
        made[0].init_stack(name)
        return made

    return create


@pytest.fixture(scope="module")
def first_up(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stack, Outcome]:
    """The stack ``prod`` as it stands, brought up."""
    made = opened(ROOT, tmp_path_factory.mktemp("production"), "prod")
    made[0].init_stack("prod")
    return made, made[0].up("prod", skip_preview=True).succeeded()


@pytest.fixture(scope="module")
def production(first_up: tuple[Stack, Outcome]) -> Stack:
    """The stack ``prod``, up. It is looked at, and changed in copies only."""
    return first_up[0]


@pytest.fixture(name="changed")
def _changed(production: Stack, tmp_path: Path) -> Callable[..., Stack]:
    """A copy of :func:`production` with edits made to its file since it went up."""

    def copy(**edits: str) -> Stack:
        made = opened(production[1].parent, tmp_path, "prod")
        shutil.copytree(production[0].state, made[0].state, dirs_exist_ok=True)
        edit(made[1], edits)
        return made

    return copy


@pytest.fixture(name="small")
def _small(tmp_path: Path) -> Callable[..., Stack]:
    """An initialised stack that is a tenth of production's, with edits."""

    def create(**edits: str) -> Stack:
        made = opened(ROOT, tmp_path, "prod")
        made[1].write_text(SMALL)
        edit(made[1], edits)
        made[0].init_stack("prod")
        return made

    return create


def opened(source: Path, folder: Path, name: str) -> Stack:
    """An engine on a copy of a project, and the file of one of its stacks."""
    project = linked_project(source, folder / "project")
    return PulumiEngine(project, folder / "work", Path(sys.executable)), project / f"Pulumi.{name}.yaml"


def edit(file: Path, edits: dict[str, str]) -> None:
    """Replace each text by another; a text that is not there fails the test."""
    text = file.read_text()
    for old, new in edits.items():
        assert old in text
        text = text.replace(old, new, 1)
    file.write_text(text)


def kubernetes_resources(engine: PulumiEngine, stack: str) -> Resources:
    """What the state holds of Kubernetes objects, by resource name."""
    resources = engine.export(stack)["deployment"]["resources"]
    return {r["urn"].rsplit("::", 1)[-1]: r for r in resources if r["type"].startswith("kubernetes:")}


def expected_type(manifest: Manifest) -> str:
    """The provider's own type token for a manifest."""
    group, _, version = manifest.api_version.rpartition("/")
    return f"kubernetes:{group or 'core'}/{version}:{manifest.kind}"


def without_engine_keys(value: Any) -> Any:
    """Inputs as the program gave them: the engine's bookkeeping keys left out."""
    if isinstance(value, dict):
        return {key: without_engine_keys(item) for key, item in value.items() if not key.startswith("__")}
    return [without_engine_keys(item) for item in value] if isinstance(value, list) else value


def leaves(value: Any) -> Iterator[str]:
    """Every text inside nested plain values."""
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield str(value)


def test_a_stack_registers_what_was_rendered_object_by_object_and_nothing_else(production: Stack) -> None:
    engine, _ = production
    manifests = {manifest.id: manifest for manifest in render(load_environment(ROOT, "prod")).manifests}
    registered = kubernetes_resources(engine, "prod")
    assert set(registered) == set(manifests)
    for name, manifest in manifests.items():
        resource = registered[name]
        assert resource["type"] == expected_type(manifest)
        assert without_engine_keys(resource["inputs"]) == manifest.body, name
        assert resource.get("protect", False) is manifest.stateful, name
        assert resource.get("retainOnDelete", False) is manifest.stateful, name
    assert engine.preview("prod", expect_no_changes=True).succeeded().count("same") >= len(manifests)


def test_objects_hang_under_the_component_they_belong_to_and_reach_only_their_own_cluster(production: Stack) -> None:
    engine, _ = production
    types = {name: resource["urn"].split("::")[2] for name, resource in kubernetes_resources(engine, "prod").items()}
    platform = "cdc:platform:CdcPlatform"
    assert types["Kafka/cdc/cdc"].startswith(f"{platform}$cdc:kafka:KafkaCluster$kubernetes:")
    assert types["KafkaTopic/cdc/shop-orders-orders"].startswith(f"{platform}$cdc:kafka:KafkaCluster$cdc:kafka:KafkaTopics$")
    assert types["KafkaUser/cdc/shop-orders-sink"].startswith(f"{platform}$cdc:kafka:KafkaCluster$cdc:kafka:KafkaUsers$")
    assert types["Namespace/cdc"].startswith(f"{platform}$cdc:foundation:Foundation$")
    resources = engine.export("prod")["deployment"]["resources"]
    provider = next(r for r in resources if r["type"] == "pulumi:providers:kubernetes")
    assert provider["inputs"]["context"] == "prod-eu-central"
    used = {resource["provider"].split("::")[3] for resource in kubernetes_resources(engine, "prod").values()}
    assert used == {provider["urn"].split("::")[3]}


def test_one_edit_changes_only_what_follows_from_it_and_in_place(changed: Callable[..., Stack]) -> None:
    engine, _ = changed(**{"partitions: 24": "partitions: 30"})

    outcome = engine.up("prod").succeeded()

    done = {step.name: (step.op, dict(step.detailed_diff)) for step in outcome.applied if step.op != "same"}
    assert done.pop("prod")[0] == "update"  # the platform component carries the spec
    assert done == {"KafkaTopic/cdc/shop-orders-orders": ("update", {"spec.partitions": "update"})}
    topics = kubernetes_resources(engine, "prod")
    assert topics["KafkaTopic/cdc/shop-orders-orders"]["inputs"]["spec"]["partitions"] == 30


def test_a_topic_taken_out_of_a_production_spec_is_not_deleted(changed: Callable[..., Stack]) -> None:
    engine, _ = changed(**{"tables: [billing.invoices, billing.payments]": "tables: [billing.invoices]"})

    outcome = engine.up("prod").refused()

    assert "protect" in outcome.output
    assert "KafkaTopic/cdc/billing-invoices-payments" in kubernetes_resources(engine, "prod")


def test_topics_left_to_gitops_are_not_registered_but_their_digest_is_shown(small: Callable[..., Stack]) -> None:
    engine, file = small(**{"{context: prod}": "{context: prod, topicsAndUsers: gitops}"})
    engine.up("prod", skip_preview=True).succeeded()
    kinds = {name.partition("/")[0] for name in kubernetes_resources(engine, "prod")}
    assert "Kafka" in kinds
    assert not {"KafkaTopic", "KafkaUser"} & kinds
    before = engine.outputs("prod")["kafka"]["topicsAndUsers"]
    assert before["appliedBy"] == "gitops"
    edit(file, {"partitions: 24": "partitions: 30"})

    engine.up("prod", skip_preview=True).succeeded()

    assert engine.outputs("prod")["kafka"]["topicsAndUsers"]["digest"] != before["digest"]


def test_a_wrong_spec_declares_nothing_and_shows_every_problem_without_a_traceback(stack: Callable[..., Stack]) -> None:
    engine, _ = stack(
        "prod",
        **{"vault:cdc-pipeline/prod/shop-db#password": "hunter2-literal", "racks: topology": "rakcs: topology"},
    )

    outcome = engine.up("prod").refused()

    assert "kafka.rakcs" in outcome.output
    assert "did you mean racks?" in outcome.output
    assert "pipelines[0].source.mysql.password" in outcome.output
    assert "Traceback" not in outcome.output
    assert "hunter2-literal" not in outcome.output
    assert engine.export("prod")["deployment"].get("resources", []) == []


def test_state_and_outputs_hold_references_and_no_secret(first_up: tuple[Stack, Outcome]) -> None:
    (engine, _), outcome = first_up
    texts = [*leaves(engine.export("prod")), *leaves(engine.outputs("prod")), outcome.output]
    suspicious = re.compile(r"-----BEGIN|password\s*[=:]\s*[\"'](?!\$\{|<(?:store )?password>)[^\"'{]", re.IGNORECASE)
    assert not [text for text in texts if suspicious.search(text)]
    assert any("vault:cdc-pipeline/prod/shop-db#password" in text for text in texts)


def test_a_development_stack_can_be_thrown_away(small: Callable[..., Stack]) -> None:
    engine, _ = small(**{"tier: production": "tier: development"})
    engine.up("prod", skip_preview=True).succeeded()

    engine.destroy("prod").succeeded()

    assert engine.export("prod")["deployment"].get("resources", []) == []


def test_the_policy_pack_passes_production_as_it_stands(stack: Callable[..., Stack]) -> None:
    engine, _ = stack("prod")

    outcome = engine.preview("prod", policy_packs=[ROOT / "policies"]).succeeded()

    assert outcome.violations == ()


def test_a_broken_rule_refuses_the_stack_before_anything_is_declared(stack: Callable[..., Stack]) -> None:
    engine, _ = stack("prod", **{"    kafka:\n": "    kafka:\n      topicDefaults: {replicas: 1}\n"})

    outcome = engine.up("prod", policy_packs=[ROOT / "policies"]).refused()

    mandatory = [found.message for found in outcome.violations if found.level == "mandatory"]
    assert any("kafka-replication-factor" in message and "kafka.topicDefaults.replicas" in message for message in mandatory)
    assert outcome.applied == ()
    assert engine.export("prod")["deployment"].get("resources", []) == []


def test_a_stack_that_carries_no_spec_is_refused_by_the_pack(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "Pulumi.yaml").write_text("{name: other, runtime: python}")
    (project / "__main__.py").write_text("import pulumi\npulumi.export('nothing', 1)\n")
    engine = PulumiEngine(project, tmp_path / "work", Path(sys.executable))
    engine.init_stack("other")

    outcome = engine.preview("other", policy_packs=[ROOT / "policies"]).refused()

    assert "stack-is-judged" in {found.policy for found in outcome.violations if found.level == "mandatory"}


def test_a_docker_stack_registers_every_workload_volume_and_network_and_publishes_on_loopback_only(
    stack: Callable[..., Stack],
) -> None:
    engine, file = stack("dev")
    rendered = render(load_environment(ROOT, "dev"))
    secrets = file.parent / "secrets"

    engine.preview("dev").succeeded()
    assert not secrets.exists(), "a preview makes up no passwords"
    engine.up("dev").succeeded()

    resources = engine.export("dev")["deployment"]["resources"]
    docker = {r["urn"].rsplit("::", 1)[-1]: r["inputs"] for r in resources if r["type"].startswith("docker:")}
    containers = {workload.id for workload in rendered.workloads}
    images = {f"RemoteImage/{workload.image}" for workload in rendered.workloads}
    volumes = {f"Volume/{name}" for name in rendered.volumes}
    assert set(docker) == {*containers, *images, *volumes, f"Network/{rendered.network}"}
    for workload in rendered.workloads:
        inputs = docker[workload.id]
        assert {upload["file"]: upload["content"] for upload in inputs["uploads"]} == workload.files
        assert {(port["external"], port["internal"]) for port in inputs["ports"]} == set(workload.ports)
        assert {port["ip"] for port in inputs["ports"]} <= {"127.0.0.1"}
        assert inputs["entrypoints"] == list(workload.command)
        assert inputs["readOnly"] is True
        assert inputs["capabilities"]["drops"] == ["ALL"]
        folders = [Path(volume["hostPath"]) for volume in inputs.get("volumes", ()) if "hostPath" in volume]
        assert all(folder.parent == secrets and any(folder.iterdir()) for folder in folders)
        image = docker[f"RemoteImage/{workload.image}"]
        assert image["keepLocally"] is (workload.build is None)
        if workload.build is not None:
            assert image["build"]["context"] == str(file.parent / workload.build)
            assert len(image["triggers"]["sources"]) == 64
    assert engine.preview("dev", expect_no_changes=True).succeeded().count("same") >= len(docker)
    engine.destroy("dev").succeeded()
    assert engine.export("dev")["deployment"].get("resources", []) == []
