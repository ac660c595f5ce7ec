"""Whatever is wrong with what the user gave: exit code 2, what is wrong, where, what to do, and never a traceback."""

from pathlib import Path

import pytest

from tests.harness.cdc_command import SMALL, Outcome, Project, project

LITERAL = "hunter2-is-not-a-reference"
LEVELS = "".join(f"    a{n + 1}: &a{n + 1} [*a{n}, *a{n}, *a{n}, *a{n}, *a{n}, *a{n}, *a{n}, *a{n}, *a{n}]\n" for n in range(9))
BOMB = "config:\n  cdc-platform:environment:\n    a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + LEVELS
SECOND_PIPELINE = """      - name: orders
        tenant: shop
        source:
          mysql: {host: other-db, password: "vault:shop-db#password", tables: [other.orders]}
        sink: {postgres: {database: warehouse, schema: other}}
"""
TOPIC = "        - {name: shop_audit, owner: team-shop, partitions: 6}\n"
BROKERS = "      brokers: {replicas: 3, storage: 500Gi}\n"

EDITS = {
    "an unknown key, with the nearest known one": ("brokers: {rep", "broker: {rep", ["kafka.broker ", "did you mean brokers?"]),
    "replicas above brokers": (
        BROKERS,
        BROKERS + "      topicDefaults: {replicas: 5}\n",
        ["kafka.topicDefaults.replicas", "there are 3"],
    ),
    "all replicas in sync": (
        BROKERS,
        BROKERS + "      topicDefaults: {minInSyncReplicas: 3}\n",
        ["kafka.topicDefaults.minInSyncReplicas", "leaves no room"],
    ),
    "a topic's replicas above brokers": ("partitions: 6}", "replicas: 4}", ["kafka.topics[0].replicas", "there are 3"]),
    "topics that Kafka's metrics cannot tell apart": (
        TOPIC,
        TOPIC + "        - {name: shop.audit, owner: team-shop}\n",
        ["kafka.topics[", "shop.audit", "shop_audit", "metrics"],
    ),
    "topics that Kubernetes cannot tell apart": (
        TOPIC,
        TOPIC + "        - {name: shop-audit, owner: team-shop}\n",
        ["kafka.topics[", "shop-audit", "shop_audit", "Kubernetes name"],
    ),
    "a topic name that Kafka refuses": ("shop_audit", "shop audit", ["kafka.topics[0].name", "is not a topic name"]),
    "a quota of 0": ("produce: 10MiB/s", "produce: 0B/s", ["tenants[0].quota.produce"]),
    "a size without a unit": ("storage: 500Gi", "storage: 500", ["kafka.brokers.storage", "with its unit"]),
    "a rate without a unit": ("produce: 10MiB/s", "produce: 10", ["tenants[0].quota.produce"]),
    "two pipelines of one name": (
        "    pipelines:\n",
        "    pipelines:\n" + SECOND_PIPELINE,
        ["pipelines[1].name", "orders is already pipelines[0]"],
    ),
    "a tenant that is not declared": ("tenant: shop\n", "tenant: shpo\n", ["pipelines[0].tenant", "shpo"]),
    "a tier that does not exist": ("tier: production", "tier: prod", ["tier", "production"]),
    "a missing tier": ("    tier: production\n", "", ["tier", "is missing"]),
    "a key that stands twice": (
        "    target: kubernetes\n",
        "    target: kubernetes\n    target: docker\n",
        ["target", "duplicate"],
    ),
    "what is not YAML": ("    tier: production", "    tier: [production", ["not YAML"]),
}
VERBS = [("preview", "prod"), ("render", "prod"), ("check", "prod"), ("diff", "prod"), ("explain", "kafka", "--stack", "prod")]


@pytest.fixture(name="made")
def _made(tmp_path: Path) -> Project:
    return project(tmp_path, prod=SMALL)


def assert_refused(outcome: Outcome, *said: str) -> None:
    assert outcome.code == 2, outcome.text
    assert "Traceback" not in outcome.text
    for text in said:
        assert text in outcome.text
    assert "→" in outcome.text, "it must say what to do"


