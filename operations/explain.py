"""``cdc explain``: what a field of the spec means, its type, default and limits, what it becomes, and its value in a stack."""

import difflib
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from components.core.errors import CdcError
from operations import effective, project
from operations.fields import Place, SpecField, all_fields, default_while_parent_left_out, fields_of, inside, locate
from operations.options import Json, Root, field_argument
from operations.terminal import FAINT, NAME, STRONG, compact, console, print_json, show, styled

EPILOG = """\b
Examples:
  cdc explain                                the top of the spec
  cdc explain kafka.brokers.storage.size
  cdc explain 'pipelines[].source.mysql.tables'
  cdc explain kafka.brokers --stack prod     and its values in prod
  cdc explain 'pipelines[orders].tables' --stack prod

\b
Exit codes:
  0  explained
  2  no such field or stack, or bad input"""
_MOST_VALUES = 20
_NOTHING: tuple[object, ...] = (None, "", {}, [])


def command(
    path: Annotated[str, field_argument(help="Field, such as kafka.brokers; the top of the spec when left out.")] = "",
    stack: Annotated[str | None, typer.Option("--stack", metavar="STACK", help="Show the value in this stack too.")] = None,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Show what a field of the spec means, and its value in a stack.

    Tells its type, default, limits, how its values are written, and what it becomes.
    """
    place = _located(path) if path else None
    values = _values(root, stack, place) if stack and place else []
    if as_json:
        print_json(_described(place, values, stack))
    else:
        _print(place, values, stack)


def _located(path: str) -> Place:
    place = locate(path)
    if place is None:
        raise CdcError(f"{path}: there is no such field\n      → {_nearest(path)}")
    return place


def _nearest(path: str) -> str:
    """Fields whose whole path, else whose last name, is nearest to ``path``; the top ones where nothing is near."""
    known = list(all_fields())
    near = difflib.get_close_matches(path, known, n=3, cutoff=0.75)
    last = path.rpartition(".")[2].lower()
    near += [name for name in known if name.rpartition(".")[2].lower() == last and name not in near][: 3 - len(near)]
    near = near or difflib.get_close_matches(path, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"known at the top: {', '.join(f for f in known if '.' not in f)}"


def _values(root: Any, stack: str, place: Place) -> list[effective.Effective]:
    folder = project.find_root(root)
    spec = project.load(folder, stack)
    return effective.effective_values(spec, project.written_spec(folder, stack), place)


def _children(place: Place | None) -> list[SpecField]:
    if place is None:
        return [found for name, found in all_fields().items() if "." not in name]
    return list(fields_of(place.field.model, inside(place.field))) if place.field.model else []


def _described(place: Place | None, values: list[effective.Effective], stack: str | None) -> dict[str, Any]:
    """For a machine."""
    described = _field_as_json(place.field) if place else {}
    described["fields"] = [_field_as_json(child) for child in _children(place)]
    if stack is not None:
        described["stack"] = stack
        described["values"] = [{"path": v.path, "value": v.value, "at": v.where} for v in values]
    return described


def _field_as_json(field: SpecField) -> dict[str, Any]:
    return {
        "path": field.path,
        "type": field.type_text(),
        "help": field.help,
        "becomes": field.becomes,
        "required": field.required,
        "default": field.default(),
        "allowed": field.allowed(),
        "written": field.units(),
    }


def _print(place: Place | None, values: list[effective.Effective], stack: str | None) -> None:
    out = console()
    if place is not None:
        out.print(styled((place.field.path, f"{STRONG} {NAME}"), "  ", (place.field.type_text(), FAINT)))
        out.print(styled(f"  {place.field.help}\n"))
        show(out, _facts(place, values, stack))
    children = _children(place)
    if children:
        out.print()
        single = values[0].value if len(values) == 1 and isinstance(values[0].value, dict) else None
        show(out, _field_table(children, single, stack))


def _facts(place: Place, values: list[effective.Effective], stack: str | None) -> Padding:
    field = place.field
    table = Table.grid(padding=(0, 2))
    table.add_column(style=FAINT, no_wrap=True)
    table.add_column(overflow="fold")
    if field.units():
        table.add_row("Written as", field.units())
    table.add_row("Default", _default_text(field))
    table.add_row("Becomes", field.becomes)
    for index, value in enumerate(values[:_MOST_VALUES]):
        table.add_row("" if index else f"In {stack}", _value_text(value, field, alone=len(values) == 1))
    if len(values) > _MOST_VALUES:
        table.add_row("", f"… and {len(values) - _MOST_VALUES:,} more")
    if stack is not None and not values:
        table.add_row(f"In {stack}", "not there: a part of the way to it is left out")
    return Padding(table, (0, 0, 0, 2))


def _value_text(value: effective.Effective, field: SpecField, alone: bool) -> Text:
    """The value and where it stands; a mapping's values stand in the table of its fields, where there is only one mapping."""
    where = (f"written at {value.where}" if value.where != "default" else "default", FAINT)
    path = "" if value.path == field.path else value.path
    if alone and field.model is not None and isinstance(value.value, dict):
        return styled(f"{path}{' ' if path else ''}", where)
    return styled(f"{path}{' = ' if path else ''}{compact(value.value)}  ", where)


def _default_text(field: SpecField) -> str:
    if field.required:
        return "none; it must be written"
    single = field.model is not None and not field.is_list and not field.is_mapping and not field.optional
    said = field.own_default() not in _NOTHING
    text = compact(field.own_default()) if said else "what its fields say" if single else "none"
    from_parent = default_while_parent_left_out(field)
    return f"{text}; {compact(from_parent[1])} while {from_parent[0]} is left out" if from_parent else text


def _short_default(field: SpecField) -> str:
    """The default in a table; of a mapping with a shorthand, that one's."""
    default = field.own_default()
    if default in _NOTHING and field.model is not None and field.model.shorthand is not None and not field.optional:
        default = next(inner.default() for inner in fields_of(field.model) if inner.attribute == field.model.shorthand)
    return "" if default in _NOTHING else compact(default, most=32)


def _field_table(children: list[SpecField], values: dict[str, Any] | None, stack: str | None) -> Padding:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style=FAINT, show_edge=False)
    table.add_column("Field", style=NAME, no_wrap=True)
    table.add_column("Type", overflow="fold", style=FAINT)
    table.add_column("Default", overflow="fold")
    if values is not None:
        table.add_column(f"In {stack}", overflow="fold")
    table.add_column("Meaning", overflow="fold", ratio=1)
    for child in children:
        default = "required" if child.required else _short_default(child)
        value = None if values is None else values.get(child.name)
        current = [] if values is None else ["" if value in _NOTHING else compact(value, most=32)]
        table.add_row(child.name, child.type_text(), default, *current, child.help)
    return Padding(table, (0, 0, 0, 2))
