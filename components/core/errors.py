"""One error base class. Every error says what, where and what to do; the command line shows it without a traceback."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class Problem:
    """One thing that is wrong with a spec.

    ``path`` is dotted from the environment's root, list items in brackets (``kafka.topics[3].replicas``); ``line`` is the
    line in the file the spec was read from, 0 when unknown.
    """

    path: str
    message: str
    remedy: str = ""
    line: int = 0

    def under(self, prefix: str) -> "Problem":
        """The same problem seen from the parent that holds the part at ``prefix``."""
        path = f"{prefix}{'' if not self.path or self.path.startswith('[') else '.'}{self.path}" if prefix else self.path
        return Problem(path, self.message, self.remedy, self.line)


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
