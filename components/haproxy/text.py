"""HAProxy's configuration syntax, in one place. Rules: HAProxy Configuration Manual 2.2, "Quoting and escaping"."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_PLAIN = re.compile(r"[A-Za-z0-9_./:%@,;=+*~?!<>|{}()\[\]^&-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

Line = Sequence[str]


@dataclass(frozen=True, slots=True)
class Section:
    """``kind`` and perhaps a name, then one line for each sequence of words."""

    kind: str
    lines: tuple[Line, ...]
    name: str = ""


def dump(sections: Iterable[Section]) -> str:
    """The sections, each word quoted where it must be."""
    return "\n".join(_section(section) for section in sections)


def _section(section: Section) -> str:
    head = " ".join(filter(None, (section.kind, section.name and quoted(section.name))))
    return "".join(f"{line}\n" for line in (head, *(f"  {' '.join(map(quoted, words))}" for words in section.lines)))


def quoted(word: str) -> str:
    """One word as HAProxy reads it: what is not plain stands between single quotes, where nothing is special.

    Raises :class:`ValueError` for a line break, which no quoting lets through.
    """
    if _CONTROL.search(word):
        raise ValueError("a control character cannot stand in HAProxy's configuration")
    if _PLAIN.fullmatch(word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"
