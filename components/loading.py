"""From ``Pulumi.<stack>.yaml`` to an :class:`EnvironmentSpec`, or to every problem at once with path, line and remedy."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from components.core import yaml_text
from components.core.errors import CdcError, Problem, SpecError
from components.core.model import SpecModel
from components.environment import CONFIG_KEY, EnvironmentSpec

Location = tuple[str | int, ...]
_STACK_FILE = re.compile(r"^Pulumi\.([a-z0-9-]+)\.ya?ml$")
_MESSAGES = {
    "extra_forbidden": "unknown key",
    "missing": "is missing",
    "frozen_instance": "cannot be changed",
}


def stacks(root: Path) -> list[str]:
    """Names of the stacks that have a file in ``root``, sorted."""
    return sorted(match[1] for path in root.iterdir() if (match := _STACK_FILE.match(path.name)))


def load_environment(root: Path, stack: str) -> EnvironmentSpec:
    """The spec of ``stack``. Raises :class:`CdcError` when there is no such file, :class:`SpecError` for what is wrong in it.

    ``cdc-platform:environment`` is the spec itself, or the path (relative to ``root``) of a file that holds it: Pulumi hands
    its configuration to programs in one environment variable, which Linux limits to 128 KiB.
    """
    path = root / f"Pulumi.{stack}.yaml"
    if not path.is_file():
        known = stacks(root) if root.is_dir() else []
        near = difflib.get_close_matches(stack, known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise CdcError(
            f"{path.name}: there is no such stack in {root}\n      → {hint}stacks here: {', '.join(known) or 'none'}"
        )
    return parse_environment(_read(path), stack, root)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CdcError(f"{path.name}: cannot be read: {error}\n      → make it a readable UTF-8 file") from None


def parse_environment(text: str, stack: str, root: Path | None = None, source: str | None = None) -> EnvironmentSpec:
    """The spec in the text of a stack file; ``root`` is where a referenced spec file is looked for."""
    source = source or f"Pulumi.{stack}.yaml"
    document = yaml_text.load(text, source)
    if not isinstance(document, dict) or not isinstance(document.get("config"), dict):
        raise SpecError(
            [Problem("config", "the file holds no configuration", f"write the spec under config: {CONFIG_KEY}:")], source
        )
    value = document["config"].get(CONFIG_KEY)
    if isinstance(value, str) and root is not None:
        return _parse_referenced(root, value, stack, source)
    return build_environment(value, stack, source, text, ("config", CONFIG_KEY))


def _parse_referenced(root: Path, reference: str, stack: str, source: str) -> EnvironmentSpec:
    path = (root / reference).resolve()
    if not path.is_relative_to(root.resolve()) or not path.is_file():
        raise SpecError(
            [
                Problem(
                    CONFIG_KEY,
                    f"{reference} is not a file inside the project",
                    "write the spec here, or a path relative to Pulumi.yaml",
                )
            ],
            source,
        )
    text = _read(path)
    return build_environment(yaml_text.load(text, reference), stack, reference, text, ())


def build_environment(value: Any, stack: str, source: str, text: str = "", prefix: Location = ()) -> EnvironmentSpec:
    """The spec from plain values. ``prefix`` is where they sit in ``text``, for line numbers."""
    if not isinstance(value, dict):
        what = "is missing" if value is None else f"is a {type(value).__name__}, not a mapping"
        raise SpecError([Problem(CONFIG_KEY, what, "write at least tier: and target:")], source)
    if value.get("name", stack) != stack:
        raise SpecError(
            [
                Problem(
                    "name", f"the file of stack {stack} holds environment {value['name']}", f"leave name out, or write {stack}"
                )
            ],
            source,
        )
    try:
        return EnvironmentSpec.model_validate({**value, "name": stack})
    except ValidationError as error:
        found = [_problem(details) for details in error.errors(include_url=False, include_input=False)]
        found += _problems_behind(value, stack, error)
    except SpecError as error:
        found = list(error.problems)
    raise SpecError([_with_line(problem, text, prefix) for problem in dict.fromkeys(found)], source)


def _problems_behind(value: Mapping[str, Any], stack: str, error: ValidationError) -> list[Problem]:
    """What else is wrong once the refused optional keys are left out, so that nobody has to mend one error to see the next."""
    pruned = {**value, "name": stack}
    for details in error.errors(include_url=False, include_input=False):
        location = details["loc"]
        if not location or isinstance(location[-1], int) or details["type"] == "missing":
            return []
        pruned = _without(pruned, location)
    try:
        EnvironmentSpec.model_validate(pruned)
    except SpecError as behind:
        return list(behind.problems)
    except ValidationError:
        pass
    return []


def _without(value: Any, location: Location) -> Any:
    """A copy of nested plain values that lacks the key at ``location``."""
    step, rest = location[0], location[1:]
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return [_without(item, rest) if index == step else item for index, item in enumerate(value)]
    if isinstance(value, dict) and step in value:
        if not rest:
            return {key: item for key, item in value.items() if key != step}
        return {**value, step: _without(value[step], rest)}
    return value


def _problem(details: ErrorDetails) -> Problem:
    location = details["loc"]
    message = _MESSAGES.get(details["type"], details["msg"].removeprefix("Value error, "))
    remedy = ""
    if details["type"] == "extra_forbidden":
        remedy = _nearest_key(location)
    elif details["type"] == "missing":
        remedy = _help_of(location)
    elif "; " in message:
        message, _, remedy = message.partition("; ")
    elif ": " in message and details["type"] == "value_error":
        message, _, remedy = message.partition(": ")
    return Problem(format_path(location), message, remedy)


def format_path(location: Location) -> str:
    """``("kafka", "topics", 3, "name")`` → ``kafka.topics[3].name``."""
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f"{'.' if text else ''}{step}"
    return text


def field_at(location: Location) -> tuple[type[SpecModel], FieldInfo | None] | None:
    """The model that holds the last step of ``location``, and that step's field; ``None`` where the path leaves the models."""
    model: type[SpecModel] = EnvironmentSpec
    field: FieldInfo | None = None
    for depth, step in enumerate(location):
        if isinstance(step, int):
            continue
        field = next((info for name, info in model.model_fields.items() if (info.alias or name) == step), None)
        if depth == len(location) - 1 or field is None:
            return (model, field) if depth == len(location) - 1 else None
        inner = model_inside(field.annotation)
        if inner is None:
            return None
        model = inner
        if _is_mapping(field.annotation):
            rest = location[depth + 2 :]
            return _field_in(model, rest) if rest else None
    return (model, field)


