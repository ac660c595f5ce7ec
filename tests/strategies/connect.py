"""Kafka Connect, where the rest of an environment leaves room for it."""

from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.strategies import names
from tests.strategies.draw import Draw, Plain, one_of, some_of
from tests.strategies.pipelines import DEFAULT_NAMING

COLOURS = ("blue", "green")
USERS = ("connect-blue", "connect-green")
RESOURCES = one_of([{"memory": "1Gi"}, {"cpu": "250m", "cpuLimit": 3, "memory": "4Gi"}])
PLUGINS = [{"name": "my-sql_1", "artifacts": ["io.debezium:debezium-connector-mysql:3.5.0.Final", "a:b:1"]}]


def own_topics(kafka: Plain, pipelines: list[Plain], naming: Plain) -> list[str]:
    """The topics that are there because of Connect."""
    cluster = kafka.get("name", "cdc")
    found = [f"{cluster}-connect-{colour}-{kind}" for colour in COLOURS for kind in ("configs", "offsets", "status")]
    internal = (DEFAULT_NAMING | naming)["internal"]
    for pipeline in pipelines:
        words = {"tenant": pipeline["tenant"], "pipeline": pipeline["name"]}
        words["application"] = pipeline.get("application", pipeline["name"])
        found += [f"{internal.format(**words)}_offsets_{colour}" for colour in COLOURS]
    return found


def fits(kafka: Plain, pipelines: list[Plain], topics: list[str], users: list[str], naming: Plain) -> bool:
    """Whether Connect can reach Kafka, has a connector to run from the first pipeline on, and its names are its own."""
    listeners = kafka.get("listeners", [{}])
    reachable = any(
        entry.get("type", "internal") == "internal" and entry.get("authentication", "scram-sha-512") != "tls"
        for entry in listeners
    )
    own = [names.look(topic) for topic in own_topics(kafka, pipelines, naming)]
    taken = {names.look(topic) for topic in (*topics, *(str(topic["name"]) for topic in kafka.get("topics", [])))}
    own_users = {str(user["name"]) for user in kafka.get("users", [])} | set(users)
    relational = not pipelines or "cassandra" not in pipelines[0]["source"]
    return reachable and relational and not taken & set(own) and len(set(own)) == len(own) and not own_users & set(USERS)


@cache
@st.composite
def connects(draw: Draw, target: str) -> Plain:
    """Both colours. Where published ports could be those of a broker, none of them is."""
    optional: dict[str, st.SearchStrategy[Any]] = {
        "active": one_of(COLOURS),
        "replicas": st.integers(1, 4),
        "standbyReplicas": st.integers(1, 3),
        "resources": RESOURCES,
        "jvm": one_of(["512Mi", {"heap": "256Mi", "options": {"UseZGC": "true"}}]),
        "converter": one_of(["confluent", "json"]),
        "lineage": one_of(["header", "field", "both", "none"]),
        "maxRestarts": st.integers(0, 1000),
        "config": one_of([{}, {"offset.flush.interval.ms": 1000, "plugin.discovery": "hybrid_warn"}]),
    }
    if target == "docker":
        return {"hostPort": 1024} | some_of(draw, optional | {"image": st.just("acme/connect:1")})
    optional["autoscaling"] = one_of([{}, 5, {"least": 1, "most": 2, "cpu": 50}])
    images: list[Plain] = [{"image": "acme/connect:1"}, {"build": {"image": "x:1", "plugins": PLUGINS}}]
    found = draw(one_of(images))
    return found | some_of(draw, optional)
