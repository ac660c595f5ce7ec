"""Reads the settings: file, environment, and every problem of both at once, in words."""

import difflib
import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError as EnvironmentValueError

from sink_worker.errors import SettingsError
from sink_worker.faults import VARIABLES
from sink_worker.routing import Router
from sink_worker.settings import Settings

CONFIG_VARIABLE = "SINK_CONFIG_FILE"
_OTHER_VARIABLES = {CONFIG_VARIABLE, *VARIABLES}


def load_settings(path: Path | None = None) -> Settings:
    """The settings from ``path`` (or ``SINK_CONFIG_FILE``) and the environment. :class:`SettingsError` with all problems."""
    chosen = path or (Path(named) if (named := os.environ.get(CONFIG_VARIABLE)) else None)
    content = {} if chosen is None else _read(chosen)
    where = str(chosen) if chosen else "the environment"
    problems = _unknown_variables(os.environ)
    settings: Settings | None = None
    try:
        settings = Settings(**content)
    except ValidationError as error:
        problems += [_in_words(item) for item in error.errors(include_url=False, include_input=False, include_context=False)]
    except EnvironmentValueError as error:
        problems.append(str(error))
    if settings is not None:
        problems += _check_together(settings)
    if settings is None or problems:
        raise SettingsError(_text(where, problems))
    return settings


def settings_schema() -> dict[str, Any]:
    """The JSON Schema of a settings file."""
    schema = Settings.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "sink-worker settings"}


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}); name a JSON or TOML file") from error
    try:
        content = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except ValueError as error:
        raise SettingsError(f"{path}: is no valid {'TOML' if path.suffix == '.toml' else 'JSON'}: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: holds no object; the top level is kafka, postgres, …")
    content.pop("$schema", None)
    return content


def _unknown_variables(environment: Mapping[str, str]) -> list[str]:
    known = {f"SINK_{name.upper()}" for name in Settings.model_fields}
    problems = []
    for name in sorted(environment):
        if not name.startswith("SINK_") or name in _OTHER_VARIABLES:
            continue
        head, _, rest = name.partition("__")
        if head not in known:
            problems.append(f"{name}: no such setting{_nearest(head, known)}")
            continue
        section = Settings.model_fields[head.removeprefix("SINK_").lower()].annotation
        if rest and not (isinstance(section, type) and issubclass(section, BaseModel)):
            problems.append(f"{name}: {head} has no parts; write {head}")
        elif rest and (unknown := rest.split("__")[0].lower()) not in (names := _names(section)):
            problems.append(f"{name}: no such setting{_nearest(unknown, names)}")
    return problems


def _names(section: Any) -> set[str]:
    return {field.alias or name for name, field in section.model_fields.items()}


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _in_words(item: Any) -> str:
    path = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"{path}: no such setting{_nearest(str(item['loc'][-1]), _siblings(item['loc'][:-1]))}"
    if item["type"] == "missing":
        return f"{path}: is needed; set it in the file or as SINK_{path.upper().replace('.', '__')}"
    return f"{path}: {item['msg']}"


def _siblings(path: tuple[Any, ...]) -> set[str]:
    model: Any = Settings
    for part in path:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return set()
        model = field.annotation
    return _names(model)


def _check_together(settings: Settings) -> list[str]:
    problems = [f"kafka.topics: {topic!r} is no regular expression ({error})" for topic, error in _bad_expressions(settings)]
    if settings.batch.min_rows > settings.batch.max_rows:
        problems.append("batch.min_rows: is above batch.max_rows")
    kafka = settings.kafka
    if kafka.security_protocol.startswith("SASL") and not (kafka.username and (kafka.password_file or kafka.login_file)):
        problems.append("kafka.username, and kafka.password_file or kafka.login_file: are needed for SASL")
    if kafka.password_file and kafka.login_file:
        problems.append("kafka.password_file, kafka.login_file: are two passwords; name one")
    if settings.drain_seconds * 1000 >= settings.kafka.max_poll_interval_ms:
        problems.append("drain_seconds: must be shorter than kafka.max_poll_interval_ms, or a rebalance throws this worker out")
    if any(rule.masks for rule in settings.routing.rules) and settings.masking.key_file is None:
        problems.append("masking.key_file: is needed for routing.rules.masks")
    for name, file in _secret_files(settings):
        if not file.is_file():
            problems.append(f"{name}: {file} is no readable file")
    try:
        Router(settings.routing)
    except ValueError as error:
        problems.append(str(error))
    return problems


def _bad_expressions(settings: Settings) -> list[tuple[str, str]]:
    bad = []
    for topic in settings.kafka.topics:
        try:
            re.compile(topic if topic.startswith("^") else "")
        except re.error as error:
            bad.append((topic, str(error)))
    return bad


def _secret_files(settings: Settings) -> list[tuple[str, Path]]:
    sections = ("kafka", "registry", "postgres", "redis", "masking")
    return [
        (f"{section}.{name}", value)
        for section in sections
        for name, value in getattr(settings, section)
        if name.endswith("_file") and value is not None
    ]


def _text(where: str, problems: list[str]) -> str:
    count = len(problems)
    return f"{where}: {count} problem{'s' if count != 1 else ''}\n" + "\n".join(f"  {problem}" for problem in problems)
