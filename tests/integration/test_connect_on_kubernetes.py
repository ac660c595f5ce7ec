"""``cdc connect`` on a real API server, with kubectl; the operator and Connect behind it are fakes."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path

import pytest
import yaml

from components.environment import CONFIG_KEY
from operations.connect.kubectl import RIGHTS
from tests.doubles.connect import FakeCluster, Source
from tests.doubles.strimzi import FakeOperator
from tests.harness.api_server import TOKEN, ApiServer
from tests.harness.cdc_command import SMALL, Outcome, Project, installed_cdc, outcome_of, project
from tests.harness.strimzi_operator import operating
from tests.toolchain.kubernetes import kubectl

pytestmark = pytest.mark.integration

CONNECT = '    connect: {image: "acme/connect:1", active: blue}  # not by hand\n'
BLUE, GREEN = "orders-source-blue", "orders-source-green"
PATIENCE = "--patience=60"
NUMBERS = count(1)


class World:
    """A stack on Kubernetes whose Connect clusters are fakes; the source gets a change whenever one of them is asked."""

    def __init__(self, folder: Path, server: ApiServer, namespace: str) -> None:
        self.server, self.namespace = server, namespace
        self.source = Source(end=5)
        self._lock = threading.Lock()
        self.connects = {
            colour: FakeCluster(colour, {f"orders-source-{colour}": self.source}, self._before) for colour in ("blue", "green")
        }
        self.made: Project = project(
            folder, prod=SMALL.replace("context: prod", f"context: test, namespace: {namespace}") + CONNECT
        )
        self._kubeconfig = server.kubeconfig
        assert server.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}]) == []

    def _before(self, _request: str) -> None:
        with self._lock:
            self.source.end += 1

    def operator(self) -> AbstractContextManager[FakeOperator]:
        clusters = {f"cdc-connect-{colour}": connect for colour, connect in self.connects.items()}
        return operating(self.server, self.namespace, clusters)

    @property
    def environment(self) -> dict[str, str]:
        path = f"{kubectl().parent}{os.pathsep}{os.environ['PATH']}"
        return {"KUBECONFIG": str(self._kubeconfig), "PATH": path, "HOME": str(self.made.root)}

    def become(self, user: str, rights: Mapping[tuple[str, str], Sequence[str]]) -> None:
        """From now on ``cdc`` is run as somebody else, who has these rights: verbs by API group and resource."""
        rules = [{"apiGroups": [group], "resources": [kind], "verbs": [*verbs]} for (group, kind), verbs in rights.items()]
        rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": user, "namespace": self.namespace}}
        subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": user}
        binding = {**rbac, "kind": "RoleBinding", "subjects": subjects, "roleRef": reference}
        assert self.server.apply([{**rbac, "kind": "Role", "rules": rules}, binding]) == []
        kubeconfig = json.loads(self.server.kubeconfig.read_text(encoding="utf-8"))
        kubeconfig["users"] = [{"name": "test", "user": {"token": TOKEN, "as": user}}]
        self._kubeconfig = self.made.root / "kubeconfig"
        self._kubeconfig.write_text(json.dumps(kubeconfig), encoding="utf-8")

    def cdc(self, *arguments: str) -> Outcome:
        command = [*installed_cdc(), "--root", str(self.made.root), "connect", *arguments]
        return outcome_of(command, self.made.root, **self.environment)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [*installed_cdc(), "--root", str(self.made.root), "connect", *arguments]
        return subprocess.Popen(
            command, cwd=self.made.root, env={**os.environ, **self.environment}, stdout=subprocess.PIPE, text=True
        )

    def apply_another_class(self, connector: str) -> None:
        """As Pulumi does, which takes no field from another owner by force."""
        path = f"/apis/kafka.strimzi.io/v1/namespaces/{self.namespace}/kafkaconnectors/{connector}"
        body = {"apiVersion": "kafka.strimzi.io/v1", "kind": "KafkaConnector", "spec": {"class": "Another", "state": "stopped"}}
        headers, parameters = {"Content-Type": "application/apply-patch+yaml"}, {"fieldManager": "pulumi"}
        answer = self.server.http.patch(path, json=body, headers=headers, params=parameters)
        assert answer.is_success, answer.text

    @property
    def active(self) -> str:
        text = (self.made.root / "Pulumi.prod.yaml").read_text(encoding="utf-8")
        assert "# not by hand" in text
        colour: str = yaml.safe_load(text)["config"][CONFIG_KEY]["connect"]["active"]
        return colour

    def objects(self) -> set[str]:
        answer = self.server.http.get(f"/apis/kafka.strimzi.io/v1/namespaces/{self.namespace}/kafkaconnectors")
        return {item["metadata"]["name"] for item in answer.raise_for_status().json()["items"]}

    def judge(self, colour: str) -> None:
        assert (self.active, self.objects()) == (colour, {f"orders-source-{colour}"})
        for connect in self.connects.values():
            connect.run()
        assert self.connects[colour].lives == {f"orders-source-{colour}": "running"}
        assert self.source.written == list(range(self.source.end))


@pytest.fixture(name="world")
def _world(tmp_path: Path, api_server: ApiServer) -> World:
    return World(tmp_path, api_server, f"connect-{next(NUMBERS)}")


def test_connectors_are_applied_and_moved_and_a_killed_move_is_finished(world: World) -> None:
    """By somebody who has the rights that it is said to take, and no others."""
    world.become("mover", RIGHTS)
    with world.operator():
        assert world.cdc("plan", "prod").code == 3
        applied = world.cdc("apply", "prod")
        assert applied.code == 0, applied.text
        assert world.cdc("plan", "prod").code == 0
        shown = world.cdc("switch", "prod")
        assert (shown.code, "moves from blue to green" in shown.out) == (3, True), shown.text
        world.judge("blue")
        killed = world.start("switch", "prod", "--yes", PATIENCE)
        assert killed.stdout is not None
        assert any("stopped on blue" in line for line in killed.stdout)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert (world.active, world.objects()) == ("blue", {BLUE, GREEN})
        done = world.cdc("switch", "prod", "--yes", PATIENCE)
        assert done.code == 0, done.text
        world.judge("green")
        world.apply_another_class(GREEN)


def test_refused_positions_leave_the_connectors_where_they_were(world: World) -> None:
    with world.operator() as operator:
        operator.refuses = {GREEN: "400 these are not the positions of a MySqlConnector"}
        assert world.cdc("apply", "prod").code == 0
        refused = world.cdc("switch", "prod", "--yes", PATIENCE)
        assert refused.code == 1, refused.text
        assert "these are not the positions of a MySqlConnector" in refused.err
        assert "Every connector runs on blue again" in refused.err
        world.judge("blue")


def test_without_an_operator_it_ends_in_time_and_says_so(world: World) -> None:
    with world.operator():
        assert world.cdc("apply", "prod").code == 0
    ended = world.cdc("switch", "prod", "--yes", "--patience=1")
    assert ended.code == 1, ended.text
    assert "the Strimzi operator has not looked at it within 1 s" in ended.err
    assert "Nothing was changed" in ended.err
    world.judge("blue")


def test_somebody_who_may_not_is_told_what_before_anything_is_done(world: World) -> None:
    with world.operator():
        assert world.cdc("apply", "prod").code == 0
    world.become("stranger", {})
    refused = world.cdc("plan", "prod")
    assert refused.code == 1, refused.text
    assert "is forbidden" in refused.err
    assert f"in namespace {world.namespace}" in refused.err
    world.become("reader", {("kafka.strimzi.io", "kafkaconnectors"): ["get", "list", "patch", "create"]})
    assert world.cdc("plan", "prod").code == 0
    refused = world.cdc("switch", "prod", "--yes")
    assert refused.code == 1, refused.text
    assert "may not delete kafkaconnectors.kafka.strimzi.io, get configmaps" in refused.err
    world.judge("blue")


def test_a_context_or_a_program_that_is_not_there_is_named(world: World) -> None:
    world.made.edit("prod", "context: test", "context: elsewhere")
    unknown = world.cdc("plan", "prod")
    assert unknown.code == 1
    assert "elsewhere" in unknown.err
    assert "kubernetes.context" in unknown.err
    bare = outcome_of([*installed_cdc(), "--root", str(world.made.root), "connect", "plan", "prod"], world.made.root, PATH="")
    assert (bare.code, "kubectl is not installed" in bare.err) == (1, True), bare.text


def test_workers_addresses_are_refused_on_kubernetes(world: World) -> None:
    refused = world.cdc("plan", "prod", "--blue", "http://localhost:1")
    assert (refused.code, "leave --blue and --green out" in refused.err) == (2, True)
