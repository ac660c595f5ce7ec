"""Whether a JSON value is an Avro schema. Rules: Apache Avro 1.12 Specification, "Schema Declaration". Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Any

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FULL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_ORDERS = {"ascending", "descending", "ignore"}


class _Fault(Exception):
    """The first thing that is wrong; its text says where."""


def avro_fault(value: Any) -> str | None:
    """What keeps ``value`` from being a schema, with the place in it; ``None`` when nothing does. Defaults are left to the
    registry."""
    try:
        _schema(value, "", set(), "the schema")
    except _Fault as fault:
        return str(fault)
    except RecursionError:
        return "it is nested too deeply"
    return None


def _schema(value: Any, namespace: str, known: set[str], where: str) -> None:
    """``known`` are the full names declared so far, in the order in which the text is read."""
    if isinstance(value, str):
        _reference(value, namespace, known, where)
    elif isinstance(value, list):
        _union(value, namespace, known, where)
    elif isinstance(value, Mapping):
        kind = value.get("type")
        if kind is None:
            raise _Fault(f"{where} has no type")
        if isinstance(kind, str) and kind in _COMPLEX:
            _COMPLEX[kind](value, namespace, known, where)
        else:
            _schema(kind, namespace, known, where)
    else:
        raise _Fault(f"{where} is neither a name, an object nor a union")


def _reference(name: str, namespace: str, known: set[str], where: str) -> None:
    if name in PRIMITIVES:
        return
    if name in _COMPLEX:
        raise _Fault(f"{where}: {name} must be written as an object")
    if _full(name, namespace) not in known and name not in known:
        raise _Fault(f"{where}: {name[:60]} is no type, and nothing of that name is declared before it")


def _full(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _union(branches: list[Any], namespace: str, known: set[str], where: str) -> None:
    """No two branches of one kind, but for named types of different names; no union directly in another."""
    seen: set[str] = set()
    for index, branch in enumerate(branches):
        place = f"branch {index + 1} of the union in {where}"
        if isinstance(branch, list):
            raise _Fault(f"{place} is itself a union")
        _schema(branch, namespace, known, place)
        key = _branch_key(branch, namespace)
        if key in seen:
            raise _Fault(f"{place}: {key} is in it twice")
        seen.add(key)


def _branch_key(branch: Any, namespace: str) -> str:
    if isinstance(branch, str):
        return branch if branch in PRIMITIVES else _full(branch, namespace)
    if branch["type"] in {"record", "error", "enum", "fixed"}:
        return _full(branch["name"], branch.get("namespace", namespace))
    return branch["type"] if isinstance(branch["type"], str) else str(branch["type"])


def _declare(value: Mapping[str, Any], namespace: str, known: set[str], where: str) -> str:
    """Adds the type's name; gives the namespace that is in force inside it."""
    name = value.get("name")
    own = value.get("namespace", namespace)
    if not isinstance(name, str) or not _FULL_NAME.fullmatch(name):
        raise _Fault(f"{where} has no valid name")
    if not isinstance(own, str) or (own and not _FULL_NAME.fullmatch(own)):
        raise _Fault(f"{where} has no valid namespace")
    if name in PRIMITIVES:
        raise _Fault(f"{where}: {name} is the name of a primitive type")
    full = _full(name, own)
    if full in known:
        raise _Fault(f"{where}: {full} is declared twice")
    known.add(full)
    return full.rpartition(".")[0]


def _record(value: Mapping[str, Any], namespace: str, known: set[str], where: str) -> None:
    inner = _declare(value, namespace, known, where)
    fields = value.get("fields")
    if not isinstance(fields, list):
        raise _Fault(f"record {value['name']} has no fields")
    names: set[str] = set()
    for index, field in enumerate(fields):
        place = f"field {index + 1} of record {value['name']}"
        if not isinstance(field, Mapping):
            raise _Fault(f"{place} is not an object")
        name = field.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise _Fault(f"{place} has no valid name")
        if name in names:
            raise _Fault(f"{place}: {name} is there twice")
        names.add(name)
        if "type" not in field:
            raise _Fault(f"{place} has no type")
        if field.get("order", "ascending") not in _ORDERS:
            raise _Fault(f"{place} has an unknown order")
        _schema(field["type"], inner, known, f"field {name} of record {value['name']}")


def _enum(value: Mapping[str, Any], namespace: str, known: set[str], where: str) -> None:
    _declare(value, namespace, known, where)
    symbols = value.get("symbols")
    if not isinstance(symbols, list) or not all(isinstance(symbol, str) and _NAME.fullmatch(symbol) for symbol in symbols):
        raise _Fault(f"enum {value['name']} has no valid symbols")
    if len(set(symbols)) < len(symbols):
        raise _Fault(f"enum {value['name']} has a symbol twice")
    if "default" in value and value["default"] not in symbols:
        raise _Fault(f"enum {value['name']} has a default that is no symbol of it")


def _fixed(value: Mapping[str, Any], namespace: str, known: set[str], where: str) -> None:
    _declare(value, namespace, known, where)
    size = value.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise _Fault(f"fixed {value['name']} has no valid size")


def _array(value: Mapping[str, Any], namespace: str, known: set[str], where: str) -> None:
    if "items" not in value:
        raise _Fault(f"the array in {where} has no items")
    _schema(value["items"], namespace, known, f"the items of {where}")


def _map(value: Mapping[str, Any], namespace: str, known: set[str], where: str) -> None:
    if "values" not in value:
        raise _Fault(f"the map in {where} has no values")
    _schema(value["values"], namespace, known, f"the values of {where}")


_COMPLEX: Mapping[str, Callable[[Mapping[str, Any], str, set[str], str], None]] = {
    "record": _record,
    "error": _record,
    "enum": _enum,
    "fixed": _fixed,
    "array": _array,
    "map": _map,
}
