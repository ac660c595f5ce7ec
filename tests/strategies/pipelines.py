"""Pipelines, and the names that are derived from them, worked out a second time."""

from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.strategies import names, quantities
from tests.strategies.cluster import Cluster
from tests.strategies.draw import Draw, Plain, one_of, some_of
from tests.strategies.tenancy import QUOTAS

DEFAULT_NAMING = {
    "topic": "{tenant}_{application}_{entity}",
    "dlq": "{tenant}_{pipeline}_dlq",
    "internal": "{tenant}_{pipeline}",
}
NAMINGS: tuple[Plain, ...] = (
    {},
    {"topic": "cassandra.{database}.{table}"},
    {"topic": "{tenant}.{pipeline}.{database}.{table}", "dlq": "DLQ.{tenant}.{pipeline}", "internal": "connect-{pipeline}"},
    {"group": "{pipeline}"},
    {"topic": "{application}-{database}-{entity}-v1", "group": "sink.{tenant}.{pipeline}", "pattern": "."},
)
"""Naming conventions that keep the topics of different pipelines apart."""

SECRETS = one_of(["vault:cdc/prod/shop-db#password", "secret:shop-db#password", "vault:a#b", "secret:x.y_z/0#K-1"])
_STORES = one_of(["vault:cdc/prod/shop-db#store.p12", "secret:shop-db#truststore.p12", "secret:x.y_z/0#K-1.jks"])
TLS: st.SearchStrategy[Plain] = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"truststore": _STORES, "password": SECRETS}, optional={"keystore": _STORES}),
)
_MASKS = one_of(["hash", "tokenize", "redact", "partial", "clear", {"rule": "partial", "keep": 2}])
_COLUMNS = ["email", "phone no", "Ünïcode"]
CLEANUPS = one_of(["delete", "compact", "compact,delete"])
ACCESS = st.fixed_dictionaries(
    {},
    optional={
        "reads": st.lists(one_of(["*", "audit*", "a.b", "A_b"]), max_size=2),
        "writes": st.lists(one_of(["*", "audit*", "x"]), max_size=2),
    },
)
USERS = st.fixed_dictionaries({}, optional={"quota": QUOTAS, "access": ACCESS})
BEHAVIOURS = st.sampled_from(["audit", "queue", "log_and_skip", "stop"])


@st.composite
def pipelines(draw: Draw, cluster: Cluster, tenants: tuple[str, ...], naming: Plain) -> list[Plain]:
    """Up to three, none of whose derived names look like another's."""
    found: list[Plain] = []
    for number in range(draw(st.integers(0, 3)) if tenants else 0):
        pipeline = draw(_pipeline(cluster, tenants, number))
        looks = [names.look(topic) for topic in derived_topics([*found, pipeline], naming)]
        users = derived_users([*found, pipeline])
        if len(set(looks)) == len(looks) and len(set(users)) == len(users):
            found.append(pipeline)
    return found


@cache
def _personal(kind: str) -> st.SearchStrategy[Plain]:
    """Masks of columns. A point in the name of one of Cassandra's would say a part of it, which cannot be masked."""
    columns = one_of(_COLUMNS if kind == "cassandra" else [*_COLUMNS, "phone no."])
    return st.fixed_dictionaries({"columns": st.dictionaries(columns, _MASKS, max_size=2)})


@cache
@st.composite
def _pipeline(draw: Draw, cluster: Cluster, tenants: tuple[str, ...], number: int) -> Plain:
    kind = draw(one_of(["mysql", "mariadb", "cassandra"]))
    captured = draw(st.lists(names.tables(), min_size=1, max_size=3, unique=True))
    source: Plain = {"host": f"db-{number}", "password": draw(SECRETS), "tables": captured}
    source |= some_of(draw, {"port": st.integers(1, 65535), "user": one_of(["debezium", "ユーザー"]), "tls": TLS})
    pipeline: Plain = {
        "name": draw(names.labels(30 if draw(st.booleans()) else 6)),
        "tenant": draw(st.sampled_from(tenants)),
        "source": {kind: source},
        "sink": draw(_sinks(number)),
    }
    optional = {
        "application": names.labels(),
        "owner": names.OWNERS,
        "topic": _overrides(cluster),
        "tables": st.fixed_dictionaries({}, optional=dict.fromkeys(captured, _overrides(cluster))),
        "personalData": st.fixed_dictionaries({}, optional=dict.fromkeys(captured, _personal(kind))),
        "schemaChanges": st.fixed_dictionaries(
            {},
            optional={
                "breaking": BEHAVIOURS,
                "audit": st.booleans(),
                "tables": st.fixed_dictionaries({}, optional=dict.fromkeys(captured, BEHAVIOURS)),
            },
        ),
        "dlq": _overrides(cluster, f"Dead.{number}"),
        "sourceUser": USERS,
        "sinkUser": USERS,
    }
    return pipeline | some_of(draw, optional)


@cache
def _sinks(number: int) -> st.SearchStrategy[Plain]:
    postgres = st.fixed_dictionaries(
        {"database": one_of(["warehouse", "データ"])},
        optional={"host": st.just("pg"), "port": st.integers(1, 65535), "schema": one_of(["public", "x y"])},
    )
    optional = {"deletes": st.booleans(), "group": st.just(f"group {number}")}
    return st.fixed_dictionaries({"postgres": postgres}, optional=optional)


@cache
@st.composite
def _overrides(draw: Draw, cluster: Cluster, name: str | None = None) -> Plain:
    """Figures that hold whichever of the others is overridden elsewhere: no more in sync than one of two replicas."""
    optional: dict[str, st.SearchStrategy[Any]] = {
        "partitions": one_of([1, 3, 100_000]),
        "replicas": st.integers(min(2, cluster.brokers), cluster.brokers),
        "retention": quantities.RETENTIONS,
        "maxMessage": quantities.MESSAGES,
        "cleanup": CLEANUPS,
        "minInSyncReplicas": st.just(1),
    }
    if name is not None:
        optional["name"] = st.just(name)
    return some_of(draw, optional)


def captured_tables(pipeline: Plain) -> list[str]:
    """Of whatever kind of source."""
    [source] = pipeline["source"].values()
    return list(source["tables"])


def derived_topics(pipelines: list[Plain], naming: Plain) -> list[str]:
    """The names of every topic that pipelines derive."""
    patterns = DEFAULT_NAMING | naming
    found = []
    for pipeline in pipelines:
        words = {"tenant": pipeline["tenant"], "pipeline": pipeline["name"]}
        words["application"] = pipeline.get("application", pipeline["name"])
        for table in captured_tables(pipeline):
            database, _, name = table.partition(".")
            found.append(patterns["topic"].format(**words, database=database, table=name, entity=name))
        found.append(pipeline.get("dlq", {}).get("name") or patterns["dlq"].format(**words))
        if "cassandra" not in pipeline["source"]:
            internal = patterns["internal"].format(**words)
            found += [f"{internal}_{suffix}" for suffix in ("schema_history", "signals", "heartbeat")]
    return found


def derived_users(pipelines: list[Plain]) -> list[str]:
    """The names of both users of each pipeline, and of the pipelines themselves, so that all of them are unique."""
    pairs = [f"{pipeline['tenant']}-{pipeline['name']}" for pipeline in pipelines]
    users = [f"{pair}-{role}" for pair in pairs for role in ("source", "sink")]
    return [*users, *(pipeline["name"] for pipeline in pipelines)]
