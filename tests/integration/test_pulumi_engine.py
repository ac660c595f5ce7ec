"""The Pulumi harness tells the truth: the real engine, on a tiny program, with the plugin doubles."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.pulumi_engine import PulumiEngine, PulumiTimeout

pytestmark = pytest.mark.integration

PROGRAM = """
import pulumi
import pulumi_docker as docker
import pulumi_kubernetes as kubernetes

config = pulumi.Config()

class Cluster(pulumi.ComponentResource):
    def __init__(self, name: str) -> None:
        super().__init__("cdc:kafka:Cluster", name)
        inside = pulumi.ResourceOptions(parent=self)
        kubernetes.apiextensions.CustomResource(
            "orders", api_version="kafka.strimzi.io/v1", kind="KafkaTopic", metadata={"name": "orders"},
            spec={"partitions": config.get_int("partitions") or 3}, opts=inside)
        kubernetes.core.v1.ConfigMap("settings", metadata={"name": "settings"}, data={"a": config.get("a") or "1"}, opts=inside)
        network = docker.Network("network", opts=inside)
        docker.Container(
            "broker", image=config.get("image") or "kafka:4", memory=config.get_int("memory") or 512,
            networks_advanced=[{"name": network.name}], envs=[pulumi.Output.secret("PASSWORD=hunter2")], opts=inside)

Cluster("main")
pulumi.export("password", pulumi.Output.secret("hunter2"))
"""
ALL_RESOURCES = {"main", "orders", "settings", "network", "broker"}

POLICY_PACK = """
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy

def partitions(args, report):
    if args.resource_type.endswith(":KafkaTopic") and args.props["spec"]["partitions"] < 6:
        report("a topic needs 6 partitions")

PolicyPack("tiny", enforcement_level=EnforcementLevel.MANDATORY, policies=[
    ResourceValidationPolicy(name="partitions", description="Topics are wide enough", validate=partitions)])
"""

NewEngine = Callable[..., PulumiEngine]


@pytest.fixture(name="new_engine")
def _new_engine(tmp_path: Path) -> NewEngine:
    """A factory of engines on a given program, with a stack named ``dev``."""

    def create(program: str, timeout_seconds: float = 120) -> PulumiEngine:
        project = tmp_path / "project"
        project.mkdir()
        (project / "Pulumi.yaml").write_text("{name: tiny, runtime: python}")
        (project / "__main__.py").write_text(program)
        engine = PulumiEngine(project, tmp_path / "work", Path(sys.executable), timeout_seconds=timeout_seconds)
        engine.init_stack("dev")
        return engine

    return create


def test_updates_and_replacements_are_told_apart(new_engine: NewEngine) -> None:
    engine = new_engine(PROGRAM)
    assert {step.name for step in engine.up("dev").succeeded().applied} == ALL_RESOURCES
    assert engine.preview("dev", expect_no_changes=True).succeeded().count("same") == len(ALL_RESOURCES)
    for key, value in {"partitions": "6", "a": "2", "image": "kafka:5", "memory": "1024"}.items():
        engine.set_config("dev", key, value)

    outcome = engine.up("dev").succeeded()

    changed = {step.name: step.detailed_diff for step in outcome.applied if step.op in {"update", "replace"}}
    assert changed == {
        "orders": {"spec.partitions": "update"},
        "settings": {"data.a": "update-replace"},
        "broker": {"image": "update-replace", "memory": "update"},
    }
    assert outcome.changes == {"same": 3, "update": 1, "replace": 2}  # the stack, the component and the network stay


def test_a_mandatory_policy_refuses_before_anything_is_declared(new_engine: NewEngine, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text("runtime: python")
    (pack / "__main__.py").write_text(POLICY_PACK)
    engine = new_engine(PROGRAM)

    outcome = engine.up("dev", policy_packs=[pack]).refused()

    assert [(found.policy, found.level, found.urn.rsplit("::")[-1]) for found in outcome.violations] == [
        ("partitions", "mandatory", "orders")
    ]
    assert outcome.applied == ()
    assert engine.export("dev")["deployment"].get("resources", []) == []
    engine.set_config("dev", "partitions", "6")
    assert engine.preview("dev", policy_packs=[pack]).succeeded().violations == ()


def test_secrets_are_ciphertext_in_the_state(new_engine: NewEngine) -> None:
    engine = new_engine(PROGRAM)
    engine.up("dev").succeeded()

    state = json.dumps(engine.export("dev"))

    assert "hunter2" not in state
    assert "ciphertext" in state
    assert engine.outputs("dev") == {"password": "[secret]"}
    assert engine.outputs("dev", show_secrets=True) == {"password": "hunter2"}


def test_a_program_that_never_ends_is_killed_with_everything_it_started(new_engine: NewEngine, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    engine = new_engine(
        f"import os, pathlib, time\npathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))\ntime.sleep(3600)",
        timeout_seconds=8,
    )

    with pytest.raises(PulumiTimeout, match="did not end within 8 s"):
        engine.preview("dev")

    assert not Path("/proc", pid_file.read_text()).exists()
