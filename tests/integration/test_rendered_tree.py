"""The rendered tree under the tool that GitOps controllers read it with."""

import subprocess
from pathlib import Path

import pytest
import yaml

from components.loading import load_environment
from components.platform import render
from tests.harness.cdc_command import copy_of_repository
from tests.toolchain.kubernetes import kubectl

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("stack", ["prod", "prod-dr"])
def test_kustomize_builds_exactly_the_rendered_objects_from_the_tree(tmp_path: Path, stack: str) -> None:
    made = copy_of_repository(tmp_path)
    assert made.cdc("render", stack).code == 0
    folder = tmp_path / "rendered" / stack
    (folder / "kafka" / "NOTES.md").write_text("not an object\n")
    built = subprocess.run([str(kubectl()), "kustomize", str(folder)], capture_output=True, text=True, check=True)
    found = {
        (body["kind"], body["metadata"].get("namespace"), body["metadata"]["name"]): body
        for body in yaml.safe_load_all(built.stdout)
    }
    expected = {(m.kind, m.namespace, m.name): m.body for m in render(load_environment(tmp_path, stack)).manifests}
    assert found == expected
