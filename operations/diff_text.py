"""A comparison as a person reads it: spec fields first, then the objects that follow from them, alike changes told once."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from rich.console import Console, RenderableType
from rich.text import Text

from operations.compare import ABSENT, FieldChange
from operations.objects import Action, ObjectChange
from operations.terminal import BAD, FAINT, GOOD, STRONG, WARN, compact, count, hanging, listed, show, styled
from operations.verdicts import print_verdict
from policies.engine import Verdict

_MOST_FIELDS, _MOST_NAMES, _MOST_LINES, _MOST_VALUE = 200, 5, 20, 60
_MARKS: dict[Action, tuple[str, str]] = {"added": ("+", GOOD), "removed": ("-", BAD), "changed": ("~", WARN)}


class Compared(Protocol):
    """What is printed, see :class:`operations.diff.Comparison`."""

    @property
    def before(self) -> str: ...
    @property
    def after(self) -> str: ...
    @property
    def spec(self) -> Sequence[FieldChange] | None: ...
    @property
    def objects(self) -> Sequence[ObjectChange]: ...
    @property
    def notes(self) -> Sequence[str]: ...
    @property
    def verdict(self) -> Verdict | None: ...
    @property
    def differs(self) -> bool: ...


def print_comparison(out: Console, compared: Compared, *, separated: bool = False) -> None:
    """The whole comparison; ``separated`` by a blank line from one before it."""
    if separated:
        out.print()
    same = "" if compared.differs else "  no difference"
    out.print(styled((f"{compared.before} → {compared.after}", STRONG), (same, GOOD)))
    for note in compared.notes:
        show(out, styled((f"  {note}", FAINT)))
    if compared.spec:
        out.print(styled("\n", ("Spec", STRONG), f"  {count(len(compared.spec), 'change')}"))
        for line in _fields(compared.spec, "  ", out.width):
            show(out, line)
    if compared.objects:
        out.print(styled("\n", ("Objects", STRONG), f"  {_counts(compared.objects)}"))
        for line in _objects(compared.objects, out.width):
            show(out, line)
    if compared.verdict is not None and compared.differs:
        out.print()
        print_verdict(out, compared.verdict)


def _counts(objects: Sequence[ObjectChange]) -> str:
    amounts = {action: sum(change.action == action for change in objects) for action in _MARKS}
    return ", ".join(f"{amount:,} {action}" for action, amount in amounts.items() if amount)


def _objects(objects: Sequence[ObjectChange], room: int) -> Iterable[RenderableType]:
    """Objects of one kind with the same change make one entry: fifteen topics with another label are told once."""
    groups: dict[tuple[Action, str, str], list[ObjectChange]] = {}
    for change in objects:
        groups.setdefault((change.action, change.kind, repr(change.fields)), []).append(change)
    width = max(len(change.kind) for change in objects)
    for (action, kind, _), group in groups.items():
        mark, style = _MARKS[action]
        amount = f" ({len(group):,})" if len(group) > 1 else ""
        names = listed([change.name for change in group], most=_MOST_NAMES)
        start = styled((f"  {mark} ", style), (f"{kind:<{width}}  ", STRONG))
        yield hanging(start, styled(names, (amount, FAINT)), room)
        yield from _fields(group[0].fields, "      ", room)


def _fields(changes: Sequence[FieldChange], indent: str, room: int) -> Iterable[RenderableType]:
    width = min(44, max((len(change.path) for change in changes), default=0))
    for change in changes[:_MOST_FIELDS]:
        yield from _field(change, indent, width, room)
    if len(changes) > _MOST_FIELDS:
        yield styled((f"{indent}… and {len(changes) - _MOST_FIELDS:,} more; --json tells them all", FAINT))


def _field(change: FieldChange, indent: str, width: int, room: int) -> Iterable[RenderableType]:
    if isinstance(change.before, str) and isinstance(change.after, str) and "\n" in change.before + change.after:
        yield styled(f"{indent}{change.path}")
        yield from _lines(change.before, change.after, f"{indent}  ")
    else:
        yield hanging(styled(f"{indent}{change.path:<{width}}  "), styled(*_sides(change)), room)


def _sides(change: FieldChange) -> list[tuple[str, str]]:
    """What was and what is; of two lists of plain values only the items that went and came."""
    before, after = change.before, change.after
    if isinstance(before, list) and isinstance(after, list):
        went = [(f"- {_value(item)} ", BAD) for item in before if item not in after]
        came = [(f"+ {_value(item)} ", GOOD) for item in after if item not in before]
        return [*went, *came] or [("order, or how often an item is there", FAINT)]
    if before is ABSENT and isinstance(after, dict | list):
        return [(f"+ {_value(after)}", GOOD)]
    if after is ABSENT and isinstance(before, dict | list):
        return [(f"- {_value(before)}", BAD)]
    return [(_value(before), BAD), (" → ", FAINT), (_value(after), GOOD)]


def _lines(before: str, after: str, indent: str) -> Iterable[Text]:
    """The lines of a text that went and came."""
    lines = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]
    for line in lines[:_MOST_LINES]:
        yield styled((f"{indent}{line}", GOOD if line[0] == "+" else BAD))
    if len(lines) > _MOST_LINES:
        yield styled((f"{indent}… and {len(lines) - _MOST_LINES:,} more lines", FAINT))


def _value(value: Any) -> str:
    return "(none)" if value is ABSENT else compact(value, most=_MOST_VALUE)
