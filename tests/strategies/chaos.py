"""Experiments, as far as an environment survives them."""

from typing import Any

from hypothesis import strategies as st

from tests.strategies.cluster import Cluster
from tests.strategies.draw import Draw, Plain, one_of, some_of

BROKER_KINDS = ("broker-kill", "broker-partition", "broker-latency", "broker-cpu", "broker-memory")
OWN: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "broker-latency": {"latency": one_of(["50ms", "2s"])},
    "broker-cpu": {"load": one_of(["10%", "100%"])},
    "broker-memory": {"load": one_of(["10%", "100%"])},
}
WINDOW = {"days": ["mon", "tue"], "opens": "01:00", "closes": "23:59", "owner": "team-platform"}


def fitting(parts: Plain, cluster: Cluster) -> list[str]:
    """The kinds that prove something in the environment of ``parts``."""
    found: list[str] = []
    if cluster.target == "kubernetes":
        if cluster.brokers >= 3 and cluster.default_replicas >= 2:
            found += BROKER_KINDS
        if parts.get("schemaRegistry", {}).get("replicas", 1) > 1:
            found.append("registry-failure")
    return found


@st.composite
def experiments(draw: Draw, kinds: list[str]) -> Plain:
    """Some of ``kinds``, an hour apart, inside the window that production needs."""
    chosen = draw(st.lists(one_of(kinds), min_size=1, max_size=4))
    found = [_experiment(draw, kind, number) for number, kind in enumerate(chosen)]
    return {"experiments": found, "window": WINDOW}


def _experiment(draw: Draw, kind: str, number: int) -> Plain:
    optional = dict(OWN.get(kind, {}))
    if not kind.endswith("-kill"):
        optional["duration"] = one_of(["1s", "90s", "30m"])
    days = draw(one_of(["1", "2", "mon", "mon,tue", "1-2"]))
    return {"kind": kind, "name": f"e{number}", "schedule": f"5 {2 + number} * * {days}"} | some_of(draw, optional)
