"""A real API server with Strimzi's definitions judges what is rendered for Kubernetes, unknown fields included."""

import copy
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from components.chaos.kinds import NAMES as CHAOS
from components.core import yaml_text
from components.core.rendered import Manifest
from components.environment import CONFIG_KEY, EnvironmentSpec
from components.loading import build_environment, load_environment
from components.platform import render
from tests.harness.api_server import ApiServer
from tests.harness.cdc_command import real_cdc
from tests.harness.kubernetes_client import Document, read_documents
from tests.strategies.draw import Plain
from tests.strategies.environments import environments
from tests.strategies.examples import ROOT

pytestmark = pytest.mark.integration

EXAMPLES = 60
STACKS = ("prod", "prod-dr", "dev")


@cache
def spec_of(stack: str) -> EnvironmentSpec:
    """A stack's spec; one of another target as it would be on Kubernetes."""
    spec = load_environment(ROOT, stack)
    if spec.target == "kubernetes":
        return spec
    values = spec.published()
    values["target"] = "kubernetes"
    values["kafka"].pop("tls", None)
    values.get("postgres", {}).pop("tls", None)
    values.pop("development", None)
    for built in ("sink", "cassandraAgent"):
        if values.get(built, {}).pop("build", None):
            values[built]["image"] = "acme/built:1"
    values.get("sink", {}).get("admin", {}).pop("hostPort", None)
    values["kafka"]["listeners"] = [entry for entry in values["kafka"]["listeners"] if entry.get("type") != "host"]
    if "connect" in values:
        values["connect"] |= {"image": "acme/connect:1", "converter": "confluent"}
    return build_environment(values, stack, stack)


def bodies(spec: EnvironmentSpec, namespace: str) -> list[Document]:
    """The manifests as if the environment's namespace were ``namespace``; names of no namespace begin with it too."""
    return [dict(manifest.body) for manifest in in_namespace(spec, namespace)]


def in_namespace(spec: EnvironmentSpec, namespace: str) -> tuple[Manifest, ...]:
    kubernetes = spec.kubernetes.model_copy(update={"namespace": namespace})
    return render(spec.model_copy(update={"kubernetes": kubernetes})).manifests


@pytest.mark.parametrize("stack", STACKS)
def test_every_manifest_of_a_stack_is_accepted(api_server: ApiServer, stack: str) -> None:
    assert api_server.apply(bodies(spec_of(stack), stack)) == []


def test_what_is_accepted_is_stored_whole(api_server: ApiServer) -> None:
    """Nothing is pruned or turned into something else: what the server has includes all that was rendered."""
    documents = bodies(spec_of("prod"), "stored")
    assert api_server.apply(documents) == []
    for document in documents:
        live = api_server.client.get(document)
        assert live is not None
        assert includes(live, document), live


def includes(live: Any, rendered: Any) -> bool:
    """Whether ``live`` has everything of ``rendered``, and perhaps defaults beside it."""
    if isinstance(rendered, dict):
        return isinstance(live, dict) and all(key in live and includes(live[key], value) for key, value in rendered.items())
    if isinstance(rendered, list):
        return len(live) == len(rendered) and all(map(includes, live, rendered))
    return bool(live == rendered)


def test_applied_again_nothing_changes(api_server: ApiServer) -> None:
    documents = bodies(spec_of("prod"), "again")
    assert api_server.apply(documents) == []
    versions = [resource_version(api_server, document) for document in documents]
    assert api_server.apply(documents) == []
    assert [resource_version(api_server, document) for document in documents] == versions


def resource_version(api_server: ApiServer, document: Document) -> str:
    live = api_server.client.get(document)
    assert live is not None
    return str(live["metadata"]["resourceVersion"])


# That the server would notice


OPEN = {"config", "matchLabels", "labels", "annotations", "requests", "limits", "-XX", "data", "selector", "parameters"}
"""Fields whose keys are the user's own."""


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all keys of a document that its schema knows by name."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, key)
            if key not in OPEN:
                yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))


