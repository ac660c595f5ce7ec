"""The files that continuous integration and pre-commit read are well formed, and what they run does what their names say."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.cdc_command import REPOSITORY, SMALL, Project, project

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"^[a-z-]+/[a-z-]+(/[a-z-]+)?@[0-9a-f]{40}$")
STAGING = SMALL.replace("tier: production", "tier: staging")


def workflow(name: str) -> dict[str, Any]:
    loaded = yaml.safe_load((REPOSITORY / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def steps(name: str) -> Iterator[dict[str, Any]]:
    for job in workflow(name)["jobs"].values():
        yield from job["steps"]


def step(name: str, title: str) -> str:
    return next(str(one["run"]) for one in steps(name) if one.get("name") == title)


@pytest.fixture(name="made")
def _made(tmp_path: Path) -> Project:
    """A repository whose main branch holds a production and a staging environment with their trees, beside a bare remote."""
    folder = tmp_path / "repository"
    folder.mkdir()
    made = project(folder, prod=SMALL, staging=STAGING)
    for stack in ("prod", "staging"):
        assert made.cdc("render", stack).code == 0
    git(made, "init", "--quiet", "--initial-branch=main")
    git(made, "config", "user.name", "x")
    git(made, "config", "user.email", "x@example.com")
    commit(made, "first")
    git(made, "init", "--quiet", "--bare", str(tmp_path / "remote"))
    git(made, "remote", "add", "origin", str(tmp_path / "remote"))
    return made


def git(made: Project, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=made.root, check=True, capture_output=True, text=True)
    return done.stdout


def commit(made: Project, message: str) -> None:
    git(made, "add", ".")
    git(made, "-c", "commit.gpgsign=false", "commit", "--quiet", f"--message={message}")


def run(made: Project, script: str, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A step's script as GitHub's runner runs it, with a double of ``gh`` that notes what it was told."""
    tools = tmp_path / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "gh").write_text(f'#!/bin/sh\nprintf "%s " "$@" >> {tmp_path}/gh.log\n', encoding="utf-8")
    (tools / "gh").chmod(0o755)
    path = f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    given = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"), "GITHUB_ACTOR": "ada", "GITHUB_RUN_ID": "7", **environment}
    bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(
        bash, check=False, cwd=made.root, env={**os.environ, "PATH": path, **given}, capture_output=True, text=True
    )


# ---- shape


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_jobs_of_steps_with_pinned_actions_and_few_rights(path: Path) -> None:
    found = workflow(path.stem)

    assert found["permissions"] == {"contents": "read"}
    assert found.keys() >= {True, "jobs"}  # YAML 1.1 reads the key "on" so
    for job in found["jobs"].values():
        assert job["runs-on"]
        assert job["timeout-minutes"] <= 15
        for one in job["steps"]:
            assert ("run" in one) != ("uses" in one), one
            assert "run" in one or PINNED.match(one["uses"]), one
            assert "${{" not in one.get("run", ""), (
                "what people wrote comes in by the environment, and is never part of a script"
            )


def test_hooks_for_others_and_for_this_repository_run_the_same_commands() -> None:
    offered = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    [local] = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]

    assert {hook["language"] for hook in offered} == {"python"}
    told = [{**hook, "language": "python", "entry": hook["entry"].removeprefix(".venv/bin/")} for hook in local["hooks"]]
    assert told == offered
    for hook in offered:
        assert re.search(hook["files"], "Pulumi.prod.yaml")
        assert not re.search(hook["files"], "README.md")


# ---- what they run


def entry(identity: str) -> str:
    hooks = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    return next(str(hook["entry"]) for hook in hooks if hook["id"] == identity)


def test_hooks_and_gitlab_pass_what_is_in_order_and_stop_what_is_not(made: Project, tmp_path: Path) -> None:
    gitlab = yaml.safe_load((REPOSITORY / ".gitlab-ci.yml").read_text(encoding="utf-8"))["specs"]["script"]
    assert [line.removeprefix(".venv/bin/") for line in gitlab[1:]] == [entry("cdc-check"), entry("cdc-rendered")]
    assert run(made, entry("cdc-check"), tmp_path).returncode == 0
    assert run(made, entry("cdc-rendered"), tmp_path).returncode == 0

    made.edit("prod", "partitions: 24", "partitions: 25")
    assert run(made, entry("cdc-rendered"), tmp_path).returncode == 3

    made.edit("prod", "racks: topology.kubernetes.io/zone", "brokers: 1")
    assert run(made, entry("cdc-check"), tmp_path).returncode == 2


