"""What only an environment on one's own machine has, where the rest leaves room for it."""

from typing import Any

from hypothesis import strategies as st

from tests.strategies.draw import Draw, Plain, one_of, some_of

OWN = {"mariadb": ("mariadb", 3306), "mysql": ("mariadb", 3306), "cassandra": ("cassandra", 9042)}
"""By kind of source: the container, and its port."""
RESOURCES = one_of([{"memory": "2Gi"}, {"cpu": "250m", "memory": "4Gi"}])
PASSWORDS = one_of(["secret:development#password", "vault:cdc-pipeline/trial/development#password"])


def open_to_everybody(kafka: Plain) -> bool:
    """Whether ``cdc apply`` can be left to containers."""
    inside = [one for one in kafka.get("listeners", []) if one.get("type", "internal") == "internal"]
    nothing_asked = any(one.get("authentication") == "none" and one.get("tls") is False for one in inside)
    return nothing_asked and kafka.get("authorization", {}).get("type") == "none"


def read_here(pipelines: list[Plain], kinds: set[str]) -> list[Plain]:
    """The first pipeline of each of these containers reads it; the others what they read before."""
    found, read = [], set()
    for pipeline in pipelines:
        [(kind, source)] = pipeline["source"].items()
        host, port = OWN[kind]
        if kind in kinds and host not in read:
            read.add(host)
            source = {**source, "host": host, "port": port}
        found.append({**pipeline, "source": {kind: source}})
    return found


def kinds_of(pipelines: list[Plain]) -> set[str]:
    """The kinds of sources that there are."""
    return {kind for pipeline in pipelines for kind in pipeline["source"]}


@st.composite
def developments(draw: Draw, kinds: set[str], kafka: Plain, own_vault: bool) -> Plain:
    """With the databases that pipelines of these kinds read, and perhaps a Vault where there is no other."""
    found: Plain = {} if open_to_everybody(kafka) and draw(st.booleans()) else {"apply": False}
    for container in sorted({OWN[kind][0] for kind in kinds}):
        optional: dict[str, st.SearchStrategy[Any]] = {
            "resources": RESOURCES,
            "demo": st.booleans(),
            "password": PASSWORDS,
            "hostPort": st.just(14_306 if container == "mariadb" else 14_042),
        }
        found[container] = some_of(draw, optional)
    if not own_vault and draw(st.booleans()):
        found["vault"] = some_of(draw, {"token": PASSWORDS})
    return found
