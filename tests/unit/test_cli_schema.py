"""``cdc schema``: the published JSON Schema says what the loader accepts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from components.core.errors import SpecError
from components.loading import parse_environment
from operations.schema import schema_text
from tests.harness.cdc_command import REPOSITORY, SMALL, project

PUBLISHED = REPOSITORY / "docs" / "schema" / "stack.schema.json"
SCHEMA = json.loads(schema_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def errors(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(text))]


def every_object(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from every_object(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from every_object(value)


def test_the_committed_schema_is_what_the_command_prints(tmp_path: Path) -> None:
    printed = project(tmp_path)
    outcome = printed.cdc("schema", "--output", str(tmp_path / "new" / "stack.schema.json"))
    assert outcome.code == 0, outcome.text
    written = (tmp_path / "new" / "stack.schema.json").read_text(encoding="utf-8")
    assert written == PUBLISHED.read_text(encoding="utf-8"), "run: cdc schema -o docs/schema/stack.schema.json"


def test_it_is_a_valid_schema_of_2020_12() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("stack", ["dev", "prod", "prod-dr"])
def test_the_stacks_of_this_repository_are_valid_and_point_at_it(stack: str) -> None:
    text = (REPOSITORY / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    assert errors(text) == []
    assert text.startswith("# yaml-language-server: $schema=docs/schema/stack.schema.json\n")


@pytest.mark.parametrize(
    "extra",
    [
        "encryptionsalt: v1:abc=:v1:def\n",
        "secretsprovider: awskms://alias/x?region=eu-central-1\nencryptedkey: abc\n",
        "environment: [shared/network]\n",
    ],
)
def test_pulumi_s_own_keys_are_allowed(extra: str) -> None:
    assert errors(SMALL + extra) == []


def test_configuration_of_other_programs_is_allowed() -> None:
    assert errors(SMALL + '  kubernetes:context: prod\n  aws:token: {secure: "AAAB"}\n') == []


def test_a_path_in_place_of_the_environment_is_allowed() -> None:
    assert errors("config: {cdc-platform:environment: environments/prod.yaml}\n") == []


WRONG = {
    "an unknown key of the environment": ("    tier: production", "    teir: production"),
    "an unknown key deep inside": ("host: shop-db", "hots: shop-db"),
    "an unknown key behind a shorthand": ("storage: 500Gi", "storage: {sizee: 500Gi}"),
    "a size without a unit": ("storage: 500Gi", "storage: 500"),
    "a rate without a second": ("produce: 10MiB/s", "produce: 10MiB"),
    "a literal secret": ('"vault:shop-db#password"', "hunter2"),
    "a tier that does not exist": ("tier: production", "tier: prod"),
    "a table without its database": ("[shop.orders, shop", "[orders, shop"),
    "a missing tier": ("    tier: production\n", ""),
    "a key of this project that does not exist": ("  cdc-platform:environment:\n", "  cdc-platform:enviroment:\n"),
    "a key of the file that does not exist": ("config:\n", "confg: {}\nconfig:\n"),
    "a port below Strimzi's": ("port: 9093", "port: 80"),
    "a name that is no DNS label": ("- {name: shop,", "- {name: Shop_1,"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_the_loader_refuses_the_schema_refuses_too(what: str) -> None:
    old, new = WRONG[what]
    assert old in SMALL
    wrong = SMALL.replace(old, new, 1)
    assert errors(wrong)
    if "of the file" not in what:
        with pytest.raises(SpecError):
            parse_environment(wrong, "prod")


def test_a_wrong_key_is_named_and_not_the_whole_environment() -> None:
    (message,) = errors(SMALL.replace("brokers: {rep", "broker: {rep"))
    assert "'broker' was unexpected" in message
    assert len(message) < 200


def test_every_field_has_a_description_that_says_what_it_becomes() -> None:
    definitions = SCHEMA["$defs"]
    for name, definition in definitions.items():
        assert definition["description"], name
        full = next((part for part in definition.get("anyOf", ()) if "properties" in part), definition)
        assert full["additionalProperties"] is False, name
        for field, schema in full["properties"].items():
            assert "\nBecomes: " in schema["description"], f"{name}.{field}"


def test_every_default_is_itself_valid() -> None:
    for found in every_object(SCHEMA["$defs"]):
        if "default" in found and "description" in found:
            validator = jsonschema.Draft202012Validator({**found, "$defs": SCHEMA["$defs"]})
            assert list(validator.iter_errors(found["default"])) == [], found


def test_shorthands_and_full_forms_are_both_allowed() -> None:
    assert errors(SMALL.replace("brokers: {replicas: 3, storage: 500Gi}", "brokers: 3")) == []
    assert errors(SMALL.replace("storage: 500Gi", "storage: {size: 500Gi, class: fast}")) == []


def test_without_a_file_it_goes_to_standard_output(tmp_path: Path) -> None:
    made = project(tmp_path)
    assert made.cdc("schema").out == schema_text()
    blocked = made.cdc("schema", "-o", str(tmp_path))
    assert blocked.code == 2
    assert "cannot be written" in blocked.err
