"""One error base class. Every error says what, where and what to do; the command line shows it without a traceback."""

from collections.abc import Iterable
from dataclasses import dataclass

from components.core.paths import join_path


@dataclass(frozen=True, order=True, slots=True)
class Problem:
    """One thing that is wrong with a spec.

    ``path`` leads from the environment's root (``kafka.topics[3].replicas``, see :mod:`components.core.paths`); ``line`` is
    the line in the file the spec was read from, 0 when unknown.
    """

    path: str
    message: str
    remedy: str = ""
    line: int = 0

    def under(self, prefix: str) -> "Problem":
        """The same problem seen from the parent that holds the part at ``prefix``."""
        return Problem(join_path(prefix, self.path), self.message, self.remedy, self.line)


class WrongValue(ValueError):
    """One value of a spec that is refused. A validator of a single field raises it; loading adds the path."""

    def __init__(self, message: str, remedy: str) -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(f"{message}; {remedy}")


_LONGEST_SHOWN = 40


def shown(value: object) -> str:
    """A refused value as a message may repeat it: nothing nested and nothing long, which is where secrets are."""
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, bool) or value is None:
        return {None: "nothing", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"this text of {len(str(value))} characters"


class CdcError(Exception):
    """A user's mistake or a failed environment; ``str()`` is the whole message."""

    exit_code = 2


class SpecError(CdcError):
    """A spec that is refused, with every problem found in it."""

    def __init__(self, problems: Iterable[Problem], source: str = "the environment") -> None:
        self.problems = tuple(problems)
        self.source = source
        super().__init__(self._text())

    def _text(self) -> str:
        count = len(self.problems)
        lines = [f"{self.source}: {count} problem{'s' if count != 1 else ''}"]
        for problem in self.problems:
            where = f"{problem.path or '(root)'}{f' (line {problem.line})' if problem.line else ''}"
            lines.append(f"  {where}: {problem.message}")
            if problem.remedy:
                lines.append(f"      → {problem.remedy}")
        return "\n".join(lines)


class RenderError(CdcError):
    """What was rendered could not be written or declared."""
