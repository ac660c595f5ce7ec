"""Changes single values in a YAML text and nothing else: comments, order and layout stay. Pure.

Every function gives the new text, or raises :class:`CannotEdit` where the layout is none that it knows. None of them checks
what the result means: whoever calls reads it again.
"""

import re
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import yaml

from components.core.paths import Location
from components.core.yaml_text import dump, flow

_REST_OF_LINE = re.compile(r"[^\n]*(?:\n|$)")


class CannotEdit(Exception):
    """The text has to be changed by hand."""


def with_value(text: str, location: Location, value: Any) -> str:
    """``text`` with ``value`` (plain: mappings, lists, scalars) at ``location``; parents that are not there are made."""
    trail = _trail(text, location)
    node, rest = trail[-1], location[len(trail) - 1 :]
    if not rest:
        return _replaced(text, node, value)
    for step in reversed(rest[1:]):
        value = {str(step): value}
    if isinstance(node, yaml.MappingNode) and isinstance(rest[0], str):
        return _with_key(text, node, rest[0], value)
    if _is_nothing(node) and isinstance(rest[0], str):
        return _replaced(text, node, {rest[0]: value})
    raise CannotEdit


def without(text: str, location: Location) -> str:
    """``text`` without the key or the item at ``location``; what would be left empty goes with it."""
    trail = _trail(text, location)
    if len(trail) <= len(location):
        return text
    parent, node = trail[-2:]
    if isinstance(parent, yaml.MappingNode) and len(parent.value) == 1 and len(location) > 1:
        return without(text, location[:-1])
    if isinstance(parent, yaml.MappingNode):
        key = next(key for key, value in parent.value if value is node)
        return _cut(text, parent, key.start_mark.index, _end(text, node), [k.start_mark.index for k, _ in parent.value])
    if isinstance(parent, yaml.SequenceNode):
        begins = [item.start_mark.index for item in parent.value]
        return _cut(text, parent, node.start_mark.index, _end(text, node), begins)
    raise CannotEdit


def with_item(text: str, location: Location, item: str) -> str:
    """``text`` with one more item in the list at ``location``; ``item`` is block text that begins with its dash in column 0."""
    trail = _trail(text, location)
    node, is_there = trail[-1], len(trail) > len(location)
    if is_there and isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        indent = " " * node.start_mark.column
        at = _line_end(text, _end(text, node.value[-1]))
        lines = "".join(f"{indent}{line}" if line.strip() else line for line in item.splitlines(keepends=True))
        return f"{_ended(text[:at])}{_ended(lines)}{text[at:]}"
    [value] = yaml.safe_load(item)
    if not is_there or _is_nothing(node):
        return with_value(text, location, [value])
    if isinstance(node, yaml.SequenceNode) and (node.flow_style or not node.value):
        return _inserted(text, node, flow(value))
    raise CannotEdit


def item_text(text: str, location: Location) -> str:
    """The list item at ``location`` as block text with its dash in column 0, its comments included."""
    trail = _trail(text, location)
    parent, node = trail[-2:]
    if len(trail) <= len(location) or not isinstance(parent, yaml.SequenceNode):
        raise CannotEdit
    column = parent.start_mark.column
    begin = text.rfind("\n", 0, node.start_mark.index) + 1
    if parent.flow_style or text[begin : node.start_mark.index].strip() != "-" or _has_anchors(text, node):
        return "- " + dump(_plain(node)).replace("\n", "\n  ").rstrip(" ")
    lines = text[begin : _line_end(text, _end(text, node))].splitlines(keepends=True)
    return _ended("".join(line[column:] if not line[:column].strip() else line.lstrip(" ") for line in lines))


def _trail(text: str, location: Location) -> list[yaml.Node]:
    """The nodes from the root to the one at ``location``, as far as they are there."""
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        raise CannotEdit from None
    trail: list[yaml.Node] = []
    for step in (*location, None):
        if node is None:
            break
        trail.append(node)
        node = None if step is None else _child(node, step)
    if not trail:
        raise CannotEdit
    return trail