def misspelt(document: Document, path: tuple[str | int, ...]) -> Document:
    """A copy that has one more key at ``path``, misspelt."""
    wrong = copy.deepcopy(document)
    place: Any = wrong
    for step in path[:-1]:
        place = place[step]
    place[f"{path[-1]}x"] = copy.deepcopy(place[path[-1]])
    return wrong


def test_in_every_kind_each_misspelt_field_is_refused_by_name(api_server: ApiServer) -> None:
    """A key beside each known one, one at a time, in one object of each kind that has most to say."""
    documents = bodies(spec_of("prod"), "misspelt")
    assert api_server.apply(documents) == []
    largest = {document["kind"]: document for document in sorted(documents, key=lambda document: len(str(document)))}
    assert set(largest) > {"Kafka", "Deployment", "StatefulSet", "ConfigMap", "NetworkPolicy"}
    unnoticed = []
    for kind, document in largest.items():
        for path in places(document):
            if path[-1] in {"apiVersion", "kind"} or path in {("metadata", "name"), ("metadata", "namespace")}:
                continue
            refused = api_server.apply([misspelt(document, path)], dry_run=True)
            if not (refused and f"{path[-1]}x" in refused[0].message):
                unnoticed.append((kind, path))
    assert unnoticed == []


def test_workers_that_are_scaled_by_lag_are_accepted_and_each_misspelt_field_is_not(api_server: ApiServer) -> None:
    values = spec_of("prod").published()
    values["sink"]["autoscaling"]["lag"] = 5000
    documents = bodies(build_environment(values, "prod", "prod"), "lag")
    assert api_server.apply(documents) == []
    by_kind = {document["kind"]: document for document in documents}
    for kind in ("ScaledObject", "TriggerAuthentication"):
        document = by_kind[kind]
        known = [path for path in places(document) if path[0] == "spec" and "metadata" not in path[:-1]]
        refused = [api_server.apply([misspelt(document, path)], dry_run=True) for path in known]
        assert all(f"{path[-1]}x" in one[0].message for path, one in zip(known, refused, strict=True) if one)
        assert len(known) == sum(map(bool, refused)) > 5


def test_experiments_of_every_kind_are_accepted_and_each_misspelt_field_is_not(api_server: ApiServer) -> None:
    values = spec_of("prod").published() | {"tier": "staging"}
    values["chaos"] = {"experiments": [{"kind": kind, "schedule": f"0 {hour} * * wed"} for hour, kind in enumerate(CHAOS)]}
    documents = bodies(build_environment(values, "prod", "prod"), "chaos")
    assert api_server.apply(documents) == []
    schedules = [document for document in documents if document["kind"] == "Schedule"]
    assert len(schedules) == len(CHAOS)
    for document in schedules:
        known = [path for path in places(document) if path[0] == "spec" and "labelSelectors" not in path[:-1]]
        refused = [api_server.apply([misspelt(document, path)], dry_run=True) for path in known]
        assert [path for path, one in zip(known, refused, strict=True) if not one or f"{path[-1]}x" not in one[0].message] == []


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("KafkaTopic", ("spec", "partitions"), 0),
        ("KafkaTopic", ("spec", "replicas"), "3"),
        ("KafkaUser", ("spec", "authentication", "type"), "plain"),
        ("KafkaUser", ("metadata", "labels", "cdc.platform/tenant"), "not a label"),
        ("KafkaNodePool", ("spec", "jvmOptions", "-Xmx"), "1Gi"),
        ("KafkaNodePool", ("metadata", "name"), "Brokers"),
        ("Kafka", ("spec", "kafka", "listeners", 0, "port"), 80),
        ("Kafka", ("spec", "kafka", "listeners", 0, "type"), "host"),
        ("NetworkPolicy", ("spec", "policyTypes"), ["Outgress"]),
        ("PriorityClass", ("value",), 2_000_000_000),
    ],
)
def test_a_wrong_value_is_refused(api_server: ApiServer, kind: str, path: tuple[str | int, ...], value: Any) -> None:
    wrong = copy.deepcopy(next(document for document in bodies(spec_of("prod"), "wrong") if document["kind"] == kind))
    place: Any = wrong
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "wrong"}}
    [refused] = api_server.apply([namespace, wrong], dry_run=True)
    assert refused.message


# The rendered tree


