"""The spec's own promises: frozen, documented, published as it was written, and its schema says what loading does."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from pydantic import ValidationError

from components.chaos.spec import ExperimentSpec
from components.core.errors import SpecError, shown
from components.core.fields import Place, fields_by_key, model_inside, place_at
from components.core.model import SpecModel
from components.core.names import resource_name
from components.core.paths import Location, parse_path
from components.core.resources import AutoscalingSpec
from components.environment import EnvironmentSpec
from components.kafka.node_spec import ControllerPoolSpec, JvmSpec, NodePoolSpec, RackSpec, StorageSpec
from components.kafka.spec import ListenerSpec
from components.mending import sample
from components.mirror_maker.spec import DisasterRecoverySpec
from components.pipelines.personal import MaskSpec
from components.pipelines.schema_changes import TableSchemaChangesSpec
from components.postgres.spec import ExternalPostgresSpec, VolumeSpec
from components.sink.spec import LagSpec, SinkAutoscalingSpec
from components.vault.spec import ExternalVaultSpec, RotationSpec, VaultStorageSpec
from tests.strategies import names
from tests.strategies.draw import Plain
from tests.strategies.environments import environments
from tests.strategies.examples import build, problems_of, shop
from tests.strategies.wrong_values import replaced, spots, values_refused_by


def models(model: type[SpecModel] = EnvironmentSpec) -> Iterator[type[SpecModel]]:
    """The model and all that it holds, each once."""
    found = {model: None}
    for one in found.copy():
        for field in one.model_fields.values():
            inner = model_inside(field.annotation)
            if inner is not None:
                found |= dict.fromkeys(models(inner))
    yield from found


@pytest.mark.parametrize("model", list(models()), ids=lambda model: model.__name__)
def test_every_field_is_documented(model: type[SpecModel]) -> None:
    assert model.__doc__
    for key, field in fields_by_key(model).items():
        extra = field.json_schema_extra
        assert field.description, key
        assert field.description.endswith("."), key
        assert isinstance(extra, dict), key
        assert extra.get("becomes"), key


@pytest.mark.parametrize("model", list(models()), ids=lambda model: model.__name__)
def test_keys_are_camel_case(model: type[SpecModel]) -> None:
    assert [key for key in fields_by_key(model) if not key.isalnum() or not key[0].islower()] == []


def test_a_spec_cannot_be_changed() -> None:
    spec = build(shop())
    with pytest.raises(ValidationError, match="frozen"):
        spec.kafka.brokers.replicas = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ({"brokers": 5}, {"brokers": {"replicas": 5}}),
        ({"brokers": {"storage": "5Gi"}}, {"brokers": {"storage": {"size": "5Gi"}}}),
        ({"brokers": {"jvm": "1Gi"}}, {"brokers": {"jvm": {"heap": "1Gi"}}}),
        ({"racks": "zone"}, {"racks": {"topologyKey": "zone"}}),
    ],
)
def test_a_scalar_stands_for_the_field_that_it_is_short_for(short: Plain, full: Plain) -> None:
    assert build({**shop(), "kafka": short}).kafka == build({**shop(), "kafka": full}).kafka


def test_the_models_with_a_shorthand_are_these() -> None:
    short = {
        *(NodePoolSpec, ControllerPoolSpec, StorageSpec, JvmSpec, RackSpec),
        *(AutoscalingSpec, SinkAutoscalingSpec, LagSpec, DisasterRecoverySpec),
        *(ExternalPostgresSpec, VolumeSpec, VaultStorageSpec, RotationSpec, ExternalVaultSpec, ExperimentSpec),
        *(MaskSpec, TableSchemaChangesSpec),
    }
    assert {model for model in models() if model.shorthand} == short


def test_defaults_suit_production() -> None:
    kafka = build({"tier": "production", "target": "kubernetes"}).kafka
    assert (kafka.brokers.replicas, kafka.controllers.replicas) == (3, 3)
    assert (kafka.default_replicas, kafka.default_min_in_sync_replicas) == (3, 2)
    assert kafka.authorization.type == "simple"
    assert kafka.listeners == (ListenerSpec(name="clients", port=9093, tls=True, authentication="scram-sha-512"),)
    assert kafka.tls.internal
    assert not kafka.auto_create_topics
    assert kafka.quotas.default.produce is not None


@pytest.mark.parametrize("written", [{}, {"controllers": 5}, {"controllers": {"jvm": "1Gi"}}])
def test_controllers_get_less_than_brokers_however_little_is_said_of_them(written: Plain) -> None:
    pool = build({"tier": "production", "target": "kubernetes", "kafka": written}).kafka.controllers
    assert (pool.storage.size, pool.resources.memory) == (20 << 30, 2 << 30)


@pytest.mark.parametrize(("brokers", "replicas", "in_sync"), [(1, 1, 1), (2, 2, 1), (3, 3, 2), (9, 3, 2)])
def test_replicas_follow_from_the_brokers(brokers: int, replicas: int, in_sync: int) -> None:
    kafka = build({"tier": "development", "target": "docker", "kafka": {"brokers": brokers}}).kafka
    assert (kafka.default_replicas, kafka.default_min_in_sync_replicas) == (replicas, in_sync)


@given(environments())
def test_a_published_spec_reads_back_as_itself(values: Plain) -> None:
    spec = build(values)
    published = spec.published()
    assert json.loads(json.dumps(published)) == published
    assert build(published) == spec
    assert build(published).published() == published


@given(environments())
def test_the_schema_accepts_whatever_loading_accepts(values: Plain) -> None:
    """Editors check with it; a valid file must not be underlined."""
    jsonschema.Draft202012Validator(SCHEMA).validate({"name": "trial", **values})


SCHEMA = EnvironmentSpec.model_json_schema(by_alias=True)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kafka.brokers.replicas", "3"),
        ("kafka.topicDefaults.partitions", 0),
        ("kafka.topicDefaults.retention", "7"),
        ("kafka.users[0].password", "hunter2"),
        ("kafka.users[0].name", "Admin"),
        ("kafka.unknown", 1),
        ("tier", "producton"),
        ("pipelines[0].source.mysql.tables", []),
        ("pipelines[0].source.mysql.tables[0]", "orders"),
    ],
)
def test_the_schema_refuses_what_loading_refuses(path: str, value: object) -> None:
    values = shop({"kafka.brokers": {}, path: value})
    assert problems_of(values)
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid({"name": "trial", **values})


def test_every_field_refuses_every_value_that_it_must_not_take() -> None:
    """Each field of the whole tree, one wrong value at a time."""
    everything = sample(EnvironmentSpec, 0)
    accepted = []
    for spot in spots(EnvironmentSpec, everything):
        for value in values_refused_by(spot.annotation):
            try:
                EnvironmentSpec.model_validate(replaced(everything, spot.location, value))
            except ValidationError as error:
                if any(details["loc"][: len(spot.location)] == spot.location for details in error.errors()):
                    continue
            except SpecError:
                pass
            accepted.append((spot.location, value))
    assert accepted == []


@given(environments())
def test_every_place_in_an_environment_leads_to_its_field(values: Plain) -> None:
    for spot in spots(EnvironmentSpec, values):
        place = place_at(EnvironmentSpec, spot.location)
        assert place.location == spot.location
        assert place.annotation == spot.annotation


@pytest.mark.parametrize(
    ("path", "location", "owner", "whole"),
    [
        ("kafka.topics[3].name", ("kafka", "topics", 3, "name"), "TopicSpec", True),
        ("kafka.topics[3].nme", ("kafka", "topics", 3, "nme"), "TopicSpec", True),
        ("kafka.topics[3]", ("kafka", "topics", 3), "KafkaSpec", False),
        ('pipelines[0].tables["a.b"].partitions', ("pipelines", 0, "tables", "a.b", "partitions"), "TopicOverridesSpec", True),
        ('pipelines[0].tables["a.b"]', ("pipelines", 0, "tables", "a.b"), "PipelineSpec", False),
        ("kafka.config.a.str", ("kafka", "config", "a"), "KafkaSpec", False),
        ("kafka.nowhere.at.all", ("kafka", "nowhere"), "KafkaSpec", True),
    ],
)
def test_a_path_leads_as_far_as_the_models_go(path: str, location: Location, owner: str, whole: bool) -> None:
    place: Place = place_at(EnvironmentSpec, parse_path(path))
    assert (place.location, place.owner.__name__, place.is_whole_field) == (location, owner, whole)


# Names of Kubernetes objects


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        ("orders", "orders"),
        ("Shop_Orders", "shop-orders"),
        ("a.b", "a.b"),
        ("a._b", "a.b"),
        ("a..b", "a.b"),
        ("_a_", "a"),
        ("...", "x"),
        ("-", "x"),
    ],
)
def test_a_topics_object_has_a_name_that_looks_like_it(topic: str, name: str) -> None:
    assert resource_name(topic) == name


@given(names.topic_names())
def test_a_topics_object_has_a_name_that_kubernetes_accepts(topic: str) -> None:
    name = resource_name(topic)
    assert len(name) <= 253
    for label in name.split("."):
        assert label.isascii()
        assert label.replace("-", "").isalnum()
        assert label == label.lower().strip("-")


# What errors repeat


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"password": "hunter2"}, "a mapping"),
        (["hunter2"], "a list"),
        ("x" * 41, "this text of 41 characters"),
        ("10", "'10'"),
        (10, "10"),
        (None, "nothing"),
        (True, "true"),
    ],
)
def test_an_error_repeats_nothing_nested_and_nothing_long(value: Any, text: str) -> None:
    assert shown(value) == text
