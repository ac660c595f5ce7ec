"""Connectors read a rotated password when they are started again. Real ones do so in tests/integration/test_connect.py."""

import json
from typing import Any

import httpx
import pytest

from components.vault.rotation import Rotated, rotated
from operations import source_restarts
from operations.connect.cluster import ConnectError
from operations.live.vault import Vault, VaultAccess
from operations.source_restarts import is_held, restart
from tests.doubles.connect import FakeCluster, Source
from tests.strategies.examples import build, pipeline, shop

NAMES = ("more-source", "orders-source")
SPEC = build(
    shop(
        {
            "target": "docker",
            "tier": "development",
            "vault": {},
            "connect": {},
            "pipelines[0].source.mysql": {
                "host": "shop-db",
                "password": "vault:cdc-pipeline/trial/shop-db#password",
                "rotate": True,
                "tables": ["shop.orders"],
            },
            "pipelines[1]": {
                **pipeline("more"),
                "source": {
                    "mysql": {
                        "host": "shop-db",
                        "password": "vault:cdc-pipeline/trial/shop-db#password",
                        "rotate": True,
                        "tables": ["shop.more"],
                    }
                },
            },
            "pipelines[2]": pipeline("unrelated"),
        }
    )
)


class KeptVault:
    """One secret; of a real one only what is asked here."""

    def __init__(self) -> None:
        self.data: dict[str, str | None] = {"password": "b", "password-next": "c", "password-previous": "a"}
        self.version = 7
        self.client = Vault(VaultAccess("https://vault:8200", None, "t"), httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.method == "PATCH":
            body = json.loads(request.content)
            assert body["options"] == {"cas": self.version}
            self.data = {key: value for key, value in {**self.data, **body["data"]}.items() if value is not None}
            return httpx.Response(200, json={})
        answer = {"subkeys": dict.fromkeys(self.data), "metadata": {"version": self.version}}
        return httpx.Response(200, json={"data": answer})


def cluster(**more: Any) -> FakeCluster:
    made = FakeCluster("blue", {name: Source() for name in (*NAMES, "unrelated-source")}, **more)
    for name in made.sources:
        made.configs[name], made.lives[name] = {}, "running"
    return made


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_restarts, "STEADY_SECONDS", 0.0)
    monkeypatch.setattr(source_restarts, "_PAUSE_SECONDS", 0.0)


def the_item() -> Rotated:
    return next(item for item in rotated(SPEC) if item.sources)


def test_its_connectors_and_no_others_are_started_again_and_then_the_password_before_is_forgotten() -> None:
    vault, connect, said = KeptVault(), cluster(), list[str]()
    assert is_held(vault.client, the_item())
    restart(vault.client, connect, SPEC, "blue", [the_item()], 1, said.append)
    assert connect.restarted == list(NAMES)
    assert said == [f"{name}: started again" for name in NAMES]
    assert vault.data == {"password": "b", "password-next": "c"}
    assert not is_held(vault.client, the_item())


def test_one_that_does_not_run_again_leaves_the_others_as_they_are() -> None:
    vault, connect = KeptVault(), cluster(fails={"more-source"})
    with pytest.raises(ConnectError) as failed:
        restart(vault.client, connect, SPEC, "blue", [the_item()], 0, print)
    assert "more-source: does not run on blue" in str(failed.value)
    assert "it is broken here" in str(failed.value)
    assert "\n      → " in str(failed.value)
    assert connect.restarted == ["more-source"]
    assert is_held(vault.client, the_item())


def test_one_that_is_stopped_or_not_there_reads_it_when_it_is_started() -> None:
    vault, connect = KeptVault(), cluster()
    connect.lives["more-source"] = "stopped"
    connect.delete("orders-source")
    restart(vault.client, connect, SPEC, "blue", [the_item()], 1, print)
    assert connect.restarted == []
    assert not is_held(vault.client, the_item())