def _field_in(model: type[SpecModel], location: Location) -> tuple[type[SpecModel], FieldInfo | None]:
    step = location[-1]
    return model, next((info for name, info in model.model_fields.items() if (info.alias or name) == step), None)


def _is_mapping(annotation: Any) -> bool:
    return get_origin(annotation) is not None and issubclass(_class_of(annotation), Mapping)


def _class_of(annotation: Any) -> type:
    origin = get_origin(annotation)
    return origin if isinstance(origin, type) else object


def model_inside(annotation: Any) -> type[SpecModel] | None:
    """The spec model that an annotation holds, through ``X | None``, ``tuple[X, ...]`` and ``Mapping[str, X]``."""
    if isinstance(annotation, type) and issubclass(annotation, SpecModel):
        return annotation
    if get_origin(annotation) in {Union, UnionType} or get_origin(annotation) is not None:
        return next((found for part in get_args(annotation) if (found := model_inside(part))), None)
    return None


def _nearest_key(location: Location) -> str:
    place = field_at(location)
    if place is None:
        return "leave it out"
    known = [info.alias or name for name, info in place[0].model_fields.items()]
    near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"known keys: {', '.join(sorted(known))}"


def _help_of(location: Location) -> str:
    place = field_at(location)
    return f"write it: {place[1].description}" if place and place[1] else "write it"


def _with_line(problem: Problem, text: str, prefix: Location) -> Problem:
    if not text or problem.line:
        return problem
    return Problem(problem.path, problem.message, problem.remedy, yaml_text.line_of(text, (*prefix, *parse_path(problem.path))))


def parse_path(path: str) -> Location:
    """``kafka.topics[3].name`` → ``("kafka", "topics", 3, "name")``."""
    return tuple(int(step[1:-1]) if step.startswith("[") else step for step in re.findall(r"\[[0-9]+\]|[^.\[\]]+", path))
