"""Grafana's own schema judges the dashboards: its typed library reads them, and gives back all that was written."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard as Schema

from components.core import versions
from components.observability.dashboards import DASHBOARDS
from components.observability.panels import Dashboard

register_default_plugins()


def read_back(body: dict[str, Any]) -> Any:
    """What Grafana's library understands of a dashboard; what it does not know is lost."""
    return json.loads(json.dumps(Schema.from_json(copy.deepcopy(body)), cls=JSONEncoder))


def lost(written: Any, understood: Any, path: str = "") -> Iterator[str]:
    if isinstance(written, dict) and isinstance(understood, dict):
        for key, value in written.items():
            yield from lost(value, understood[key], f"{path}.{key}") if key in understood else [f"{path}.{key}"]
    elif isinstance(written, list) and isinstance(understood, list) and len(written) == len(understood):
        for place, (one, other) in enumerate(zip(written, understood, strict=True)):
            yield from lost(one, other, f"{path}[{place}]")
    elif written != understood:
        yield path


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_grafana_knows_every_field_of_a_dashboard(dashboard: Dashboard) -> None:
    assert list(lost(dashboard.body(), read_back(dashboard.body()))) == []


def test_a_misspelt_field_is_found() -> None:
    body = DASHBOARDS[0].body()
    body["panels"][0]["fieldConfig"]["defaults"]["unitt"] = "s"
    body["panels"][0]["options"]["reduceOptons"] = {}
    assert set(lost(body, read_back(body))) == {".panels[0].fieldConfig.defaults.unitt", ".panels[0].options.reduceOptons"}


def test_the_schema_is_that_of_the_grafana_that_is_deployed() -> None:
    assert versions.GRAFANA_IMAGE.partition(":")[2].startswith("11.6.")
