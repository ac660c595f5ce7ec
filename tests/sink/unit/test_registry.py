"""Definite answers of a registry are told from outages, and references come inlined."""

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sink_worker._native import Decoder
from sink_worker.errors import RegistryUnavailableError
from sink_worker.registry import Missing, Registry
from sink_worker.settings import RegistrySettings

Answers = dict[str, tuple[int, Any]]
NOT_FOUND = (404, {"error_code": 40403, "message": "Schema not found"})
ADDRESS = {"type": "record", "name": "Address", "namespace": "shop", "fields": [{"name": "street", "type": "string"}]}


Answer = Callable[[httpx.Request], httpx.Response]


def _registry(answers: Answers | Answer, urls: tuple[str, ...] = ("http://one",), ttl: float = 60.0) -> Registry:
    def answer(request: httpx.Request) -> httpx.Response:
        if callable(answers):
            return answers(request)
        status, body = answers.get(request.url.raw_path.decode(), NOT_FOUND)
        return httpx.Response(status, json=body)

    settings = RegistrySettings(urls=list(urls), timeout_seconds=1, schema_cache_ttl_seconds=ttl)
    return Registry(settings, httpx.MockTransport(answer))


def test_a_schema_is_fetched() -> None:
    registry = _registry({"/schemas/ids/7": (200, {"schema": '"string"'})})
    assert registry.fetch(7) == '"string"'


def test_an_id_that_a_registry_with_schemas_does_not_know_is_missing() -> None:
    found = _registry({"/subjects": (200, ["orders-value"])}).fetch(7)
    assert isinstance(found, Missing)
    assert "7" in found.reason


@pytest.mark.parametrize(
    "answers",
    [
        {"/subjects": (200, [])},  # empty: it lost its data, or is the wrong one
        {"/schemas/ids/7": (404, {"error": "no such page"})},  # no registry at all
        {"/schemas/ids/7": (500, {}), "/subjects": (200, ["a"])},
        {"/schemas/ids/7": (401, {}), "/subjects": (200, ["a"])},
    ],
)
def test_anything_less_than_a_definite_answer_refuses_no_rows(answers: Answers) -> None:
    with pytest.raises(RegistryUnavailableError):
        _registry(answers).fetch(7)


def test_the_next_address_is_asked_when_one_is_away() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "one":
            raise httpx.ConnectError("away")
        return httpx.Response(200, json={"schema": '"long"'})

    assert _registry(answer, ("http://one", "http://two")).fetch(1) == '"long"'


def test_other_kinds_of_schema_are_missing_with_the_reason() -> None:
    found = _registry({"/schemas/ids/7": (200, {"schema": "x", "schemaType": "PROTOBUF"})}).fetch(7)
    assert isinstance(found, Missing)
    assert "PROTOBUF" in found.reason


def test_without_a_registry_avro_is_refused_with_the_reason() -> None:
    found = Registry(RegistrySettings()).fetch(1)
    assert isinstance(found, Missing)
    assert "registry.urls" in found.reason


def test_references_are_put_where_they_are_used_first_and_named_after_that() -> None:
    person = {
        "type": "record",
        "name": "Person",
        "namespace": "shop",
        "fields": [{"name": "home", "type": "Address"}, {"name": "work", "type": ["null", "shop.Address"]}],
    }
    references = [{"name": "shop.Address", "subject": "a/b", "version": 2}]
    registry = _registry(
        {
            "/schemas/ids/7": (200, {"schema": json.dumps(person), "references": references}),
            "/subjects/a%2Fb/versions/2": (200, {"schema": json.dumps(ADDRESS)}),
        }
    )
    text = registry.fetch(7)
    assert isinstance(text, str)
    fields = json.loads(text)["fields"]
    assert fields[0]["type"] == ADDRESS
    assert fields[1]["type"] == ["null", "shop.Address"]
    Decoder().register_schema(7, text)


def test_references_of_references_are_followed() -> None:
    reference = [{"name": "shop.Address", "subject": "address", "version": 1}]
    order = {"type": "record", "name": "Order", "fields": [{"name": "to", "type": {"type": "array", "items": "shop.Person"}}]}
    person = {"type": "record", "name": "Person", "namespace": "shop", "fields": [{"name": "home", "type": "Address"}]}
    references = [{"name": "shop.Person", "subject": "person", "version": 1}]
    registry = _registry(
        {
            "/schemas/ids/1": (200, {"schema": json.dumps(order), "references": references}),
            "/subjects/person/versions/1": (200, {"schema": json.dumps(person), "references": reference}),
            "/subjects/address/versions/1": (200, {"schema": json.dumps(ADDRESS)}),
        }
    )
    text = registry.fetch(1)
    assert isinstance(text, str)
    Decoder().register_schema(1, text)


def test_a_reference_that_is_not_there_makes_the_schema_missing() -> None:
    body = {"schema": '{"type":"record","name":"A","fields":[]}', "references": [{"name": "B", "subject": "b", "version": 1}]}
    found = _registry({"/schemas/ids/1": (200, body)}).fetch(1)
    assert isinstance(found, Missing)


def test_a_missing_id_is_asked_for_again_after_its_time() -> None:
    registry = _registry({"/subjects": (200, ["a"])}, ttl=0.001)
    registry.fetch(7)
    time.sleep(0.01)
    assert registry.stale_missing() == [7]
