"""Schema files, read where the project lies: the one place of the component that looks at a disk."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from components.core.errors import Problem, shown
from components.schema_registry.avro import avro_fault
from components.schema_registry.json_schema import json_schema_fault

LARGEST_BYTES = 1 << 20
"""More than Kafka lets a registry store as one record."""

_FAULTS: Mapping[str, Callable[[Any], str | None]] = {"AVRO": avro_fault, "JSON": json_schema_fault}
_LANGUAGES = {"AVRO": "an Avro schema", "JSON": "a JSON Schema"}


def read_schema(root: Path, file: str) -> str:
    """The text of a schema file, which :func:`problem_with` has nothing against."""
    return (root / file).read_text(encoding="utf-8")


def problem_with(root: Path, file: str, schema_type: str) -> Problem | None:
    """What is wrong with ``file`` as a schema of ``schema_type``, at no path; ``None`` when nothing is."""
    path = _inside(root, file)
    if path is None:
        return Problem("", f"{shown(file)} is not a file inside the project", "write a path relative to Pulumi.yaml")
    try:
        if path.stat().st_size > LARGEST_BYTES:
            return Problem("", f"{file} is larger than 1 MiB, which no registry stores", "name the schema's own file")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return Problem("", f"{file} cannot be read: {error}", "make it a readable UTF-8 file")
    return _fault(file, text, schema_type)


def _fault(file: str, text: str, schema_type: str) -> Problem | None:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}"
        return Problem("", f"{file} is not JSON ({where})", f"write {_LANGUAGES[schema_type]}")
    except RecursionError:
        return Problem("", f"{file} is nested too deeply", f"write {_LANGUAGES[schema_type]}")
    fault = _FAULTS[schema_type](value)
    if fault is None:
        return None
    return Problem("", f"{file} is not {_LANGUAGES[schema_type]}: {fault}", "mend the file, or correct schemaType")


def _inside(root: Path, file: str) -> Path | None:
    """The file that is named, when it is one and lies in the project."""
    try:
        path = (root / file).resolve()
        return path if path.is_relative_to(root.resolve()) and path.is_file() else None
    except (OSError, ValueError):
        return None
