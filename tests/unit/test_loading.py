"""From a stack file to a spec, or to everything that is wrong with it: where, what, and what to do."""

from pathlib import Path

import pytest

from components.core.errors import CdcError, SpecError
from components.core.paths import format_path, parse_path
from components.environment import CONFIG_KEY
from components.loading import build_environment, load_environment, parse_environment, stacks
from tests.strategies.examples import ROOT, STACKS, problems_in

MINIMAL = "tier: development\ntarget: docker\n"


def inline(spec: str) -> str:
    """A stack file that holds ``spec``."""
    return f"config:\n  {CONFIG_KEY}:\n" + "".join(f"    {line}\n" for line in spec.splitlines())


def write(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


# Files


@pytest.mark.parametrize("stack", STACKS)
def test_the_committed_stacks_are_valid(stack: str) -> None:
    assert load_environment(ROOT, stack).name == stack


def test_all_stacks_are_found_sorted(tmp_path: Path) -> None:
    for name in ("Pulumi.yaml", "Pulumi.prod.yaml", "Pulumi.dev.yaml", "Pulumi.dev.yaml.bak", "Pulumi.old.yml"):
        write(tmp_path, name, inline(MINIMAL))
    assert stacks(tmp_path) == ["dev", "prod"]


def test_a_wrong_stack_is_told_with_the_nearest_and_all_there_are(tmp_path: Path) -> None:
    write(tmp_path, "Pulumi.prod.yaml", inline(MINIMAL))
    write(tmp_path, "Pulumi.dev.yaml", inline(MINIMAL))
    with pytest.raises(CdcError) as refused:
        load_environment(tmp_path, "prd")
    assert "Pulumi.prd.yaml" in str(refused.value)
    assert "did you mean prod? stacks here: dev, prod" in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_folder_without_stacks_is_told(tmp_path: Path) -> None:
    with pytest.raises(CdcError, match="stacks here: none"):
        load_environment(tmp_path / "nowhere", "dev")


def test_the_stack_is_named_by_its_file(tmp_path: Path) -> None:
    write(tmp_path, "Pulumi.dev.yaml", inline(MINIMAL))
    assert load_environment(tmp_path, "dev").name == "dev"
    write(tmp_path, "Pulumi.dev.yaml", inline(MINIMAL + "name: prod\nteir: development\n"))
    with pytest.raises(SpecError) as refused:
        load_environment(tmp_path, "dev")
    assert [problem.path for problem in refused.value.problems] == ["name", "teir"]


def test_a_file_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_bytes(b"config: \xff\n")
    with pytest.raises(CdcError, match="cannot be read"):
        load_environment(tmp_path, "dev")


def test_a_folder_in_a_files_place_is_no_stack(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").mkdir()
    with pytest.raises(CdcError, match="no such stack"):
        load_environment(tmp_path, "dev")


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "[]", "1", "config:", "config: {}", "config: []", "other: 1", "---\na: 1\n---\nb: 1\n"]
)
def test_a_file_without_a_spec_is_told_where_to_write_it(text: str) -> None:
    with pytest.raises(SpecError) as refused:
        parse_environment(text, "dev")
    assert CONFIG_KEY in str(refused.value)


@pytest.mark.parametrize("value", [None, [], 5, True, "text"])
def test_a_spec_that_is_no_mapping_is_refused(value: object) -> None:
    with pytest.raises(SpecError, match="write at least tier: and target:"):
        build_environment(value, "dev", "Pulumi.dev.yaml")


# A spec in a file of its own


def test_a_spec_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, "environments/prod.yaml", MINIMAL)
    write(tmp_path, "Pulumi.prod.yaml", f"config:\n  {CONFIG_KEY}: environments/prod.yaml\n")
    assert load_environment(tmp_path, "prod").name == "prod"


def test_errors_in_it_name_that_file_and_its_lines(tmp_path: Path) -> None:
    write(tmp_path, "environments/prod.yaml", MINIMAL + "kafka:\n  brokers: none\n")
    write(tmp_path, "Pulumi.prod.yaml", f"config:\n  {CONFIG_KEY}: environments/prod.yaml\n")
    with pytest.raises(SpecError) as refused:
        load_environment(tmp_path, "prod")
    assert str(refused.value).startswith("environments/prod.yaml: 1 problem\n  kafka.brokers.replicas (line 4): ")


