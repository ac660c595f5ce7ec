"""Values that are refused: each told where it is, all at once, with no word of what may follow from them, and no secret."""

from typing import Any

import pytest

from components.core.fields import fields_by_key, full_annotation, model_inside
from components.core.model import SpecModel
from components.environment import EnvironmentSpec
from components.mending import sample
from tests.strategies.examples import messages, pipeline, problems_of, shop

# Unknown keys


@pytest.mark.parametrize(
    ("path", "key", "near"),
    [
        ("", "teir", "tier"),
        ("kafka", "broker", "brokers"),
        ("kafka", "topic_defaults", "topicDefaults"),
        ("kafka.users[0]", "pasword", "password"),
        ("kafka.users[0].quota", "producer", "produce"),
        ("pipelines[0].source.mysql", "table", "tables"),
        ('pipelines[0].tables["shop.orders"]', "partitons", "partitions"),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest_known_one(path: str, key: str, near: str) -> None:
    place = f"{path}.{key}".removeprefix(".")
    assert messages(problems_of(shop({place: 1}))) == {place: f"unknown key; did you mean {near}?"}


def test_a_key_like_no_other_is_told_with_all_known_ones() -> None:
    found = messages(problems_of(shop({"kafka.users[0].zzz": 1})))
    assert found == {
        "kafka.users[0].zzz": "unknown key; known keys: acls, authentication, consumes, groups, name, owner, password, "
        "produces, quota, tenant"
    }


def test_keys_are_those_of_the_schema_not_their_names_in_python() -> None:
    assert list(messages(problems_of(shop({"kafka.auto_create_topics": True})))) == ["kafka.auto_create_topics"]


@pytest.mark.parametrize("key", [1, None, (1, 2), True, 1.5])
def test_a_key_that_is_not_text_is_told(key: object) -> None:
    values = shop()
    values["kafka"][key] = 1
    values["kafka"]["config"] = {key: 1}
    found = problems_of(values)
    assert {problem.message for problem in found} == {"is a key that is not text"}
    assert len(found) == 2


# Everything at once


def test_an_unknown_key_a_literal_secret_and_replicas_above_brokers_are_told_together() -> None:
    values = shop({
        "kafka.topicDefault": {"partitions": 3},
        "kafka.topicDefaults": {"replicas": 5},
        "kafka.users[0].password": "hunter2",
        "pipelines[0].source.mysql.password": "hunter2",
    })  # fmt: skip
    assert messages(problems_of(values)) == {
        "kafka.users[0].password": "a secret is written as a reference, never as its value; "
        "write vault:<path>#<key> or secret:<name>#<key>",
        "pipelines[0].source.mysql.password": "a secret is written as a reference, never as its value; "
        "write vault:<path>#<key> or secret:<name>#<key>",
        "kafka.topicDefault": "unknown key; did you mean topicDefaults?",
        "kafka.topicDefaults.replicas": "5 replicas need as many brokers, and there are 3; write at most 3, or add brokers",
    }


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"kafka.brokers": "five"}, {"kafka.topicDefaults.replicas": 5}),
        ({"kafka.brokrs": 5}, {"kafka.topicDefaults.replicas": 5}),
        ({"kafka.users[0].name": "Admin"}, {"kafka.authorization.superUsers": ["admin"]}),
        ({"tenants[0].name": "Shop"}, {}),
        ({"tenants": {"name": "shop"}}, {}),
        ({"tenants[0].quota.produce": "0B/s"}, {"tenants[0].budget.produce": "1MiB/s"}),
        ({"pipelines[0].source.mysql.tables": "shop.orders"}, {'pipelines[0].tables["shop.orders"].partitions': 3}),
        ({"pipelines[0].source.mysql.tables[0]": "orders"}, {'pipelines[0].tables["shop.orders"].partitions': 3}),
        ({"pipelines[0].source": {"mysqll": {}}}, {'pipelines[0].tables["shop.orders"].partitions': 3}),
        ({"target": "doker"}, {"kafka.cruiseControl": {}, "kafka.tls.internal": False}),
        ({"kafka.topics": [{"name": "a b"}, {"name": "a c"}]}, {}),
        ({"kafka.tls.validity": "1"}, {"kafka.tls.renewBefore": "400d"}),
        ({"kafka.tierd": {"bucket": "b"}}, {"kafka.topics": [{"name": "x", "tiered": True}]}),
        ({"naming.pattern": 5, "naming.topic": 7}, {}),
        ({"pipelines[0].topc": {"partitions": 3}}, {}),
        ({"pipelines[0].sink": 5, "pipelines[1]": {**pipeline("other"), "sink": 5}}, {}),
    ],
)
def test_what_may_follow_from_a_refused_value_is_not_told(wrong: dict[str, Any], right: dict[str, Any]) -> None:
    """Only the refused places themselves: what the rest means depends on what was meant there."""
    values = shop({**right, **wrong})
    if "kafka.brokrs" in wrong:
        del values["kafka"]["brokers"]
    paths = [problem.path for problem in problems_of(values)]
    assert paths
    assert [path for path in paths if not any(path.startswith(refused) for refused in wrong)] == []


