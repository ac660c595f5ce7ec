"""The sink workers with the programs beside them, and agents for Cassandra."""

from typing import Any

from hypothesis import strategies as st

from tests.strategies import names
from tests.strategies.draw import Draw, Plain, one_of, some_of
from tests.strategies.pipelines import DEFAULT_NAMING

PASSWORDS = one_of(["secret:warehouse#password", "vault:cdc-pipeline/trial/warehouse#password"])
RESOURCES = one_of([{"memory": "300Mi"}, {"cpu": "250m", "cpuLimit": 3, "memory": "4Gi"}])
CLIENTS = one_of([{}, {"CN=alice": "operator"}, {"O=shop,CN=root": "admin", "CN=équipe": "viewer"}])
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "batchRows": st.integers(500, 1_000_000),
        "batchBytes": one_of(["1Mi", "64MiB"]),
        "onMismatch": one_of(["halt", "reject", "coerce"]),
        "createTables": st.booleans(),
        "evolveTables": st.booleans(),
        "geometry": one_of(["bytea", "postgis"]),
    },
)
DEAD_LETTERS = st.fixed_dictionaries(
    {},
    optional={
        "attempts": st.integers(1, 1000),
        "firstWait": one_of(["1s", "1h"]),
        "retention": one_of(["1d", "365d"]),
        "transient": one_of([[], ["*:23514", "NotNull"]]),
        "resources": RESOURCES,
    },
)
BUILT, AGENT_BUILT = {"build": "sink_worker"}, {"build": "components/cassandra_agent/image"}


def audit_topics(pipelines: list[Plain], naming: Plain) -> list[str]:
    """The topics that are there because of the workers."""
    pattern, found = (DEFAULT_NAMING | naming)["dlq"], []
    for pipeline in pipelines:
        if pipeline.get("schemaChanges", {}).get("audit"):
            words = {"tenant": pipeline["tenant"], "pipeline": pipeline["name"]}
            words["application"] = pipeline.get("application", pipeline["name"])
            dlq = pipeline.get("dlq", {}).get("name") or pattern.format(**words)
            found.append(f"{dlq}_schema_audit")
    return found


def fits(kafka: Plain, pipelines: list[Plain], topics: list[str], naming: Plain) -> bool:
    """Whether workers and agents can reach Kafka, and their topics' names are their own."""
    listeners = kafka.get("listeners", [{}])
    reachable = any(
        entry.get("type", "internal") == "internal" and entry.get("authentication", "scram-sha-512") != "tls"
        for entry in listeners
    )
    own = [names.look(topic) for topic in audit_topics(pipelines, naming)]
    taken = {names.look(topic) for topic in (*topics, *(str(topic["name"]) for topic in kafka.get("topics", [])))}
    return reachable and not taken & set(own) and len(set(own)) == len(own) and all(len(name) <= 249 for name in own)


@st.composite
def workers(draw: Draw, target: str) -> Plain:
    """With or without what may stand beside them."""
    image: list[Plain] = [{"image": "acme/sink-worker:1"}, *([BUILT] if target == "docker" else [])]
    optional: dict[str, st.SearchStrategy[Any]] = {
        "replicas": st.integers(1, 4),
        "processes": st.integers(1, 4),
        "writers": st.integers(1, 8),
        "resources": RESOURCES,
        "postgresTls": one_of(["verify-full", "disable"]),
        "maskingKey": one_of(["vault:cdc-pipeline/trial/masking#key"]),
        "settings": SETTINGS,
        "admin": _admins(target),
        "deadLetters": DEAD_LETTERS,
    }
    if target == "kubernetes":
        optional["autoscaling"] = one_of([{}, 5, {"least": 1, "most": 2, "cpu": 50}, {"lag": {"threshold": 1000}}])
    return draw(one_of(image)) | some_of(draw, optional)


@st.composite
def _admins(draw: Draw, target: str) -> Plain:
    """Whom it lets in is known by a certificate, a token, or both."""
    found: Plain = {"clients": draw(CLIENTS)}
    if not found["clients"] or draw(st.booleans()):
        found["tokens"] = "vault:cdc-pipeline/trial/sink-admin#tokens"
    optional: dict[str, st.SearchStrategy[Any]] = {"requestsPerMinute": st.integers(1, 100_000), "resources": RESOURCES}
    if target == "docker":
        optional["hostPort"] = st.integers(18_443, 18_500)
    return found | some_of(draw, optional)


def with_passwords(pipelines: list[Plain], password: str) -> list[Plain]:
    """Each with one for where its rows go."""
    return [
        {**one, "sink": {**one["sink"], "postgres": {**one["sink"]["postgres"], "password": password}}} for one in pipelines
    ]


def agents_fit(pipelines: list[Plain]) -> bool:
    """Whether there is something for agents to read."""
    return any("cassandra" in pipeline["source"] for pipeline in pipelines)


@st.composite
def agents(draw: Draw, target: str) -> Plain:
    """For every pipeline from Cassandra."""
    image: list[Plain] = [{"image": "acme/cassandra-agent:1"}, *([AGENT_BUILT] if target == "docker" else [])]
    optional: dict[str, st.SearchStrategy[Any]] = {
        "data": one_of(["/data", "/var/lib/cassandra"]),
        "volume": one_of(["node", "cassandra-data"]),
        "datacenter": one_of(["dc_1", "EU-West"]),
        "resources": one_of([{"memory": "1Gi"}, {"cpu": "250m", "memory": "8Gi"}]),
        "jvm": one_of(["512Mi", {"heap": "256Mi"}]),
        "config": one_of([{}, {"max.batch.size": 100}]),
    }
    return draw(one_of(image)) | some_of(draw, optional)
