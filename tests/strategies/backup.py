"""Backups, as far as the rest of an environment leaves them room."""

from typing import Any

from hypothesis import strategies as st

from tests.strategies import registry
from tests.strategies.draw import Draw, Plain, one_of, some_of

USER = "backup"


def fits(kafka: Plain, topics: list[str], users: list[str]) -> bool:
    """Whether its user can connect, and nobody has that name."""
    declared = {str(user["name"]) for user in kafka.get("users", [])}
    return registry.fits(kafka, topics, users) and USER not in declared | set(users)


@st.composite
def backups(draw: Draw, target: str, pipelines: list[str]) -> Plain:
    """Of some pipelines, all, or none."""
    optional: dict[str, st.SearchStrategy[Any]] = {
        "data": one_of([{}, {"pipelines": ["*"]}, {"pipelines": pipelines}]),
        "directory": one_of(["/backups", "/srv/b_1"]),
        "key": one_of(["secret:backup#key", "vault:cdc-pipeline/trial/backup#key"]),
        "schedule": one_of([{"daily": None}, {"weekly": "*/5 0-6 1,15 * 6"}, {}]),
        "keep": one_of([{"daily": 1, "weekly": 1000}, {}]),
        "atMost": one_of(["1h", "2d"]),
    }
    found = some_of(draw, optional)
    bucket: Plain = {
        "s3": {"bucket": "b-1", "endpoint": "https://s3.example:9000", "credentials": "vault:b#keys", "ca": "secret:b#ca"}
    }
    if target == "docker":
        return {**found, **draw(one_of([{}, bucket]))}
    where: Plain = draw(
        one_of(
            [
                bucket,
                {"s3": {"bucket": "b-1", "prefix": "a/b", "credentials": "secret:b#k"}},
                {"claim": "elsewhere"},
                {"storage": "1Ti"},
                {"storage": {"size": "1Gi", "class": "slow"}},
            ]
        )
    )
    return {**found, "image": "acme/cdc:1", **where}
