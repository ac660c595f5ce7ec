"""Every reference to a secret that a spec makes, wherever it stands. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from components.core.model import SpecModel
from components.core.paths import format_step, join_path

_REFERENCE = re.compile(r"(vault|secret):([A-Za-z0-9._/-]+)#([A-Za-z0-9._-]+)")


def references(part: Any) -> Iterator[tuple[str, str, str]]:
    """(spec path, path in Vault, key) of each."""
    yield from ((where, path, key) for where, scheme, path, key in _all(part, "") if scheme == "vault")


def named_secrets(part: Any) -> frozenset[str]:
    """The Secrets that a spec refers to by ``secret:``, which somebody else makes; those that are its defaults included."""
    return frozenset(name for _, scheme, name, _ in _all(part, "") if scheme == "secret")


def _all(part: Any, where: str) -> Iterator[tuple[str, str, str, str]]:
    if isinstance(part, str):
        match = _REFERENCE.fullmatch(part)
        if match is not None:
            yield where, match[1], match[2], match[3]
    elif isinstance(part, SpecModel):
        for name, info in type(part).model_fields.items():
            yield from _all(getattr(part, name), join_path(where, info.alias or name))
    elif isinstance(part, Mapping):
        for key, value in part.items():
            yield from _all(value, f"{where}{format_step(key)}")
    elif isinstance(part, tuple):
        for index, value in enumerate(part):
            yield from _all(value, f"{where}[{index}]")