@pytest.mark.parametrize(
    "reference",
    [
        "../outside.yaml",
        "environments/../../outside.yaml",
        "nowhere.yaml",
        ".",
        "link.yaml",
        "a\0b",
        "x" * 5000,
        "/etc/hostname",
    ],
)
def test_a_reference_out_of_the_project_or_to_nothing_is_refused(tmp_path: Path, reference: str) -> None:
    project = tmp_path / "project"
    outside = write(tmp_path, "outside.yaml", MINIMAL)
    write(project, "environments/prod.yaml", MINIMAL)
    (project / "link.yaml").symlink_to(outside)
    with pytest.raises(SpecError, match="is not a file inside the project"):
        parse_environment(f'config: {{"{CONFIG_KEY}": "{reference}"}}'.replace("\0", "\\0"), "prod", project)


def test_a_spec_that_is_one_long_text_is_not_repeated(tmp_path: Path) -> None:
    """As ``pulumi config set`` would store JSON."""
    text = f"""config: {{"{CONFIG_KEY}": '{{"kafka": {{"users": [{{"name": "a", "password": "hunter2"}}]}}}}'}}"""
    with pytest.raises(SpecError) as refused:
        parse_environment(text, "prod", tmp_path)
    assert "hunter2" not in str(refused.value)


# Paths and lines


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ((), ""),
        (("kafka", "topics", 3, "name"), "kafka.topics[3].name"),
        (("pipelines", 0, "tables", "shop.orders", "partitions"), 'pipelines[0].tables["shop.orders"].partitions'),
        (("kafka", "config", "min.insync.replicas"), 'kafka.config["min.insync.replicas"]'),
        (("kafka", "config", 'a"b]\\'), 'kafka.config["a\\"b]\\\\"]'),
        (("kafka", "config", "3"), 'kafka.config["3"]'),
        (("kafka", "config", ""), 'kafka.config[""]'),
        (("kafka", "config", "ключ"), 'kafka.config["ключ"]'),
    ],
)
def test_a_path_is_read_as_it_was_written(location: tuple[str | int, ...], path: str) -> None:
    assert format_path(location) == path
    assert parse_path(path) == location


WRONG = """\
tier: production
target: kubernetes
kafka:
  brokers: 2
  users:
    - name: a
      password: hunter2
    - {name: b, quota: {produce: 0}}
  topicDefaults:
    replicas: 3
  config:
    min.insync.replicas: 1
tenants:
  - {name: shop, owner: team-shop}
pipelines:
  - name: orders
    tenant: shop
    source:
      mysql: {host: db, password: vault:a#b, tables: [shop.orders]}
    sink:
      postgres: {database: w}
    tables:
      shop.orders:
        partitons: 3
      shop.nowhere:
        partitions: 3
"""


def test_every_problem_has_its_line() -> None:
    """Line 1 of the spec is line 3 of the file."""
    assert {problem.path: problem.line - 2 for problem in problems_in(inline(WRONG))} == {
        "kafka.users[0].password": 7,
        "kafka.users[1].quota.produce": 8,
        "kafka.topicDefaults.replicas": 10,
        'kafka.config["min.insync.replicas"]': 12,
        'pipelines[0].tables["shop.orders"].partitons': 24,
        'pipelines[0].tables["shop.nowhere"]': 25,
    }


def test_a_missing_key_has_the_line_of_its_parent() -> None:
    [problem] = problems_in(inline("tier: production\ntarget: docker\ntenants:\n  - owner: x\n"))
    assert (problem.path, problem.line - 2, problem.message) == ("tenants[0].name", 4, "is missing")
    assert problem.remedy.startswith("write it: The tenant's name")


def test_a_shorthand_has_the_line_of_its_key() -> None:
    [problem] = problems_in(inline("tier: production\ntarget: docker\nkafka:\n  brokers: many\n"))
    assert (problem.path, problem.line - 2) == ("kafka.brokers.replicas", 4)


def test_the_text_of_an_error_has_everything_and_nothing_of_pydantic() -> None:
    with pytest.raises(SpecError) as refused:
        parse_environment(inline(WRONG), "trial")
    text = str(refused.value)
    assert text.startswith("Pulumi.trial.yaml: 6 problems\n")
    assert (
        "kafka.users[0].password (line 9): a secret is written as a reference, never as its value\n      → write vault:" in text
    )
    assert "pydantic" not in text
    assert refused.value.exit_code == 2