@pytest.mark.parametrize("what", EDITS)
def test_a_wrong_spec_is_refused_with_its_path_and_what_to_do(made: Project, what: str) -> None:
    old, new, said = EDITS[what]
    made.edit("prod", old, new)
    assert_refused(made.cdc("preview", "prod"), *said)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_every_verb_refuses_a_wrong_spec_alike(made: Project, verb: tuple[str, ...]) -> None:
    made.edit("prod", "tier: production", "tier: prod")
    assert_refused(made.cdc(*verb), "Pulumi.prod.yaml", "tier")
    assert not (made.root / "rendered").exists()


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_a_stack_that_does_not_exist_is_named_with_the_nearest_one(made: Project, verb: tuple[str, ...]) -> None:
    wrong = [part.replace("prod", "prdo") for part in verb]
    assert_refused(made.cdc(*wrong), "Pulumi.prdo.yaml", "did you mean prod?")


def test_all_problems_are_told_at_once(made: Project) -> None:
    made.edit("prod", "tier: production", "tier: prod")
    made.edit("prod", "storage: 500Gi", "storage: 500")
    made.edit("prod", "host: shop-db", "hots: shop-db")
    assert_refused(made.cdc("preview", "prod"), "tier", "kafka.brokers.storage", "mysql.hots", "did you mean host?", "(line ")


def test_a_literal_secret_is_refused_and_never_shown(made: Project) -> None:
    made.edit("prod", '"vault:shop-db#password"', LITERAL)
    for verb in (*VERBS, ("check", "prod", "--format", "sarif"), ("preview", "prod", "--json"), ("check", "-f", "markdown")):
        outcome = made.cdc(*verb)
        assert_refused(outcome, "pipelines[0].source.mysql.password", "vault:<path>#<key>")
        assert LITERAL not in outcome.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "config"),
        ("# only a comment\n", "config"),
        ("[]\n", "config"),
        ("config: {}\n", "cdc-platform:environment"),
        ("config: {cdc-platform:environment: []}\n", "mapping"),
        ("config: {cdc-platform:environment: 5}\n", "mapping"),
        ("config: {cdc-platform:environment: nowhere.yaml}\n", "nowhere.yaml"),
        ("config: {cdc-platform:environment: ../../../../etc/passwd}\n", "inside the project"),
        (BOMB, "alias"),
        ("\x00\x01", "config"),
    ],
    ids=["empty", "comment", "list", "no environment", "a list", "a number", "no such file", "outside", "alias bomb", "binary"],
)
def test_a_file_that_holds_no_spec_is_refused(made: Project, text: str, said: str) -> None:
    made.write("prod", text)
    assert_refused(made.cdc("preview", "prod"), "Pulumi.prod.yaml", said)


def test_a_file_that_is_not_text_is_refused(made: Project) -> None:
    (made.root / "Pulumi.prod.yaml").write_bytes(b"\xff\xfe\x00config")
    assert_refused(made.cdc("preview", "prod"), "Pulumi.prod.yaml", "UTF-8")


def test_a_project_without_stacks_is_refused(tmp_path: Path) -> None:
    empty = project(tmp_path)
    assert_refused(empty.cdc("check"), "there is no Pulumi.<stack>.yaml")
    assert_refused(empty.cdc("preview", "prod"), "Pulumi.prod.yaml")


def test_a_root_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    assert_refused(Project(tmp_path / "nowhere").cdc("preview", "prod"), "nowhere", "is not a folder")


def test_json_says_the_problems_to_a_machine_too(made: Project) -> None:
    made.edit("prod", "brokers: {rep", "broker: {rep")
    outcome = made.cdc("preview", "prod", "--json")
    assert outcome.code == 2
    assert '"path": "kafka.broker"' in outcome.out
    assert "kafka.broker" in outcome.err


@pytest.mark.parametrize(
    "arguments",
    [("preview",), ("preview", "prod", "--nonsense"), ("check", "--format", "yaml"), ("preview", "prod", "--today", "soon")],
)
def test_wrong_options_are_refused_with_the_way_to_the_help(made: Project, arguments: tuple[str, ...]) -> None:
    outcome = made.cdc(*arguments)
    assert outcome.code == 2
    assert "cdc" in outcome.err
    assert "-h" in outcome.err
    assert "Traceback" not in outcome.text
