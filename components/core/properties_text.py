"""Java properties out, in one place. Rules: ``java.util.Properties.load(InputStream)``, which Kafka reads its files with."""

import re
from collections.abc import Mapping

Scalar = str | int | float | bool

_SHORT_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"}
_ESCAPED_EVERYWHERE = re.compile(r"[\\\n\r\t\f]|[^ -~]")
_SEPARATOR = re.compile(r"[ :=#!]")


def dump(sections: Mapping[str, Mapping[str, Scalar]]) -> str:
    """Each section's title as a comment, then its keys in the given order; empty sections are left out.

    The text is ASCII: Java reads such a file as Latin-1, whatever the machine's own encoding is.
    """
    parts = [_section(title, settings) for title, settings in sections.items() if settings]
    return "\n".join(parts)


def _section(title: str, settings: Mapping[str, Scalar]) -> str:
    lines = [f"# {_escape(title)}", *(f"{_escape_key(key)}={_escape_value(value)}" for key, value in settings.items())]
    return "\n".join(lines) + "\n"


def _escape_key(key: str) -> str:
    return _SEPARATOR.sub(lambda match: f"\\{match[0]}", _escape(key))


def _escape_value(value: Scalar) -> str:
    """Only a leading space needs care: Java drops it. ``True`` is Java's ``true``."""
    text = _escape(str(value).lower() if isinstance(value, bool) else str(value))
    return f"\\{text}" if text.startswith(" ") else text


def _escape(text: str) -> str:
    return _ESCAPED_EVERYWHERE.sub(lambda match: _SHORT_ESCAPES.get(match[0]) or _utf_16(match[0]), text)


def _utf_16(character: str) -> str:
    """``\\uXXXX``, twice for a character outside the Basic Multilingual Plane."""
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