def _child(node: yaml.Node, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item: yaml.Node = node.value[step]
        return item
    return None


def _is_nothing(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _plain(node: yaml.Node) -> Any:
    return yaml.safe_load(yaml.serialize(node))


def _has_anchors(text: str, node: yaml.Node) -> bool:
    return re.search(r"[&*][A-Za-z0-9_]|<<:", text[node.start_mark.index : _end(text, node)]) is not None


def _is_block(node: yaml.Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and not node.flow_style and bool(node.value)


def _end(text: str, node: yaml.Node) -> int:
    """Where a node's own text ends. The parser ends a block only where the next token begins, behind comments."""
    if _is_block(node):
        last = node.value[-1]
        return _end(text, last[1] if isinstance(last, tuple) else last)
    end: int = node.end_mark.index
    return end - 1 if isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"} and text[end - 1] == "\n" else end


def _line_end(text: str, at: int) -> int:
    """Behind the line break of the line that ``at`` is in, which may end in a comment."""
    match = _REST_OF_LINE.match(text, at)
    return match.end() if match else len(text)


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _replaced(text: str, node: yaml.Node, value: Any) -> str:
    if isinstance(node, yaml.SequenceNode) and _is_block(node) and _are_scalars(value) and _are_scalars(_plain(node)):
        return _with_scalars(text, node, value)
    begin, end = node.start_mark.index, _end(text, node)
    if not _is_block(node):
        gap = " " if _is_nothing(node) and begin == end and text[begin - 1 : begin] != " " else ""
        return f"{text[:begin]}{gap}{flow(value)}{text[end:]}"
    before = text[:begin].rstrip()  # the block begins below its key
    if not before.endswith((":", "-")):
        raise CannotEdit
    return f"{before} {flow(value)}{text[end:]}"


def _are_scalars(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and not any(isinstance(item, (dict, list)) for item in value)


def _with_scalars(text: str, node: yaml.SequenceNode, values: Sequence[Any]) -> str:
    """A block list of scalars with other ones; those that stay keep their lines, and so their comments."""
    indent = " " * node.start_mark.column
    begin = text.rfind("\n", 0, node.start_mark.index) + 1
    end = _line_end(text, _end(text, node))
    if text[begin : node.start_mark.index].strip():
        raise CannotEdit
    begin -= sum(map(len, takewhile(_is_comment, reversed(text[:begin].splitlines(keepends=True)))))
    lines: dict[Any, str] = {}
    at = begin
    for item in node.value:
        line_end = _line_end(text, _end(text, item))
        lines.setdefault(_plain(item), text[at:line_end])
        at = line_end
    new = "".join(_ended(lines[value]) if value in lines else f"{indent}- {flow(value)}\n" for value in values)
    return f"{text[:begin]}{new}{text[end:]}"


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _with_key(text: str, node: yaml.MappingNode, key: str, value: Any) -> str:
    entry = flow({key: value})[1:-1]
    if not _is_block(node):
        return _inserted(text, node, entry)
    column = node.value[0][0].start_mark.column
    at = _line_end(text, _end(text, node))
    return f"{_ended(text[:at])}{' ' * column}{entry}\n{text[at:]}"


def _inserted(text: str, node: yaml.CollectionNode, entry: str) -> str:
    """One more entry at the end of a flow mapping or list."""
    close = node.end_mark.index - 1
    inside = text[node.start_mark.index + 1 : close]
    body = inside.rstrip()
    if re.search(r"(^|\s)#", body.rpartition("\n")[2]):
        raise CannotEdit
    comma = "" if not body or body.endswith(",") else ","
    space = " " if body else ""
    at = node.start_mark.index + 1 + len(body)
    return f"{text[:at]}{comma}{space}{entry}{inside[len(body) :]}{text[close:]}"


def _cut(text: str, parent: yaml.CollectionNode, begin: int, end: int, siblings: Sequence[int]) -> str:
    """``text`` without an entry of ``parent`` that stands from ``begin`` to ``end``."""
    if parent.flow_style:
        if begin != siblings[-1]:
            return text[:begin] + text[next(at for at in siblings if at > begin) :]
        head = text[:begin].rstrip()
        return head.removesuffix(",") + text[end:]
    line = text.rfind("\n", 0, begin) + 1
    lead = text[line:begin].strip()
    if isinstance(parent, yaml.MappingNode) and lead == "-" and begin != siblings[-1]:
        return text[:begin] + text[siblings[1] :]
    if lead != ("" if isinstance(parent, yaml.MappingNode) else "-"):
        raise CannotEdit
    return text[:line] + text[_line_end(text, end) :]