def test_a_pull_request_is_judged_and_described(made: Project, tmp_path: Path) -> None:
    base = git(made, "rev-parse", "HEAD").strip()
    made.edit("prod", "partitions: 24", "partitions: 30")
    made.write("extra", STAGING)
    commit(made, "more")

    judged = run(made, step("specs", "Every spec is valid and breaks no mandatory rule"), tmp_path)
    in_step = run(made, step("specs", "The rendered trees are in step with the specs"), tmp_path)
    described = run(made, step("specs", "The change breaks no rule"), tmp_path, BASE=base)
    told = run(made, step("specs", "The pull request tells what it changes"), tmp_path, NUMBER="12")

    assert (judged.returncode, in_step.returncode, told.returncode) == (0, 3, 0), judged.stderr + told.stderr
    assert (made.root / "check.sarif").is_file()
    text = (made.root / "comment.md").read_text(encoding="utf-8")
    assert '| `pipelines[orders].tables["shop.orders"].partitions` | `24` | `30` |' in text
    assert "### `extra` is new" in text
    assert described.returncode == (1 if "❌ failed" in text else 0)
    assert (tmp_path / "summary.md").read_text(encoding="utf-8") == text
    assert (tmp_path / "gh.log").read_text() == "pr comment 12 --body-file short.md --edit-last --create-if-none "


def test_a_change_that_a_rule_forbids_fails_the_pull_request(made: Project, tmp_path: Path) -> None:
    base = git(made, "rev-parse", "HEAD").strip()
    made.edit("prod", "partitions: 24", "partitions: 6")

    described = run(made, step("specs", "The change breaks no rule"), tmp_path, BASE=base)

    assert described.returncode == 1
    assert "partitions" in (made.root / "comment.md").read_text(encoding="utf-8")


def test_a_promotion_is_opened_as_a_pull_request_with_its_tree(made: Project, tmp_path: Path) -> None:
    made.edit("staging", "schema: shop", "schema: shop_v2")
    assert made.cdc("render", "staging").code == 0
    commit(made, "a new schema")
    given = {"FROM": "staging", "TO": "prod", "OPTIONS": "--pipeline 'orders'", "BASE": "main"}

    promoted = run(made, step("promote", "Promote"), tmp_path, **given)
    opened = run(made, step("promote", "Open the pull request"), tmp_path, **given)

    assert (promoted.returncode, opened.returncode) == (0, 0), promoted.stderr + opened.stderr
    changed = git(made, "diff", "--name-only", "main", "origin/promote/staging-to-prod-7").split()
    assert "Pulumi.prod.yaml" in changed
    assert all(path == "Pulumi.prod.yaml" or path.startswith("rendered/prod/") for path in changed)
    assert "--base main --head promote/staging-to-prod-7" in (tmp_path / "gh.log").read_text()
    assert run(made, entry("cdc-rendered"), tmp_path).returncode == 0


def test_a_promotion_that_is_refused_opens_nothing(made: Project, tmp_path: Path) -> None:
    made.write("prod", SMALL + "    promotion: {diverges: [promotion]}\n")

    promoted = run(made, step("promote", "Promote"), tmp_path, FROM="staging", TO="prod", OPTIONS="")

    assert promoted.returncode == 1
    assert "may neither differ nor be moved" in promoted.stdout


def test_options_of_a_promotion_are_words_and_never_commands(made: Project, tmp_path: Path) -> None:
    nasty = "$(touch hacked) `touch hacked` ; touch hacked"

    assert run(made, step("promote", "Promote"), tmp_path, FROM="staging", TO="prod", OPTIONS=nasty).returncode != 0

    assert not (made.root / "hacked").exists()
