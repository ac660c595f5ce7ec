"""A comparison for a pull request, in GitHub's Markdown. A comment holds 65,536 characters: long lists are cut and say so."""

from collections.abc import Sequence

from operations.compare import ABSENT, FieldChange
from operations.diff_text import Compared
from operations.objects import Action, ObjectChange
from operations.terminal import compact, count, listed
from policies.reports import render_markdown
from policies.reports.markdown import code

_MOST_ROWS, _MOST_NAMES, _MOST_VALUE = 60, 5, 80
_MARKS: dict[Action, str] = {"added": "➕", "removed": "➖", "changed": "✏️"}


def comparison_markdown(compared: Compared) -> str:
    """Spec fields first, then the objects that follow from them, then what the rules say to the change."""
    lines = [f"### {code(compared.before)} → {code(compared.after)}", ""]
    if not compared.differs:
        return "\n".join([*lines, "No difference.", ""])
    lines += [f"_{note}_\n" for note in compared.notes]
    if compared.spec:
        lines += [f"**Spec**: {count(len(compared.spec), 'change')}", "", *_fields(compared.spec), ""]
    if compared.objects:
        lines += [f"<details><summary><b>Objects</b>: {count(len(compared.objects), 'change')}</summary>", ""]
        lines += [*_objects(compared.objects), "", "</details>", ""]
    text = "\n".join(lines)
    return text if compared.verdict is None else f"{text}\n{render_markdown(compared.verdict, limit=10)}"


def _fields(changes: Sequence[FieldChange]) -> list[str]:
    rows = [f"| {code(each.path)} | {_value(each.before)} | {_value(each.after)} |" for each in changes[:_MOST_ROWS]]
    return ["| field | before | after |", "|---|---|---|", *rows, *_more(len(changes), 3)]


def _objects(objects: Sequence[ObjectChange]) -> list[str]:
    """Objects of one kind with the same change make one row."""
    groups: dict[tuple[Action, str, str], list[ObjectChange]] = {}
    for change in objects:
        groups.setdefault((change.action, change.kind, repr(change.fields)), []).append(change)
    rows = []
    for (action, kind, _), group in list(groups.items())[:_MOST_ROWS]:
        names = listed([code(change.name) for change in group], most=_MOST_NAMES)
        fields = listed([code(field.path) for field in group[0].fields], most=_MOST_NAMES)
        rows.append(f"| {_MARKS[action]} {action} | {kind} | {names} | {fields} |")
    return ["| | kind | names | fields |", "|---|---|---|---|", *rows, *_more(len(groups), 4)]


def _more(amount: int, columns: int) -> list[str]:
    return [f"| … and {amount - _MOST_ROWS:,} more |" + " |" * (columns - 1)] if amount > _MOST_ROWS else []


def _value(value: object) -> str:
    return "" if value is ABSENT or value is None else code(compact(value, most=_MOST_VALUE))
