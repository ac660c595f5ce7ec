"""Small valid environments to start from, and how to change one thing in them."""

import copy
from pathlib import Path
from typing import Any

from components.core.errors import Problem, SpecError
from components.core.paths import parse_path
from components.environment import EnvironmentSpec
from components.loading import build_environment, parse_environment

ROOT = Path(__file__).parents[2]
STACKS = ("dev", "prod", "prod-dr")

_SHOP: dict[str, Any] = {
    "tier": "production",
    "target": "kubernetes",
    "kafka": {"brokers": 3, "users": [{"name": "admin"}]},
    "tenants": [{"name": "shop", "owner": "team-shop"}],
    "pipelines": [
        {
            "name": "orders",
            "tenant": "shop",
            "source": {
                "mysql": {"host": "shop-db", "password": "vault:shop-db#password", "tables": ["shop.orders", "shop.lines"]}
            },
            "sink": {"postgres": {"database": "warehouse"}},
        }
    ],
}


def shop(changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """One tenant with one pipeline on three brokers, with ``changes`` by path; a path ``x[1]`` may append to ``x``."""
    values = copy.deepcopy(_SHOP)
    for path, new in (changes or {}).items():
        *parents, last = parse_path(path)
        place: Any = values
        for step in parents:
            place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
        if isinstance(place, list) and last == len(place):
            place.append(new)
        else:
            place[last] = new
    return values


def pipeline(name: str, tables: tuple[str, ...] = ("db.t",), kind: str = "mysql", **more: Any) -> dict[str, Any]:
    """A pipeline of the tenant ``shop`` from a database of its own."""
    source = {kind: {"host": f"{name}-db", "password": "vault:a#b", "tables": list(tables)}}
    sink = {"postgres": {"database": "w", **({"password": "vault:w#p"} if kind == "cassandra" else {})}}
    return {"name": name, "tenant": "shop", "source": source, "sink": sink, **more}


def build(values: Any) -> EnvironmentSpec:
    """The spec of plain values, as the stack ``trial``."""
    return build_environment(values, "trial", "trial.yaml")


def problems_of(values: Any) -> list[Problem]:
    """Everything that is wrong with plain values; nothing when they are right."""
    try:
        build(values)
    except SpecError as error:
        return list(error.problems)
    return []


def problems_in(text: str) -> list[Problem]:
    """Everything that is wrong with a stack file's text; nothing when it is right."""
    try:
        parse_environment(text, "trial")
    except SpecError as error:
        return list(error.problems)
    return []


def messages(problems: list[Problem]) -> dict[str, str]:
    """Message and remedy by path."""
    return {problem.path: f"{problem.message}; {problem.remedy}" for problem in problems}
