"""Environments that are observed, for the tests of rules, dashboards and metrics."""

from functools import cache
from pathlib import Path
from typing import Any

from components.environment import EnvironmentSpec
from components.loading import build_environment, load_environment
from tests.strategies.examples import ROOT

RUNBOOKS = ROOT / "docs" / "runbooks"


@cache
def observed(stack: str) -> EnvironmentSpec:
    """``prod`` and ``prod-dr`` with all that can be observed, and ``docker``: a registry without HAProxy, pipelines ``orders``
    (50,000 records behind are well) and ``returns`` (whatever is said of all), stores and backups of its own."""
    if stack == "docker":
        return build_environment(_docker(), stack, stack)
    values = load_environment(Path(ROOT), stack).published()
    values["observability"] = {"runbooks": "https://git.example/runbooks"}
    if stack == "prod":
        values["tracing"] = {}
    return build_environment(values, stack, stack)


def _docker() -> dict[str, Any]:
    password = "secret:shop#password"
    pipelines: list[dict[str, Any]] = [
        {
            "name": name,
            "tenant": "shop",
            "source": {"mariadb": {"host": "mariadb", "password": password, "tables": [f"shop.{name}"]}},
            "sink": {"postgres": {"host": "postgres", "database": "shop", "password": password}},
        }
        for name in ("orders", "returns")
    ]
    pipelines[0]["alerts"] = {"lag": 50_000}
    return {
        "tier": "development",
        "target": "docker",
        "kafka": {
            "controllers": 0,
            "brokers": 1,
            "listeners": [{"name": "plain", "port": 9092, "tls": False, "authentication": "none"}],
            "tls": {"internal": False},
            "authorization": {"type": "none"},
        },
        "schemaRegistry": {"distribution": "apicurio", "replicas": 1},
        "connect": {"replicas": 1, "converter": "apicurio"},
        "sink": {"image": "acme/sink-worker:1", "postgresTls": "disable", "replicas": 1},
        "postgres": {"tls": {"enabled": False}},
        "redis": {"tls": {"enabled": False}},
        "backup": {},
        "tenants": [{"name": "shop", "owner": "team-shop"}],
        "pipelines": pipelines,
        "observability": {},
    }
