"""The Kafka part of an environment: nodes, listeners, security, limits, topics and users."""

from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.strategies import names, quantities
from tests.strategies.cluster import Cluster
from tests.strategies.draw import Draw, Plain, one_of, some_of
from tests.strategies.pipelines import ACCESS, CLEANUPS, SECRETS
from tests.strategies.tenancy import QUOTAS

BROKER_SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "num.io.threads": st.integers(1, 64),
        "log.cleaner.backoff.ms": one_of([15000, "15000"]),
        "group.coordinator.rebalance.protocols": st.just("classic,consumer"),
        "unclean.leader.election.enable": st.booleans(),
        "controller.quorum.fetch.timeout.ms": st.just(2000),
        "replica.selector.class": one_of(["off", "1_000", "2026-01-01", "0b1", "=", "ü"]),
        "log.cleaner.min.cleanable.ratio": st.floats(0, 1),
    },
)
TOPIC_SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "compression.type": one_of(["zstd", "producer"]),
        "delete.retention.ms": st.integers(0, 1 << 62),
        "min.cleanable.dirty.ratio": st.floats(0, 1) | st.integers(0, 1),
        "preallocate": st.booleans(),
        "message.timestamp.type": one_of(["CreateTime", "LogAppendTime"]),
    },
)

OPERATIONS = (
    *("All", "Read", "Write", "Create", "Delete", "Alter", "Describe"),
    *("ClusterAction", "AlterConfigs", "DescribeConfigs", "IdempotentWrite"),
)
CONTROLLERS = st.integers(0, 5)


@st.composite
def clusters(draw: Draw, cluster: Cluster, tenants: tuple[str, ...], topics: list[str], users: list[str]) -> Plain:
    """A cluster beside whose own topics and users there are those that pipelines derive."""
    own_users = [user for user in draw(st.lists(_users(tenants), max_size=2)) if user["name"] not in users]
    found: Plain = {"brokers": draw(_pools(_exactly(cluster.brokers), required=True))}
    found |= some_of(draw, _always(cluster))
    if draw(st.booleans()):
        found["topicDefaults"] = draw(_topic_defaults(cluster))
    elif cluster.default_replicas != min(3, cluster.brokers):
        found["topicDefaults"] = {"replicas": cluster.default_replicas}
    if cluster.tiered:
        found["tiered"] = draw(_tiered(cluster))
    own_topics = draw(st.lists(_topics(cluster, tenants), max_size=2))
    looks = {names.look(topic) for topic in topics}
    found["topics"] = [
        topic for topic in names.first_of_each(own_topics, lambda topic: names.look(topic["name"])) if _is_free(topic, looks)
    ]
    found["users"] = names.first_of_each(own_users, lambda user: str(user["name"]))
    found["authorization"] = draw(_authorization([user["name"] for user in found["users"]]))
    asks_for_certificates = any(entry.get("authentication") == "tls" for entry in found.get("listeners", ()))
    if cluster.target == "docker" and found["authorization"].get("type") == "none" and not asks_for_certificates:
        found["tls"] = found.get("tls", {}) | some_of(draw, {"internal": st.booleans()})
    return {key: value for key, value in found.items() if value or draw(st.booleans())}


def _is_free(topic: Plain, looks: set[str]) -> bool:
    return names.look(topic["name"]) not in looks


@cache
def _always(cluster: Cluster) -> dict[str, st.SearchStrategy[Any]]:
    """What depends on no more than the target."""
    listed = {
        "name": names.labels(35, first=names.LOWER),
        "version": one_of(["4.3.0", "4.3.1", "4.4.0"]),
        "metadataVersion": one_of(["4.2", "4.3-IV0"]),
        "image": one_of(["registry.example.org/kafka:1", "kafka@sha256:" + "0" * 64]),
        "controllers": _pools(CONTROLLERS),
        "racks": _racks(),
        "listeners": _listeners(cluster),
        "tls": _tls(),
        "quotas": _cluster_quotas(),
        "autoCreateTopics": st.booleans(),
        "config": BROKER_SETTINGS,
    }
    if cluster.target == "kubernetes":
        listed["cruiseControl"] = _cruise_control()
    return listed


