"""YAML in and out, in one place.

The compiled library reads and writes ten times faster than PyYAML, and refuses duplicate keys and alias bombs. What it
writes is YAML 1.2, while kubectl, Helm and PyYAML still read some plain scalars as YAML 1.1 does (``2026-01-01``,
``1_000``, ``0b1``), and it writes some that it would not read back (``0o7``, ``_1``, a key of two lines). Text that may hold
one of those is written by PyYAML instead, with every such string in quotes, so that all readers see the same.
"""

import re
from typing import Any

import yaml
import yaml_rs

from components.core.errors import Problem, SpecError
from components.core.paths import Location

_BEGUN_IN_ONE_LINE = re.compile(r"[-?:][ \t]+(?:[-?:][ \t]+){99}")
_INDENTED = "\n" + " " * 1000
"""A hundred collections begun in one line, or a line indented a thousand columns: both parsers overflow their stacks on it."""
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_PARSER_POSITION = re.compile(r"line ([0-9]+), column ([0-9]+)")
_START = "---\n"
_PARSED_KINDS = (dict, list, str, int, float, type(None))

_SCALAR_READ_DIFFERENTLY = re.compile(r"[ \n][-+]?(?:_|[0-9.][0-9A-Za-z_,.+-]*_|0b[01]|0o[0-7]|[0-9]{4}-[0-9]{1,2}-[0-9])")
"""A plain scalar that YAML 1.1 and 1.2 read differently. It begins with a class of characters, which is what makes it quick."""
_BLOCK_SCALAR_ALONE = re.compile(r"\n[ ]*(?:- )*[|>]")
"""A block scalar that is no mapping's value, so perhaps its key."""
_CHARACTER_READ_DIFFERENTLY = re.compile(r"[\x85\u2028\u2029\ufeff\ufffe\uffff]")
"""Line breaks to YAML 1.1 only, and what only one of them prints."""
_PERHAPS_A_NUMBER = re.compile(r"[-+]?\.?[0-9_]")
_OLD_LINE_BREAK = re.compile(r"[\x85\u2028\u2029]")


def load(text: str, source: str) -> Any:
    """The one document in ``text``: mappings, lists and scalars. Raises :class:`SpecError` where it is anything else."""
    text = text.removeprefix("\ufeff")
    if _BEGUN_IN_ONE_LINE.search(text) or _INDENTED in f"\n{text}":
        raise SpecError([Problem("", "refused: nested too deeply", "write a spec, which needs a few levels")], source)
    if not text.isascii() and _LONE_SURROGATE.search(text):
        raise SpecError([Problem("", "not text: it holds half of a character", "save the file as UTF-8")], source)
    try:
        value = yaml_rs.loads(text, parse_datetime=False)
    except yaml_rs.YAMLDecodeError as error:
        raise SpecError([_syntax_problem(str(error), text)], source) from None
    if "!" in text and not _is_plain(value):
        raise SpecError(
            [Problem("", "refused: a tag that makes something else than a list or a mapping", "use no tags")], source
        )
    return value


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    return all(map(_is_plain, value)) if isinstance(value, list) else isinstance(value, _PARSED_KINDS)


def _syntax_problem(message: str, text: str) -> Problem:
    position = _PARSER_POSITION.search(message)
    reason = message.strip().splitlines()[-1]
    if "alias" in reason:
        return Problem("", f"refused: {reason}", "write the repeated parts out, or use fewer aliases")
    if "duplicate mapping key" in reason:
        return Problem("", reason, "keep one of the two; the second would silently win", _line_of_duplicate(_compose(text)))
    return Problem("", f"not YAML: {reason}", "mend the syntax at that line", int(position[1]) if position else 0)


def dump(value: Any) -> str:
    """``value`` as one YAML document in block style, keys in the given order, read alike by YAML 1.1 and 1.2."""
    text: str = yaml_rs.dumps(value)
    if _is_read_differently(text):
        return yaml.dump(value, Dumper=_QuotingDumper, sort_keys=False, allow_unicode=True, width=1 << 20)
    return text.removeprefix(_START) + "\n"


def flow(value: Any) -> str:
    """``value`` on one line in flow style, read alike by YAML 1.1 and 1.2."""
    text: str = yaml.dump(
        value, Dumper=_FlowDumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=1 << 20
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _is_read_differently(text: str) -> bool:
    """Whether a document, which begins with :data:`_START`, may hold what YAML 1.1 and 1.2 read differently.

    Thousands of documents pass here, so what is rare is looked for by the cheapest test that rules it out.
    """
    return (
        _SCALAR_READ_DIFFERENTLY.search(text) is not None
        or (("|" in text or ">" in text) and _BLOCK_SCALAR_ALONE.search(text) is not None)
        or (not text.isascii() and _CHARACTER_READ_DIFFERENTLY.search(text) is not None)
    )


class _QuotingDumper(yaml.CSafeDumper):
    """Quotes each string that some reader takes for a number or a date; writes no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.CSafeDumper, text: str) -> yaml.Node:
    style = '"' if _OLD_LINE_BREAK.search(text) else "'" if _PERHAPS_A_NUMBER.match(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_QuotingDumper.add_representer(str, _represent_text)


class _FlowDumper(_QuotingDumper):
    """Quotes only what a reader does take for a number: what people write stays as they write it (``14d``, ``4.3.1``)."""


def _represent_in_flow(dumper: yaml.CSafeDumper, text: str) -> yaml.Node:
    try:
        read: Any = yaml_rs.loads(f"[{text}]", parse_datetime=False)
        plain = text.isprintable() and read == [text]
    except yaml_rs.YAMLDecodeError:
        plain = False
    style = None if plain else "'" if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_FlowDumper.add_representer(str, _represent_in_flow)


class Lines:
    """Where the values of a YAML text stand in it."""

    def __init__(self, text: str) -> None:
        self._root = _compose(text) if text else None

    def of(self, location: Location) -> int:
        """The line (from 1) where the value at ``location`` begins; its nearest parent's when it is not there; 0 if none."""
        node, line = self._root, 0
        for step in location:
            child = _child(node, step)
            if child is None:
                break
            node, line = child
        return line


def _compose(text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return None


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((value, key.start_mark.line + 1) for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step].start_mark.line + 1
    return None


def _line_of_duplicate(root: yaml.Node | None) -> int:
    """The line of the first key that its mapping has already; 0 if none. Each node once: aliases may repeat them."""
    waiting, seen = [root], set()
    found: list[int] = []
    while waiting:
        node = waiting.pop()
        if id(node) in seen or not isinstance(node, yaml.CollectionNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            keys: set[Any] = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in keys:
                    found.append(key.start_mark.line + 1)
                keys.add((key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key))
                waiting += [key, value]
        else:
            waiting += node.value
    return min(found, default=0)
