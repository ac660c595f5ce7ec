"""Reads ``.properties`` files as Java does."""

import re
from collections.abc import Iterator

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_SHORT = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}


def java_load(text: str) -> dict[str, str]:
    """What ``java.util.Properties.load`` makes of Latin-1 bytes, by its documentation."""
    return dict(_entry(line) for line in _logical_lines(text.encode("latin-1").decode("latin-1")))


def _logical_lines(text: str) -> Iterator[str]:
    joined = ""
    for line in re.split(r"\r\n|\r|\n", text):
        natural = line.lstrip(" \t\f")
        if not joined and (not natural or natural[0] in "#!"):
            continue
        backslashes = len(natural) - len(natural.rstrip("\\"))
        joined += natural[:-1] if backslashes % 2 else natural
        if backslashes % 2 == 0:
            yield joined
            joined = ""


def _entry(line: str) -> tuple[str, str]:
    match = re.match(r"((?:\\.|[^\\ \t\f=:])*)[ \t\f]*[=:]?[ \t\f]*(.*)$", line, re.DOTALL)
    assert match is not None
    return _unescape(match[1]), _unescape(match[2])


def _unescape(text: str) -> str:
    plain = _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _SHORT.get(m[2], m[2]), text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16")
