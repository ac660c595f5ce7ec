"""Paths of places in a spec: how they are written, and how they are read back."""

import json
import re
from typing import Any

Location = tuple[str | int, ...]
"""Keys and list indices from the environment's root."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_STEP = re.compile(r"""\[([0-9]+)\]|\[("(?:[^"\\]|\\.)*")\]|\.?([^.\[\]]+)""")


def format_path(location: Location) -> str:
    """``("pipelines", 3, "tables", "shop.orders", "name")`` → ``pipelines[3].tables["shop.orders"].name``.

    Fields are dotted, list items in brackets; any other key is in brackets too, quoted as in JSON.
    """
    return "".join(format_step(step) for step in location).removeprefix(".")


def format_step(step: str | int) -> str:
    """One step with what joins it to the path before it: ``.name``, ``[3]``, ``["shop.orders"]``."""
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN_KEY.fullmatch(step) else f"[{json.dumps(step, ensure_ascii=False)}]"


def parse_path(path: str) -> Location:
    """The reverse of :func:`format_path`."""
    return tuple(_parse_step(*match.groups()) for match in _STEP.finditer(path))


def _parse_step(index: str | None, quoted: str | None, plain: str | None) -> str | int:
    if index is not None:
        return int(index)
    return str(json.loads(quoted)) if quoted is not None else str(plain)


def join_path(prefix: str, path: str) -> str:
    """``path`` as seen from the parent of the part at ``prefix``."""
    return f"{prefix}{'.' if prefix and path and not path.startswith('[') else ''}{path}"


def value_at(value: Any, location: Location) -> Any:
    """What stands at ``location`` of nested plain values; ``None`` where nothing does."""
    for step in location:
        try:
            value = value[step]
        except (TypeError, KeyError, IndexError):
            return None
    return value
