"""The JSON Schema (2020-12) of a stack file, from the same models that validate it. Pure."""

import re
from typing import Any

from components.core.model import SpecModel
from components.environment import CONFIG_KEY, EnvironmentSpec
from operations.fields import SpecField, all_fields, fields_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ROLE = re.compile(r":[a-z]+:`~?([^`]+)`")
_PULUMI_KEYS = {
    "encryptionsalt": "Pulumi's own: salt of the passphrase that encrypts secure values.",
    "encryptedkey": "Pulumi's own: the encrypted data key of a cloud secrets provider.",
    "secretsprovider": "Pulumi's own: who encrypts secure values.",
}
"""Keys of a stack file beside ``config`` that Pulumi itself writes (``workspace.ProjectStack``)."""

Schema = dict[str, Any]


def stack_schema() -> Schema:
    """What ``Pulumi.<stack>.yaml`` may hold: the environment in full, other programs' configuration, and Pulumi's own keys."""
    environment = EnvironmentSpec.model_json_schema(by_alias=True)
    definitions = {"EnvironmentSpec": environment, **environment.pop("$defs")}
    for model in _models():
        _publish_model(definitions[model.__name__], model)
    definitions["EnvironmentSpec"]["required"] = ["tier", "target"]  # the name comes from the file's
    definitions["EnvironmentSpec"]["description"] = "One environment: what the platform is in this stack."
    return {
        "$schema": DIALECT,
        "title": "cdc-platform stack file",
        "description": "Pulumi.<stack>.yaml. `cdc explain <path>` says more about each field.",
        "type": "object",
        "required": ["config"],
        "additionalProperties": False,
        "properties": {
            "config": _config(),
            "environment": {"description": "Pulumi's own: ESC environments that this stack imports."},
            **{key: {"type": "string", "description": text} for key, text in _PULUMI_KEYS.items()},
        },
        "$defs": dict(sorted(definitions.items())),
    }


def _config() -> Schema:
    """``if`` rather than ``anyOf``: a validator then names the wrong key, and not the whole environment."""
    reference = {"minLength": 1, "description": "Path of the file that holds the environment, relative to Pulumi.yaml."}
    environment = {"if": {"type": "string"}, "then": reference, "else": {"$ref": "#/$defs/EnvironmentSpec"}}
    project = CONFIG_KEY.partition(":")[0]
    return {
        "type": "object",
        "required": [CONFIG_KEY],
        "properties": {CONFIG_KEY: environment},
        "patternProperties": {f"^(?!{project}:)[^:]+:.+$": {"description": "Configuration of another provider or program."}},
        "additionalProperties": False,
    }


def _models() -> list[type[SpecModel]]:
    found = [field.model for field in all_fields().values() if field.model is not None]
    return list(dict.fromkeys([EnvironmentSpec, *found]))


def _publish_model(schema: Schema, model: type[SpecModel]) -> None:
    """Rewrites pydantic's own schema of ``model`` in place into what an editor shows well."""
    schema["description"] = _plain(model.__doc__ or "")
    full = next((part for part in schema.get("anyOf", ()) if "properties" in part), schema)
    if full is not schema:
        full.pop("title", None)
        full["description"] = schema["description"]
    for field in fields_of(model):
        _publish_field(full["properties"][field.name], field)
        if model.shorthand == field.attribute:
            schema["anyOf"][0] = {**_without(full["properties"][field.name], "default"), "description": _short(field)}


def _publish_field(schema: Schema, field: SpecField) -> None:
    """Descriptions say what a field becomes, defaults are as people write them, and titles made from names go."""
    for key in ("title", "becomes", "default"):
        schema.pop(key, None)
    schema["description"] = f"{_plain(field.help)}\nBecomes: {field.becomes}."
    default = field.own_default()
    if default not in (None, {}, []):
        schema["default"] = default


def _short(field: SpecField) -> str:
    return f"Short for {{{field.name}: …}}. {_plain(field.help)}"


def _without(schema: Schema, *keys: str) -> Schema:
    return {key: value for key, value in schema.items() if key not in keys}


def _plain(text: str) -> str:
    """A docstring as one paragraph without reStructuredText's marks."""
    return " ".join(_ROLE.sub(r"\1", text).replace("``", "`").split())
