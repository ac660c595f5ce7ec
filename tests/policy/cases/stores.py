"""PostgreSQL and Redis."""

from collections.abc import Callable
from typing import Any

from components.postgres.spec import PostgresTlsSpec
from components.redis.spec import RedisTlsSpec
from tests.policy import environments as env
from tests.policy.cases.making import Body, Case, at, manifests, spec

CLUSTER = "Cluster/cdc/postgres"


def in_file(file: str, old: str, new: str) -> Callable[[Body], None]:
    """Changes a file of a ConfigMap as text; it must hold ``old``."""

    def change(body: Body) -> None:
        assert old in body["data"][file], old
        body["data"][file] = body["data"][file].replace(old, new)

    return change


def redis(rule: str, what: str, path: str, file: str, old: str, new: str, name: str = "redis") -> Case:
    """A fault in what a node, or a Sentinel, is started with."""
    return manifests(rule, what, path, f"ConfigMap/cdc/{name}", in_file(file, old, new), "ConfigMap", name=name)


def access(what: str, change: Callable[[list[str]], Any]) -> Case:
    """A fault in ``pg_hba.conf``."""

    def changed(body: Body) -> None:
        change(body["spec"]["postgresql"]["pg_hba"])

    return manifests("postgres-access", what, "postgres", CLUSTER, changed, "Cluster")


POSTGRES = (
    spec("postgres-replicas", "one", "postgres.instances", {"postgres.instances": 1}),
    Case(
        "postgres-encryption",
        "none",
        lambda: env.with_parts(
            postgres=env.good().spec.postgres.model_copy(update={"tls": PostgresTlsSpec(enabled=False)})  # type: ignore[union-attr]
        ),
        "postgres.tls.enabled",
    ),
    access("nobody is refused", lambda lines: lines.pop()),
    access("trust", lambda lines: lines.insert(0, 'hostssl "warehouse" "bi" all trust')),
    access("plain text", lambda lines: lines.insert(0, 'host "warehouse" "bi" all scram-sha-256')),
    access("md5", lambda lines: lines.insert(0, 'hostssl "warehouse" "bi" all md5')),
    manifests("postgres-super-user", "enters", "postgres", CLUSTER, at("spec/enableSuperuserAccess", True), "Cluster"),
    manifests("postgres-super-user", "a role", "postgres", CLUSTER, at("spec/managed/roles/0/superuser", True), "Cluster"),
    spec(
        "postgres-super-user",
        "elsewhere",
        "pipelines[0].sink.postgres.user",
        {"pipelines[0].sink.postgres.host": "other", "pipelines[0].sink.postgres.user": "postgres", "postgres.readers": []},
    ),
    spec(
        "postgres-sink-role",
        "shared",
        "pipelines[2].sink.postgres.user",
        {"pipelines[2].sink.postgres.user": "shop-orders-sink"},
    ),
    spec("postgres-connections", "too few", "postgres.maxConnections", {"postgres.maxConnections": 60}),
    spec(
        "postgres-table",
        "two shops",
        "pipelines[2].sink.postgres.schema",
        {
            "pipelines[2].sink.postgres.schema": "shop",
            "pipelines[2].source.mariadb.tables": ["other.orders"],
            "postgres.readers": [],
        },
    ),
)

REDIS = (
    spec("redis-sentinels", "none", "redis.sentinels", {"redis": {"nodes": 1, "sentinels": 0}}),
    spec("redis-sentinels", "one", "redis.sentinels", {"redis.sentinels": 1}),
    spec("redis-sentinels", "two nodes", "redis.nodes", {"redis.nodes": 2}),
    Case(
        "redis-encryption",
        "none",
        lambda: env.with_parts(redis=env.good().spec.redis.model_copy(update={"tls": RedisTlsSpec(enabled=False)})),  # type: ignore[union-attr]
        "redis.tls.enabled",
    ),
    redis("redis-encryption", "both ways", "redis.tls", "redis.conf", "port 0\n", "port 6380\n"),
    redis("redis-encryption", "a Sentinel", "redis.tls", "sentinel.conf", "port 0\n", "port 26380\n", "redis-sentinel"),
    redis("redis-persistence", "no log", "redis", "redis.conf", "appendonly yes", "appendonly no"),
    redis("redis-persistence", "evicts", "redis", "redis.conf", "noeviction", "allkeys-lru"),
    redis("redis-persistence", "unbounded", "redis.maxMemory", "redis.conf", "maxmemory ", "#maxmemory "),
    redis("redis-persistence", "no snapshots", "redis.snapshots", "redis.conf", "save ", "#save "),
    redis("redis-users", "default is on", "redis", "start.sh", "user default off", "user default on nopass"),
    redis("redis-users", "all commands", "redis", "start.sh", "+psync", "+@all"),
    redis("redis-users", "all keys", "redis", "start.sh", "~schema:shop:orders", "~*"),
    redis("redis-users", "a Sentinel's", "redis", "start.sh", "+publish", "allcommands", "redis-sentinel"),
)

STORES = (*POSTGRES, *REDIS)
