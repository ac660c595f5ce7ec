"""YAML in and out, in one place.

The compiled library reads and writes ten times faster than PyYAML, and refuses duplicate keys and alias bombs. It writes
YAML 1.2, while kubectl, Helm and PyYAML still read some plain scalars as YAML 1.1 does (``2026-01-01``, ``1_000``,
``0b1``): text that holds one of those is written by PyYAML instead, so that every reader sees the same string.
"""

import re
from typing import Any

import yaml
import yaml_rs

from components.core.errors import Problem, SpecError

_READ_AS_OTHER_IN_YAML_1_1 = re.compile(r"(?:^|[ ])[-+]?(?:[0-9][0-9_,.]*_|0b[01]|[0-9]{4}-[0-9]{1,2}-[0-9])", re.MULTILINE)
_MULTILINE_KEY_OR_ODD_CHARACTER = re.compile(r"[\x85\u2028\u2029\ufeff\ufffe\uffff]")
_PARSER_POSITION = re.compile(r"line ([0-9]+), column ([0-9]+)")


def load(text: str, source: str) -> Any:
    """The one document in ``text``. Raises :class:`SpecError` with the line where it stops being YAML."""
    try:
        return yaml_rs.loads(text, parse_datetime=False)
    except yaml_rs.YAMLDecodeError as error:
        raise SpecError([_syntax_problem(str(error))], source) from None


def _syntax_problem(message: str) -> Problem:
    position = _PARSER_POSITION.search(message)
    reason = message.strip().splitlines()[-1]
    if "alias" in reason:
        return Problem("", f"refused: {reason}", "write the repeated parts out, or use fewer aliases")
    if "duplicate mapping key" in reason:
        return Problem("", reason, "keep one of the two; the second would silently win")
    return Problem("", f"not YAML: {reason}", "mend the syntax at that line", int(position[1]) if position else 0)


def dump(value: Any) -> str:
    """``value`` as one YAML document in block style, keys in the given order, read alike by YAML 1.1 and 1.2."""
    text: str = yaml_rs.dumps(value).removeprefix("---\n") + "\n"
    if _READ_AS_OTHER_IN_YAML_1_1.search(text) or _MULTILINE_KEY_OR_ODD_CHARACTER.search(text):
        return yaml.dump(value, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=1 << 20)
    return text


def line_of(text: str, path: tuple[str | int, ...]) -> int:
    """The line (from 1) where the value at ``path`` begins in ``text``; its nearest parent's when not there; 0 if none."""
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return 0
    line = 0
    for step in path:
        child = _child(node, step)
        if child is None:
            break
        node, line = child
    return line


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((value, key.start_mark.line + 1) for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step].start_mark.line + 1
    return None
