"""When something begins: the five fields of cron as Kubernetes and Chaos Mesh read them (robfig/cron v3), in UTC. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from components.core.errors import WrongValue, shown

DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
"""In cron's order: Sunday is 0."""

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 6))
_PART = re.compile(r"(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:/([0-9]{1,3}))?")
_HOW = "write minute, hour, day of the month, month and day of the week, such as 0 10 * * 2 or 30 9 * * mon-fri"


@dataclass(frozen=True, slots=True)
class Cron:
    """When something begins. ``every_day`` says that no day of the month and no month is left out: cron takes a day that
    either of its two fields for days names, so that only then the days of the week say it all."""

    minutes: frozenset[int]
    hours: frozenset[int]
    weekdays: frozenset[int]
    every_day: bool

    def starts(self) -> tuple[int, ...]:
        """Minutes of the week, counted from Sunday 00:00, at which it may begin; those of every day where days of the month
        have a say."""
        days = self.weekdays if self.every_day else range(7)
        return tuple(sorted(d * DAY_MINUTES + h * 60 + m for d in days for h in self.hours for m in self.minutes))


def parse(text: object) -> Cron:
    """Raises :class:`WrongValue` for what is no such line; descriptors such as ``@every 1h`` are refused, because they begin
    whenever their controller was started."""
    fields = text.lower().split() if isinstance(text, str) else []
    if len(fields) != len(_FIELDS):
        raise WrongValue(f"{shown(text)} is not a cron line of five fields", _HOW)
    minutes, hours, days, months, weekdays = (
        frozenset(_values(field, name, least, most)) for field, (name, least, most) in zip(fields, _FIELDS, strict=True)
    )
    return Cron(minutes, hours, weekdays, every_day=len(days) == 31 and len(months) == 12)


def _values(field: str, name: str, least: int, most: int) -> Iterator[int]:
    for part in field.split(","):
        match = _PART.fullmatch(part)
        if match is None or (match[1] == "*" and match[2]):
            raise WrongValue(f"{shown(part)} is not a {name}", _HOW)
        first = least if match[1] == "*" else _number(match[1], name, least, most)
        open_end = match[1] == "*" or match[3] is not None
        last = _number(match[2], name, least, most) if match[2] else most if open_end else first
        step = int(match[3] or 1)
        if first > last or step == 0:
            raise WrongValue(f"{shown(part)} names no {name}", _HOW)
        yield from range(first, last + 1, step)


def _number(text: str, name: str, least: int, most: int) -> int:
    value = DAYS.index(text) if text in DAYS and most == len(DAYS) - 1 else int(text) if text.isdigit() else -1
    if not least <= value <= most:
        raise WrongValue(f"{shown(text)} is not a {name}", f"write {least} to {most}")
    return value


def _parsed(text: str) -> str:
    parse(text)
    return text


Schedule = Annotated[str, AfterValidator(_parsed)]
"""A line of cron, as written."""
