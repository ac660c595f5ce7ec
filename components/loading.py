"""From ``Pulumi.<stack>.yaml`` to an :class:`EnvironmentSpec`, or to every problem at once with path, line and remedy."""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from components.core import yaml_text
from components.core.errors import CdcError, Problem, SpecError, shown
from components.core.fields import model_inside
from components.core.paths import Location, parse_path
from components.environment import CONFIG_KEY, EnvironmentSpec
from components.mending import problems_behind
from components.mirror_maker.pairs import pair_problems, partners
from components.refusals import refusals

_STACK_FILE = re.compile(r"^Pulumi\.([a-z0-9-]+)\.yaml$")


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
    """The spec in the text of a stack file; ``root`` is where files that it names are looked for."""
    source = source or f"Pulumi.{stack}.yaml"
    document = yaml_text.load(text, source)
    if not isinstance(document, dict) or not isinstance(document.get("config"), dict):
        raise SpecError(
            [Problem("config", "the file holds no configuration", f"write the spec under config: {CONFIG_KEY}:")], source
        )
    value = document["config"].get(CONFIG_KEY)
    if isinstance(value, str) and root is not None:
        return _parse_referenced(root, value, stack, source)
    return build_environment(value, stack, source, text, ("config", CONFIG_KEY), root)


def _parse_referenced(root: Path, reference: str, stack: str, source: str) -> EnvironmentSpec:
    path = _inside(root, reference)
    if path is None:
        raise SpecError(
            [
                Problem(
                    CONFIG_KEY,
                    f"{shown(reference)} is not a file inside the project",
                    "write the spec here, or a path relative to Pulumi.yaml",
                )
            ],
            source,
        )
    text = _read(path)
    return build_environment(yaml_text.load(text, reference), stack, reference, text, (), root)


def _inside(root: Path, reference: str) -> Path | None:
    """The file that ``reference`` names in ``root``; ``None`` when it is none, or lies elsewhere."""
    try:
        path = (root / reference).resolve()
        return path if path.is_relative_to(root.resolve()) and path.is_file() else None
    except (OSError, ValueError):
        return None


def build_environment(
    value: Any, stack: str, source: str, text: str = "", prefix: Location = (), root: Path | None = None
) -> EnvironmentSpec:
    """The spec from plain values. ``prefix`` is where they sit in ``text``, for line numbers; files that the spec names are
    judged as they lie in ``root``, where it is given."""
    if not isinstance(value, dict):
        what = "is missing" if value is None else f"is {shown(value)}, not a mapping"
        raise SpecError([Problem(CONFIG_KEY, what, "write at least tier: and target:")], source)
    found = list(_name_problems(value, stack))
    named = {**value, "name": stack}
    try:
        spec = _validate(named)
        found += [] if root is None else _file_problems(spec, root)
        found += _partner_problems(spec, root)
        if not found:
            return spec
    except ValidationError as error:
        refused = list(refusals(error, named))
        found += [problem for _, problem in refused]
        found += problems_behind(named, [place for place, _ in refused], _validate)
    except SpecError as error:
        found += error.problems
    lines = yaml_text.Lines(text)
    raise SpecError([_with_line(problem, lines, prefix) for problem in dict.fromkeys(found)], source)


def _validate(value: Any) -> EnvironmentSpec:
    """Keys are taken as the schema publishes them; their names in Python are for Python."""
    return EnvironmentSpec.model_validate(value, by_alias=True, by_name=False)


def _file_problems(spec: EnvironmentSpec, root: Path) -> Iterator[Problem]:
    for name, component in spec.components.items():
        yield from (problem.under(to_camel(name)) for problem in component.file_problems(root))


def _partner_problems(spec: EnvironmentSpec, root: Path | None) -> Iterator[Problem]:
    """What does not fit the environments that this one names."""
    if root is not None and partners(spec):
        yield from pair_problems(spec, load_partners(root, spec), stacks(root))


def load_partners(root: Path, spec: EnvironmentSpec) -> dict[str, EnvironmentSpec]:
    """The specs of the environments that ``spec`` names as its source or standby, and of those that they name; each by itself,
    and without those that are refused."""
    known = stacks(root)
    found: dict[str, EnvironmentSpec] = {}
    pending = list(partners(spec))
    while pending:
        name = pending.pop()
        other = _partner(root, name) if name in known and name not in {spec.name, *found} else None
        if other is not None:
            found[name] = other
            pending += partners(other)
    return found


def _partner(root: Path, stack: str) -> EnvironmentSpec | None:
    """The spec of another stack by itself; ``None`` for one that is refused, which its own check reports."""
    try:
        document = yaml_text.load(_read(root / f"Pulumi.{stack}.yaml"), stack)
        value = document["config"][CONFIG_KEY]
        if isinstance(value, str):
            path = _inside(root, value)
            value = None if path is None else yaml_text.load(_read(path), value)
        return _validate({**value, "name": stack})
    except (CdcError, ValidationError, LookupError, TypeError):
        return None


def _name_problems(value: Mapping[str, Any], stack: str) -> Iterator[Problem]:
    if value.get("name", stack) != stack:
        yield Problem(
            "name", f"the file of stack {stack} holds environment {shown(value['name'])}", f"leave name out, or write {stack}"
        )


def _with_line(problem: Problem, lines: yaml_text.Lines, prefix: Location) -> Problem:
    return replace(problem, line=problem.line or lines.of((*prefix, *parse_path(problem.path))))


__all__ = [
    "Location",
    "build_environment",
    "load_environment",
    "load_partners",
    "model_inside",
    "parse_environment",
    "stacks",
]