def cdc_render(stack: str, folder: Path) -> None:
    """As a user does it."""
    outcome = real_cdc("render", stack, "--out", str(folder), cwd=ROOT)
    assert outcome.code == 0, outcome.text


@pytest.mark.parametrize("stack", ["prod", "prod-dr"])
def test_kubectl_applies_the_rendered_tree_as_it_is(api_server: ApiServer, stack: str, tmp_path: Path) -> None:
    cdc_render(stack, tmp_path / "tree")
    expected = [dict(manifest.body) for manifest in render(spec_of(stack)).manifests]
    assert sorted(map(str, read_documents(tmp_path / "tree"))) == sorted(map(str, expected))
    applied = api_server.kubectl_apply(tmp_path / "tree")
    assert applied.returncode == 0, applied.stderr
    assert applied.stdout.count("serverside-applied") == len(expected)
    assert all(api_server.client.get(document) for document in expected)


def test_kubectl_refuses_a_rendered_tree_with_a_misspelt_field(api_server: ApiServer, tmp_path: Path) -> None:
    cdc_render("prod", tmp_path / "tree")
    [file] = (tmp_path / "tree").rglob("kafka_cdc.yaml")
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("networkPolicyPeers:", "networkPolicyPeer:", 1), encoding="utf-8")
    refused = api_server.kubectl_apply(tmp_path / "tree")
    assert refused.returncode != 0
    assert "networkPolicyPeer" in refused.stderr


# Failing over and back


def test_what_the_runbooks_do_with_kubectl_is_possible_and_does_it(api_server: ApiServer) -> None:
    """Their own words, each command of them, on what ``prod-dr`` is once it has taken over."""
    values = spec_of("prod-dr").published()
    values["mirrorMaker"]["failedOver"] = True
    assert api_server.apply(bodies(build_environment(values, "prod-dr", "prod-dr"), "runbook")) == []
    texts = [(ROOT / "docs" / "runbooks" / name).read_text(encoding="utf-8") for name in ("failover.md", "failback.md")]
    commands = [" ".join(command.split()) for text in texts for command in re.findall(r"`(kubectl[^`]+)`", text)]
    assert len(commands) == 4
    for command in commands:
        done = api_server.shell(command.replace("-n cdc ", "-n runbook "))
        assert done.returncode == 0, (command, done.stderr)
    live = [api_server.client.get(document) for document in bodies(spec_of("prod-dr"), "runbook")]
    found = {(one["kind"], one["metadata"]["name"]): one for one in live if one is not None}
    assert found["KafkaMirrorMaker2", "cdc-dr"]["spec"]["replicas"] == 0
    assert {one["spec"]["state"] for (kind, _), one in found.items() if kind == "KafkaConnector"} == {"stopped"}
    assert {one["spec"]["replicas"] for (kind, name), one in found.items() if kind == "Deployment" and "sink" in name} == {0}
    released = {
        one["metadata"].get("annotations", {}).get("strimzi.io/managed")
        for (kind, _), one in found.items()
        if kind == "KafkaTopic" and "cdc.platform/pipeline" in one["metadata"]["labels"]
    }
    assert released == {"false"}


# Any valid environment


def test_the_manifests_of_any_valid_environment_are_accepted(api_server: ApiServer) -> None:
    """All of them at once, each environment in a namespace of its own; a refusal shows the environment that it is from."""
    drawn: list[Plain] = []

    @settings(max_examples=EXAMPLES)
    @given(environments("kubernetes"))
    def draw(values: Plain) -> None:
        drawn.append(values)

    draw()
    documents: list[Document] = []
    for number, values in enumerate(drawn):
        spec = build_environment(values, "trial", "trial")
        documents += bodies(spec, f"any-{number}")
    assert len(documents) > 10 * EXAMPLES
    refused = api_server.apply(documents, dry_run=True)
    guilty = [values for number, values in enumerate(drawn) if any(f" any-{number}/" in one.object_id for one in refused)]
    assert refused == [], "\n".join(map(text_of, guilty[:1]))


def text_of(values: Plain) -> str:
    """An environment as its stack file would hold it."""
    return yaml_text.dump({"config": {CONFIG_KEY: values}})
