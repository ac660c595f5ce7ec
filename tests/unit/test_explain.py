"""``cdc explain``: every field of the spec is documented, found by its path, and known by its value and place in a stack."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.environment import EnvironmentSpec
from operations.fields import all_fields, locate
from tests.harness.cdc_command import SMALL, Project, copy_of_repository, project


@pytest.fixture(name="made")
def _made(tmp_path: Path) -> Project:
    return project(tmp_path, prod=SMALL)


def line_of(text: str) -> int:
    return 1 + next(number for number, line in enumerate(SMALL.splitlines()) if text in line)


def values(made: Project, path: str, stack: str = "prod") -> list[dict[str, Any]]:
    outcome = made.cdc("explain", path, "--stack", stack, "--json")
    assert outcome.code == 0, outcome.text
    found = json.loads(outcome.out)["values"]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("path", all_fields())
def test_every_field_is_documented_and_found_by_its_path(path: str) -> None:
    place = locate(path)
    assert place is not None
    assert place.field.path == path
    assert len(place.field.help) > 3
    assert len(place.field.becomes) > 3
    assert place.field.type_text()
    assert "Annotated" not in place.field.type_text()


def test_the_fields_are_those_of_the_models() -> None:
    top = [path for path in all_fields() if "." not in path]
    assert top == [info.alias or name for name, info in EnvironmentSpec.model_fields.items()]
    assert len(all_fields()) > 150


@pytest.mark.parametrize(
    ("path", "generic"),
    [
        ("kafka.brokers.storage.size", "kafka.brokers.storage.size"),
        ("pipelines[].source.mysql.tables", "pipelines[].source.mysql.tables"),
        ("pipelines[0].name", "pipelines[].name"),
        ("pipelines[orders].name", "pipelines[].name"),
        ("pipelines.name", "pipelines[].name"),
        ("pipelines[0]", "pipelines"),
        ("pipelines[0].tables.shop.orders.partitions", "pipelines[].tables.<key>.partitions"),
        ('pipelines[0].tables["shop.orders"].partitions', "pipelines[].tables.<key>.partitions"),
        ("pipelines[].tables.<key>.partitions", "pipelines[].tables.<key>.partitions"),
        ("pipelines[0].tables.shop.orders", "pipelines[].tables"),
        ("kafka.config.num.io.threads", "kafka.config"),
        ("kafka.jvm", None),
        ("kafka.brokers.storage.size.unit", None),
        ("kafka.brokers[0]", None),
        ("[0]", None),
        ("", None),
        (".", None),
        ("kafka.brokers[", None),
    ],
)
def test_a_path_is_found_however_it_is_written(path: str, generic: str | None) -> None:
    place = locate(path)
    assert (place.field.path if place else None) == generic


@pytest.mark.parametrize(
    ("path", "kind", "default"),
    [
        ("kafka.brokers", "whole number (replicas), or a mapping", None),
        ("kafka.brokers.storage", "size, or a mapping", None),
        ("kafka.brokers.storage.size", "size", "100GiB"),
        ("kafka.brokers.storage.volumes", "whole number, 1 to 32", "1"),
        ("kafka.brokers.resources.cpu", "CPU cores", "1"),
        ("kafka.topicDefaults.retention", "duration, or forever", "7d"),
        ("kafka.quotas.connectionRate", "number per second", "100/s"),
        ("kafka.listeners[].authentication", "scram-sha-512 | tls | none", "scram-sha-512"),
        ("kafka.autoCreateTopics", "true or false", "false"),
        ("kafka.config", "mapping of names to plain values", "none"),
        ("tenants[].quota.produce", "size per second", "none"),
        ("pipelines[].source.mysql.password", "secret reference", "none; it must be written"),
        ("tier", "development | staging | production", "none; it must be written"),
        ("waivers[].expires", "date", "none; it must be written"),
    ],
)
def test_types_and_defaults_are_said_as_people_write_them(made: Project, path: str, kind: str, default: str | None) -> None:
    shown = made.cdc("explain", path).out
    assert shown.splitlines()[0] == f"{path}  {kind}"
    if default is not None:
        assert f"Default  {default}\n" in shown.replace("Default     ", "Default  ")


def test_it_says_how_values_are_written_and_what_they_become(made: Project) -> None:
    shown = made.cdc("explain", "kafka.brokers.storage.size").out
    assert "500Gi" in shown
    assert "powers of 1024" in shown
    assert "KafkaNodePool.spec.storage.volumes[].size" in shown


def test_it_says_the_default_that_a_parent_brings_along(made: Project) -> None:
    assert (
        "100GiB; 20GiB while kafka.controllers.storage is left out" in made.cdc("explain", "kafka.controllers.storage.size").out
    )


def test_without_a_path_it_shows_the_top_and_a_mapping_shows_its_fields(made: Project) -> None:
    top = made.cdc("explain").out
    assert all(name in top for name in ("tier", "target", "kafka", "tenants", "pipelines", "waivers"))
    pool = made.cdc("explain", "kafka.brokers").out
    assert all(name in pool for name in ("replicas", "storage", "resources", "jvm"))


def test_an_unknown_field_gives_2_and_the_nearest_ones(made: Project) -> None:
    for wrong, near in (
        ("kafka.broker.storage", "kafka.brokers.storage"),
        ("kafka.brokers.storage.sise", "kafka.brokers.storage.size"),
        ("retention", "retention"),
        ("pipeline", "pipelines"),
    ):
        outcome = made.cdc("explain", wrong)
        assert outcome.code == 2
        assert f"{wrong}: there is no such field" in outcome.err
        assert near in outcome.err.splitlines()[1]
    assert "known at the top: name, tier" in made.cdc("explain", "zzz").err


def test_a_written_value_comes_with_its_file_and_line(made: Project) -> None:
    (value,) = values(made, "pipelines[orders].tables.shop.orders.partitions")
    assert value == {
        "path": 'pipelines[0].tables["shop.orders"].partitions',
        "value": 24,
        "at": f"Pulumi.prod.yaml:{line_of('shop.orders: {partitions: 24}')}",
    }


def test_a_shorthand_is_the_place_of_the_field_it_stands_for_and_of_no_other(made: Project) -> None:
    line = line_of("brokers: {replicas: 3")
    assert values(made, "kafka.brokers.storage.size") == [
        {"path": "kafka.brokers.storage.size", "value": "500GiB", "at": f"Pulumi.prod.yaml:{line}"}
    ]
    (volumes,) = values(made, "kafka.brokers.storage.volumes")
    assert (volumes["value"], volumes["at"]) == (1, "default")


def test_a_value_that_is_not_written_is_a_default(made: Project) -> None:
    assert values(made, "kafka.topicDefaults.retention") == [
        {"path": "kafka.topicDefaults.retention", "value": "7d", "at": "default"}
    ]


def test_all_items_of_a_list_are_told_or_the_one_that_is_named(tmp_path: Path) -> None:
    made = copy_of_repository(tmp_path)
    assert [value["value"] for value in values(made, "pipelines[].name")] == ["orders", "events", "invoices"]
    assert [value["path"] for value in values(made, "pipelines[invoices].tenant")] == ["pipelines[2].tenant"]
    assert [value["path"] for value in values(made, "pipelines[1].tenant")] == ["pipelines[1].tenant"]
    assert values(made, "pipelines[nosuch].tenant") == []


def test_a_field_behind_an_optional_part_that_is_left_out_has_no_value(made: Project) -> None:
    assert values(made, "kafka.tiered.bucket") == []
    assert "not there" in made.cdc("explain", "kafka.tiered.bucket", "--stack", "prod").out


def test_a_spec_in_a_file_of_its_own_is_found_there(made: Project) -> None:
    body = SMALL[SMALL.index("    tier:") :]
    (made.root / "prod.spec.yaml").write_text(body)
    made.write("prod", "config: {cdc-platform:environment: prod.spec.yaml}\n")
    (value,) = values(made, "tier")
    assert (value["value"], value["at"]) == ("production", "prod.spec.yaml:1")


def test_fields_of_one_mapping_are_shown_with_their_values_in_the_stack(made: Project) -> None:
    shown = made.cdc("explain", "kafka.brokers", "--stack", "prod").out
    assert f"written at Pulumi.prod.yaml:{line_of('brokers: {replicas: 3')}" in shown
    assert any("storage" in line and "500GiB" in line for line in shown.splitlines())