@cache
def _exactly(number: int) -> st.SearchStrategy[int]:
    return st.just(number)


@cache
@st.composite
def _pools(draw: Draw, replicas: st.SearchStrategy[int], required: bool = False) -> Any:
    """Nodes of one role; the bare number where that is all there is to say."""
    count = draw(replicas)
    if draw(st.booleans()):
        return count
    pool: Plain = {"replicas": count} if required or draw(st.booleans()) else {}
    mebibytes = draw(st.integers(128, 65536))
    heap = draw(st.integers(64, mebibytes // 2))
    pool |= some_of(draw, {"storage": _storage()})
    if draw(st.booleans()):
        pool["resources"] = draw(_resources()) | {"memory": f"{mebibytes}Mi"}
        written = one_of([f"{heap}MiB", {"heap": f"{heap}Mi", "options": {"MaxGCPauseMillis": "20"}}])
        pool |= some_of(draw, {"jvm": written})
    return pool


@cache
@st.composite
def _resources(draw: Draw) -> Plain:
    millicores = draw(st.integers(1, 64)) * draw(one_of([1, 100, 1000]))
    more = millicores * draw(st.integers(1, 4))
    return some_of(draw, {"memory": quantities.SIZES}) | draw(
        one_of([{}, {"cpu": draw(quantities.cpus(millicores)), "cpuLimit": draw(quantities.cpus(more))}])
    )


@cache
def _storage() -> st.SearchStrategy[Any]:
    optional = {
        "size": quantities.SIZES,
        "volumes": st.integers(1, 4),
        "class": one_of(["fast-ssd", "a.b.c", "0"]),
        "type": one_of(["persistent", "ephemeral"]),
        "keep": st.booleans(),
    }
    return quantities.SIZES | st.fixed_dictionaries({}, optional=optional)


@cache
def _racks() -> st.SearchStrategy[Any]:
    keys = one_of(["topology.kubernetes.io/zone", "rack", "example.org/Rack_1"])
    optional = {"topologyKey": keys, "names": st.lists(names.labels(), max_size=3), "maxSkew": st.integers(1, 3)}
    return keys | st.fixed_dictionaries({}, optional=optional)


@cache
@st.composite
def _listeners(draw: Draw, cluster: Cluster) -> list[Plain]:
    found: list[Plain] = []
    types = ["internal", *(["host"] if cluster.target == "docker" else ["loadbalancer", "nodeport"])]
    for name in draw(st.lists(st.text(names.ALPHANUMERIC, min_size=1, max_size=11), min_size=1, max_size=3, unique=True)):
        entry: Plain = {"name": name, "port": draw(one_of([9092, 10_000, 65_000])) + 100 * len(found)}
        entry |= some_of(draw, {"type": one_of(types), "authentication": one_of(["scram-sha-512", "tls", "none"])})
        if entry.get("authentication") != "tls":
            entry |= some_of(draw, {"tls": st.booleans()})
        found.append(entry)
    return found


@cache
def _tls() -> st.SearchStrategy[Plain]:
    lifetimes = one_of([{}, {"validity": "365d"}, {"validity": "400d", "renewBefore": "90d"}, {"renewBefore": "52w"}])
    protocols = one_of([{}, {"protocols": ["TLSv1.2"]}, {"protocols": ["TLSv1.3", "TLSv1.2"]}])
    return st.builds(lambda one, other: {**one, **other}, lifetimes, protocols)


def _authorization(users: list[str]) -> st.SearchStrategy[Plain]:
    optional = {"type": one_of(["simple", "none"]), "superUsers": st.lists(st.sampled_from(users or [""]), max_size=len(users))}
    return st.fixed_dictionaries({}, optional=optional)


@cache
def _tiered(cluster: Cluster) -> st.SearchStrategy[Plain]:
    optional = {
        "store": one_of(["s3", "local"] if cluster.target == "docker" else ["s3"]),
        "region": one_of(["eu-central-1", "x"]),
        "endpoint": one_of(["https://minio", "http://minio.storage:9000", "https://s3.example.org:8443/"]),
        "credentials": SECRETS,
        "hot": quantities.DURATIONS,
        "className": st.just("org.example.Manager"),
        "classPath": st.just("/opt/*"),
        "config": one_of([{}, {"chunk.size": 1024, "fetch.enabled": True}]),
    }
    return st.fixed_dictionaries({"bucket": one_of(["tiered", "prod-tiered"])}, optional=optional)


@cache
def _cluster_quotas() -> st.SearchStrategy[Plain]:
    connections = {"connectionRate": st.builds("{}/s".format, st.integers(1, 1000)), "connections": st.integers(1, 1 << 31 - 1)}
    return st.fixed_dictionaries({}, optional=connections)


@cache
def _cruise_control() -> st.SearchStrategy[Plain]:
    return st.fixed_dictionaries({}, optional={"autoRebalance": st.booleans(), "resources": _resources()})


@cache
@st.composite
def _topic_defaults(draw: Draw, cluster: Cluster) -> Plain:
    optional = {
        "partitions": one_of([1, 100_000]),
        "minInSyncReplicas": st.integers(1, cluster.in_sync(None)),
        "retention": quantities.RETENTIONS,
        "dlqRetention": quantities.RETENTIONS,
        "segment": quantities.SEGMENTS,
        "compression": one_of(["lz4", "zstd", "producer", "uncompressed"]),
        "maxMessage": quantities.MESSAGES,
    }
    return {"replicas": cluster.default_replicas} | some_of(draw, optional)


@cache
@st.composite
def _topics(draw: Draw, cluster: Cluster, tenants: tuple[str, ...]) -> Plain:
    topic: Plain = {"name": draw(names.topic_names())}
    topic |= some_of(draw, {"replicas": st.integers(1, cluster.brokers), "cleanup": CLEANUPS})
    optional: dict[str, st.SearchStrategy[Any]] = {
        "owner": names.OWNERS,
        "partitions": one_of([1, 100_000]),
        "minInSyncReplicas": st.integers(1, cluster.in_sync(topic.get("replicas"))),
        "retention": quantities.RETENTIONS,
        "retentionSize": quantities.SIZES,
        "segment": quantities.SEGMENTS,
        "maxMessage": quantities.MESSAGES,
        "tiered": st.just(False) if not cluster.tiered or topic.get("cleanup", "delete") != "delete" else st.booleans(),
        "config": TOPIC_SETTINGS,
    }
    if tenants:
        optional["tenant"] = st.sampled_from(tenants)
    return topic | some_of(draw, optional)


@cache
@st.composite
def _users(draw: Draw, tenants: tuple[str, ...]) -> Plain:
    user: Plain = {"name": draw(names.labels(63 if draw(st.booleans()) else 6))}
    access = draw(ACCESS)
    optional: dict[str, st.SearchStrategy[Any]] = {
        "owner": names.OWNERS,
        "quota": QUOTAS,
        "groups": st.lists(one_of(["*", "my group", "g*"]), max_size=2),
        "acls": st.lists(_acls(), max_size=2),
        "produces": st.just(access.get("writes", [])),
        "consumes": st.just(access.get("reads", [])),
        "authentication": one_of(["scram-sha-512", "tls"]),
    }
    if tenants:
        optional["tenant"] = st.sampled_from(tenants)
    user |= some_of(draw, optional)
    return user if user.get("authentication") == "tls" else user | some_of(draw, {"password": SECRETS})


@cache
def _acls() -> st.SearchStrategy[Plain]:
    optional = {"pattern": one_of(["literal", "prefix"]), "host": one_of(["*", "10.0.0.1"])}
    operations = st.lists(one_of(OPERATIONS), min_size=1, max_size=2)
    resources = one_of(["topic", "group", "transactionalId"])
    named = st.fixed_dictionaries(
        {"resource": resources, "name": one_of(["*", "x", "t-é"]), "operations": operations}, optional=optional
    )
    return named | st.fixed_dictionaries({"resource": st.just("cluster"), "operations": operations}, optional=optional)
