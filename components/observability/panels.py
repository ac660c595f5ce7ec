"""Grafana's dashboards as plain values: the few kinds of panel that are used, by Grafana's own schema (version 41). Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

SCHEMA = 41
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_ROW_WIDTH = 24
_HEIGHTS = {"row": 1, "stat": 4}
_HEIGHT = 8

Queries = Sequence[tuple[str, str]]
"""PromQL, each with the legend of its series."""

Kind = Literal["timeseries", "stat", "heatmap", "state-timeline", "row"]


@dataclass(frozen=True, slots=True)
class Panel:
    """``unit`` is one of Grafana's; ``names`` say what values mean, where they are states."""

    title: str
    queries: Queries = ()
    unit: str = "short"
    kind: Kind = "timeseries"
    width: int = 8
    text: str = ""
    names: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top: values of ``label`` of ``metric``, all of them at first."""

    name: str
    metric: str
    label: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """``uid`` is its address, and must never change."""

    uid: str
    title: str
    text: str
    variables: tuple[Variable, ...]
    panels: tuple[Panel, ...]

    def json(self) -> str:
        """Its file, as Grafana imports and provisions it."""
        return json.dumps(self.body(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    def body(self) -> dict[str, Any]:
        """As Grafana's API takes it."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.text,
            "tags": ["cdc-platform"],
            "editable": False,
            "refresh": "30s",
            "schemaVersion": SCHEMA,
            "time": {"from": "now-3h", "to": "now"},
            "templating": {"list": [_datasource(), *map(_variable, self.variables)]},
            "panels": _placed(self.panels),
        }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "label": "Prometheus", "query": "prometheus"}


def _variable(variable: Variable) -> dict[str, Any]:
    query = f"label_values({variable.metric}, {variable.label})"
    return {
        "name": variable.name,
        "type": "query",
        "label": variable.name.capitalize(),
        "datasource": DATASOURCE,
        "query": {"qryType": 1, "query": query, "refId": "variable"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _placed(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """From left to right, in rows as high as the highest of them."""
    placed: list[dict[str, Any]] = []
    x = y = highest = 0
    for number, panel in enumerate(panels, start=1):
        width = _ROW_WIDTH if panel.kind == "row" else panel.width
        height = _HEIGHTS.get(panel.kind, _HEIGHT)
        if x + width > _ROW_WIDTH:
            x, y, highest = 0, y + highest, 0
        placed.append(_panel(panel, number, {"x": x, "y": y, "w": width, "h": height}))
        x, highest = x + width, max(highest, height)
    return placed


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    if panel.kind == "row":
        return {"id": number, "type": "row", "title": panel.title, "collapsed": False, "gridPos": place, "panels": []}
    body: dict[str, Any] = {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": DATASOURCE,
        "gridPos": place,
        "targets": [_target(panel, index, *query) for index, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": {"unit": panel.unit, **_mappings(panel.names)}, "overrides": []},
    }
    if panel.kind == "timeseries":
        body["options"] = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}}
        body["options"]["tooltip"] = {"mode": "multi", "sort": "desc"}
    elif panel.kind == "stat":
        body["options"] = {"reduceOptions": {"calcs": ["lastNotNull"], "values": False, "fields": ""}}
    elif panel.kind == "heatmap":
        body["options"] = {"calculate": False, "yAxis": {"unit": panel.unit}}
    return body


def _mappings(names: Mapping[int, str]) -> dict[str, Any]:
    if not names:
        return {}
    options = {str(value): {"text": name, "index": index} for index, (value, name) in enumerate(names.items())}
    return {"mappings": [{"type": "value", "options": options}]}


def _target(panel: Panel, index: int, expr: str, legend: str) -> dict[str, Any]:
    body: dict[str, Any] = {"refId": chr(ord("A") + index), "datasource": DATASOURCE, "expr": expr, "legendFormat": legend}
    return {**body, "format": "heatmap"} if panel.kind == "heatmap" else body
