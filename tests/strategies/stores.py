"""PostgreSQL and Redis, as far as the rest of an environment leaves them room."""

from typing import Any

from hypothesis import strategies as st

from tests.strategies.draw import Draw, Plain, one_of, some_of

PASSWORDS = one_of(["secret:stores#password", "vault:cdc-pipeline/trial/stores#password"])
VOLUMES = one_of(["10Gi", {"size": "1Ti", "class": "fast-ssd"}])


@st.composite
def databases(draw: Draw, target: str) -> Plain:
    """A server of our own, or an existing one."""
    if draw(st.booleans()):
        port = some_of(draw, {"port": st.integers(1, 65535), "shared": st.booleans()})
        return {"external": {"host": "db.example.org", **port}}
    optional: dict[str, st.SearchStrategy[Any]] = {
        "instances": st.integers(1, 5),
        "storage": VOLUMES,
        "wal": VOLUMES,
        "resources": one_of([{"memory": "1Gi"}, {"cpu": "250m", "cpuLimit": 3, "memory": "64Gi"}]),
        "maxConnections": st.integers(20, 5000),
        "parameters": one_of([{}, {"work_mem": "64MB", "jit": False, "random_page_cost": 1.1, "search_path": "it's \\ odd"}]),
        "sinkAuthentication": one_of(["password", "certificate"]),
        "adminPassword": PASSWORDS,
        "monitorPassword": PASSWORDS,
        "operatorNamespace": one_of(["cnpg-system", "databases"]),
    }
    found = some_of(draw, optional)
    if target == "docker" and found.get("sinkAuthentication") != "certificate" and draw(st.booleans()):
        found["tls"] = {"enabled": False}
    return found


@st.composite
def caches(draw: Draw) -> Plain:
    """One node alone, or several with an odd number of Sentinels."""
    alone = draw(st.booleans())
    found: Plain = (
        {"nodes": 1, "sentinels": 0} if alone else {"nodes": draw(st.integers(2, 5)), "sentinels": draw(one_of([1, 3, 5]))}
    )
    optional: dict[str, st.SearchStrategy[Any]] = {
        "storage": VOLUMES,
        "resources": one_of([{"memory": "64Mi"}, {"cpu": 2, "memory": "8Gi"}]),
        "snapshots": one_of(
            [[{"after": "1m", "changes": 1}], [{"after": "1h", "changes": 5}, {"after": "1s", "changes": 1_000_000}]]
        ),
        "failoverAfter": one_of(["500ms", "1m"]),
        "tls": one_of([{"enabled": False}, {"ca": "vault:cdc-pipeline/trial/redis#ca"}]),
    }
    return found | some_of(draw, optional)
