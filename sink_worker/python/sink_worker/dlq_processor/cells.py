"""One cell of a sheet: text, null, or nothing at all, told apart, and harmless in a spreadsheet. Pure.

\\N      null
\\A      the event does not have this column
\\x…     text that begins with a backslash, or with what a spreadsheet takes for a formula; the first backslash is dropped
␀       a NUL, which PostgreSQL has no place for
"""

from enum import Enum
from typing import Final


class Absent(Enum):
    """What a cell holds whose column the event does not have."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
Cell = str | None | Absent
_NULL, _ABSENT = "\\N", "\\A"
_RISKY: Final = ("\\", "=", "+", "-", "@", "\t", "\r")


def write_cell(value: Cell, *, is_text: bool) -> str:
    """``is_text``: of a text column, where a leading sign is no number's."""
    if value is None:
        return _NULL
    if isinstance(value, Absent):
        return _ABSENT
    shown = value.replace("\0", "␀")
    return f"\\{shown}" if shown.startswith("\\") or (is_text and shown.startswith(_RISKY)) else shown


def read_cell(text: str) -> Cell:
    """The inverse of :func:`write_cell`, but for NUL, which stays what it was written as."""
    if text == _NULL:
        return None
    if text == _ABSENT:
        return ABSENT
    return text[1:] if text.startswith("\\") else text