def test_a_refused_value_is_told_once() -> None:
    assert [problem.message for problem in problems_of(shop({"pipelines[0].source": 5}))] == ["is not a mapping"]


def test_hundreds_of_refused_values_are_all_told() -> None:
    topics = [{"name": f"topic-{number}", "partitions": 0} for number in range(300)]
    assert [problem.path for problem in problems_of(shop({"kafka.topics": topics}))] == [
        f"kafka.topics[{number}].partitions" for number in range(300)
    ]


def test_every_type_in_the_spec_has_two_meanings_to_try() -> None:
    """Otherwise what follows from one guess would pass for certain."""
    assert [path for path, annotation in leaves(EnvironmentSpec) if sample(annotation, 0) == sample(annotation, -1)] == []


def leaves(model: type[SpecModel], path: str = "") -> list[tuple[str, Any]]:
    """Every field of the whole tree that holds no further model."""
    found = []
    for key, field in fields_by_key(model).items():
        inner = model_inside(field.annotation)
        if inner is not None:
            found += leaves(inner, f"{path}.{key}")
        elif "Mapping" not in str(field.annotation):
            found.append((f"{path}.{key}", full_annotation(field)))
    return found


# Secrets


@pytest.mark.parametrize(
    "path",
    [
        *("kafka.users[0].password", "kafka.users[0].pasword", "kafka.users[0].name", "kafka.users[0].quota.produce"),
        *("pipelines[0].source.mysql.password", "pipelines[0].source.mysql.host", "kafka.config.x", "kafka.tiered"),
        *("kafka.topicDefaults.partitions", "tier", "tenants", "kafka.listeners[0]", "waivers", "naming.pattern", "name"),
    ],
)
@pytest.mark.parametrize(
    "wrap", [lambda secret: {"value": secret}, lambda secret: [secret], lambda secret: {"a": [{"b": secret}]}]
)
def test_a_literal_secret_is_not_repeated_wherever_it_is_put(path: str, wrap: Any) -> None:
    values = shop({"kafka.listeners": [{"name": "a", "port": 9092}], path: wrap("hunter2")})
    text = " ".join(map(str, problems_of(values)))
    assert text
    assert "hunter2" not in text


@pytest.mark.parametrize("secret", ["hunter2", "vault:hunter2", "vault:a#hunter2 ", "vault:a#hunter2\n", "env:hunter2#a", ""])
def test_a_secret_that_is_no_reference_is_refused_unseen(secret: str) -> None:
    [problem] = problems_of(shop({"kafka.users[0].password": secret}))
    assert problem.path == "kafka.users[0].password"
    assert "hunter2" not in str(problem)


# Values that other tools would quietly take


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kafka.brokers.replicas", True),
        ("kafka.brokers.replicas", "3"),
        ("kafka.brokers.replicas", 3.0),
        ("kafka.autoCreateTopics", "yes"),
        ("kafka.autoCreateTopics", 1),
        ("pipelines[0].sink.deletes", "off"),
        ("kafka.config", {"a": float("nan")}),
        ("kafka.config", {"a": float("inf")}),
    ],
)
def test_a_value_of_another_type_is_refused_even_if_it_could_be_read(path: str, value: object) -> None:
    values = shop({"kafka.brokers": {"replicas": 3}, path: value})
    assert [problem.path for problem in problems_of(values) if problem.path.startswith(path)]


def test_a_choice_that_is_almost_right_is_told() -> None:
    assert messages(problems_of(shop({"tier": "producton"}))) == {
        "tier": "is not one of the known values; did you mean production? write one of development, staging, production"
    }


def test_refused_items_do_not_make_their_list_too_short() -> None:
    assert list(messages(problems_of(shop({"pipelines[0].source.mysql.tables": ["orders"]})))) == [
        "pipelines[0].source.mysql.tables[0]"
    ]
