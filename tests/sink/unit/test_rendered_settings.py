"""The worker reads the settings that the platform renders for it."""

from pathlib import Path
from typing import Any

import pytest
from sink_worker.settings_file import load_settings

from components.platform import render
from components.sink.settings import SECRETS
from tests.strategies.examples import build, shop
from tests.unit.test_sink_component import VARIANTS, settings_of


@pytest.mark.parametrize("name", VARIANTS)
def test_the_worker_accepts_its_settings_and_finds_its_secrets(name: str, tmp_path: Path) -> None:
    """Each secret that is mounted is named, and each that is named is mounted."""
    environment = build(shop(VARIANTS[name]))
    [text] = settings_of(environment).values()
    folder = tmp_path / "secrets"
    folder.mkdir()
    deployment = next(m for m in render(environment).manifests if m.id == "Deployment/cdc/sink-orders")
    volume = next(v for v in deployment.body["spec"]["template"]["spec"]["volumes"] if v["name"] == "secrets")
    for source in volume["projected"]["sources"]:
        for item in source["secret"]["items"]:
            (folder / item["path"]).write_text("secret")
    file = tmp_path / "settings.json"
    file.write_text(text.replace(SECRETS, str(folder)))
    settings = load_settings(file)
    assert settings.kafka.topics == ["shop_orders_lines", "shop_orders_orders"]
    assert {str(path) for path in _paths(settings.model_dump())} == {str(path) for path in folder.iterdir()}


def _paths(value: Any) -> list[Path]:
    if isinstance(value, dict):
        return [path for inner in value.values() for path in _paths(inner)]
    return [value] if isinstance(value, Path) else []
