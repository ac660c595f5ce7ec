"""Additive or breaking: the columns that events want against a table as it is. Pure, and the same for every source."""

from collections.abc import Collection, Mapping, Sequence

from sink_worker.coercion import find_cast
from sink_worker.evolution.model import Breaking, Difference, Kind, Present, Rules, TableState, Wanted, Widening
from sink_worker.evolution.types import contains, is_same, rewrites, takes_cells, widened


def classify(
    wanted: Sequence[Wanted],
    table: TableState,
    *,
    before: Mapping[str, str] | None = None,
    gone: Collection[str] = (),
    rules: Rules | None = None,
) -> Difference:
    """What is to be done so that ``table`` takes events with the columns ``wanted``.

    ``before`` has the types that the source wanted last, by column. Where that is what is wanted still, somebody who knew made
    the table's column as it is: it is not widened, and what PostgreSQL can take value by value is no difference. None: every
    column counts as changed. ``gone``: columns that the source had and no longer sends.
    """
    rules = rules or Rules()
    adds: list[Wanted] = []
    widenings: list[Widening] = []
    breaking = _rules_of_the_table(wanted, table, gone)
    for column in wanted:
        present = table.columns.get(column.name)
        found: Widening | Breaking | None
        if present is None:
            found = _missing(column, table, rules)
            adds += [column] if found is None else []
        else:
            changed = before is None or before.get(column.name, column.pg_type) != column.pg_type
            found = _typed(column, present, changed, rules, changeable=table.changeable)
        if isinstance(found, Widening):
            widenings.append(found)
        elif found is not None:
            breaking.append(found)
    breaking += [_dropped(name, table.columns[name], adds) for name in gone if name in table.columns]
    return Difference(tuple(adds), tuple(widenings), tuple(breaking))


def _missing(column: Wanted, table: TableState, rules: Rules) -> Breaking | None:
    """None: it may be added."""
    if column.key:
        why = "it has no such column, which is part of the events' key"
        return Breaking(Kind.KEY, column.name, "", column.pg_type, why, blocks=True)
    if column.required:
        why = "it has no such column, and rows that are there cannot have a value for it"
        return Breaking(Kind.NOT_NULL, column.name, "", column.pg_type, why)
    if not rules.add or not table.changeable:
        return Breaking(Kind.REFUSED, column.name, "", column.pg_type, "it has no such column, and may not be changed")
    return None


def _typed(column: Wanted, present: Present, changed: bool, rules: Rules, *, changeable: bool) -> Widening | Breaking | None:
    if present.generated:
        return Breaking(Kind.GENERATED, column.name, present.pg_type, column.pg_type, "it is generated", blocks=column.key)
    if column.required and present.nullable and not column.key:
        return Breaking(Kind.NOT_NULL, column.name, present.pg_type, column.pg_type, "the source demands NOT NULL")
    if rules.cells:
        return _typed_for_cells(column, present, changed, rules, changeable=changeable)
    taken = is_written(column, present, rules)
    if contains(present.pg_type, column.pg_type) or (taken and (not changed or rules.coerce)):
        return None
    wider = widened(present.pg_type, column.pg_type) if changed else None
    if wider is not None:
        return _grown(column, present, wider, rules, blocks=column.key and not taken, changeable=changeable)
    why = f"it is {present.pg_type}, which does not take {column.pg_type} without loss"
    if taken:
        why = f"it is {present.pg_type}, and became {column.pg_type} at the source"
    return Breaking(Kind.TYPE, column.name, present.pg_type, column.pg_type, why, blocks=column.key and not taken)


def _typed_for_cells(column: Wanted, present: Present, changed: bool, rules: Rules, *,
                     changeable: bool) -> Widening | Breaking | None:  # fmt: skip
    if is_written(column, present, rules):
        return None
    wider = widened(present.pg_type, column.pg_type) if changed and not column.key else None
    if wider is not None and takes_cells(wider, present.pg_type) and takes_cells(wider, column.pg_type):
        return _grown(column, present, wider, rules, blocks=False, changeable=changeable)
    why = f"it is {present.pg_type}, and the events' is {column.pg_type}: cells are read back and compared as they are"
    return Breaking(Kind.TYPE, column.name, present.pg_type, column.pg_type, why, blocks=column.key)


def is_written(column: Wanted, present: Present, rules: Rules) -> bool:
    """Whether values of the events' type can be written to the column as it is, one by one."""
    if rules.cells:
        return (is_same if column.key else takes_cells)(present.pg_type, column.pg_type)
    cast = find_cast(column.pg_type, present.pg_type)
    return cast is not None and (cast.exact or rules.coerce)


def _grown(
    column: Wanted, present: Present, wider: str, rules: Rules, *, blocks: bool, changeable: bool
) -> Widening | Breaking:
    found = Widening(column.name, present.pg_type, wider, rewrites(present.pg_type, wider))
    needs = f"it is {found.old}, needs {found.new}, and"
    if not rules.widen or not changeable:
        return Breaking(Kind.REFUSED, column.name, found.old, found.new, f"{needs} may not be changed", blocks)
    if found.rewrites and not rules.rewrite:
        why = f"{needs} the table is too large to be rewritten unasked"
        return Breaking(Kind.REWRITE, column.name, found.old, found.new, why, blocks)
    return found


def _rules_of_the_table(wanted: Sequence[Wanted], table: TableState, gone: Collection[str]) -> list[Breaking]:
    found = []
    names = {column.name for column in wanted}
    key = [column.name for column in wanted if column.key]
    if key and frozenset(key) not in table.keys:
        why = f"it has no unique index on exactly ({', '.join(sorted(key))}), the key of the events"
        old = ", ".join(sorted(next(iter(table.keys), ())))
        found.append(Breaking(Kind.KEY, "", old, ", ".join(key), why, blocks=True))
    for column in table.columns.values():
        if column.required and column.name not in names and column.name not in gone:
            why = "it is NOT NULL without default, and the events do not have it"
            found.append(Breaking(Kind.NOT_NULL, column.name, column.pg_type, "", why, blocks=True))
    return found


def _dropped(name: str, present: Present, adds: Sequence[Wanted]) -> Breaking:
    alike = [column.name for column in adds if contains(column.pg_type, present.pg_type)]
    why = "the source no longer sends it" + (f"; it may be {alike[0]} now" if len(alike) == 1 else "")
    return Breaking(Kind.DROPPED, name, present.pg_type, "", why, blocks=present.required)
