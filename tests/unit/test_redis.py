"""Redis as it is rendered: who may touch which keys, and what keeps it."""

import json
from typing import Any

import pytest

from components.platform import render
from components.redis.derive import key_patterns, users
from tests.strategies.examples import build, messages, pipeline, problems_of, shop
from tests.unit.on_kubernetes import manifest, rendered, spec

OWN: dict[str, Any] = {"redis.nodes": 3, "sink.image": "acme/sink:1", "pipelines[0].sink.postgres.password": "vault:w#p"}
ALONE = {**OWN, "redis.nodes": 1, "redis.sentinels": 0}


def hints(changes: dict[str, Any]) -> Any:
    return json.loads(manifest(changes, "ConfigMap/sink-orders").body["data"]["settings.json"]).get("redis")


def node(changes: dict[str, Any]) -> list[str]:
    return str(manifest(changes, "ConfigMap/redis").body["data"]["redis.conf"]).splitlines()


def test_it_keeps_a_log_and_snapshots_and_drops_nothing() -> None:
    lines = node(OWN)
    assert {"appendonly yes", "appendfsync everysec", "save 300 10", "save 60 100", "maxmemory-policy noeviction"} <= set(lines)
    assert "maxmemory 2147483648" in lines, "B3's two gigabytes are half of the default memory"


def test_every_port_speaks_tls_and_none_without() -> None:
    for name, file in (("redis", "redis.conf"), ("redis-sentinel", "sentinel.conf")):
        lines = manifest(OWN, f"ConfigMap/{name}").body["data"][file].splitlines()
        assert {"port 0", "tls-replication yes"} <= set(lines)
        assert [line for line in lines if line.startswith("tls-port ")]


def test_a_worker_asks_the_sentinels_or_a_node_that_stands_alone() -> None:
    sentinels = [f"redis-sentinel-{number}.redis-sentinel.cdc.svc:26379" for number in range(3)]
    assert (hints(OWN)["sentinels"], hints(OWN)["master_name"]) == (sentinels, "cdc")
    assert hints(ALONE)["url"] == "rediss://redis-0.redis.cdc.svc:6379/0"
    plain = {**ALONE, "redis": {"nodes": 1, "sentinels": 0, "tls": {"enabled": False}}}
    assert hints(plain)["url"].startswith("redis://")
    assert "ca_file" not in hints(plain)
    assert hints({**OWN, "redis": None}) is None


def test_a_pipelines_user_has_the_keys_of_its_own_tables_only() -> None:
    values = shop({**OWN, "pipelines[0].sink.postgres.schema": "s", "pipelines[1]": pipeline("other", ("db.t",), "cassandra")})
    sink, other = sorted(
        (user for user in users(build(values)) if user.name.endswith("-sink")), key=lambda user: "other" in user.name
    )
    assert "~schema:public:t" in other.rules.split()
    patterns = {word for word in sink.rules.split() if word[0] == "~"}
    assert patterns == {
        f"~{key}"
        for table in ("orders", "lines")
        for key in (f"checkpoint:s.{table}:*", f"schema:s:{table}", f"lock:s.{table}")
    }
    assert "resetchannels" in sink.rules


def test_names_with_spaces_and_wildcards_match_themselves_and_little_else() -> None:
    """White space would end a pattern; an asterisk would match everything."""
    values = build(shop({**OWN, "pipelines[0].sink.postgres.schema": "a b*[x]?\\"}))
    assert key_patterns(values.pipelines[0], "db.t")[1] == "schema:a?b\\*\\[x\\]\\?\\\\:t"


def test_everybody_has_a_password_from_a_file_and_none_stands_in_what_is_rendered() -> None:
    text = str(manifest(OWN, "ConfigMap/redis").body["data"]["start.sh"])
    assert "echo 'user default off resetchannels -@all'" in text
    assert text.count('  user "') == 5
    assert " >" not in "".join(line for line in text.splitlines() if line.startswith('  user "'))


def test_nodes_and_sentinels_keep_their_names_and_nodes_their_disks() -> None:
    nodes, watching = spec(OWN, "StatefulSet/redis"), spec(OWN, "StatefulSet/redis-sentinel")
    assert (nodes["replicas"], watching["replicas"]) == (3, 3)
    assert "volumeClaimTemplates" in nodes
    assert "volumeClaimTemplates" not in watching
    assert spec(OWN, "Service/redis")["publishNotReadyAddresses"] is True
    assert not [one for one in rendered(ALONE).manifests if one.name == "redis-sentinel"]


def test_a_majority_of_the_sentinels_must_agree() -> None:
    for sentinels, quorum in ((1, 1), (3, 2), (5, 3), (9, 5)):
        text = manifest({**OWN, "redis.sentinels": sentinels}, "ConfigMap/redis-sentinel").body["data"]["start.sh"]
        assert f"sentinel monitor cdc $master 6379 {quorum}" in text


def test_docker_has_a_container_and_a_volume_for_each_node() -> None:
    found = render(build(shop({**OWN, "target": "docker", "tier": "development"})))
    own = [workload.name for workload in found.workloads if workload.component == "redis"]
    assert own == ["redis-0", "redis-1", "redis-2", "redis-sentinel-0", "redis-sentinel-1", "redis-sentinel-2"]
    assert set(own[:3]) <= set(found.volumes)


@pytest.mark.parametrize(
    ("redis", "path", "what"),
    [
        ({"maxMemory": "4Gi"}, "redis.maxMemory", "too little"),
        ({"nodes": 3, "sentinels": 0}, "redis.sentinels", "nobody would make a replica the master"),
        ({"nodes": 1, "sentinels": 3}, "redis.nodes", "no replica to choose"),
        ({"sentinels": 4}, "redis.sentinels", "two halves"),
        ({"failoverAfter": "100ms"}, "redis.failoverAfter", "at least 500ms"),
        ({"snapshots": [{"after": "500ms", "changes": 1}]}, "redis.snapshots[0].after", "whole seconds"),
        ({"resources": {"memory": "32Mi"}}, "redis.resources.memory", "too little for Redis"),
    ],
)
def test_what_could_not_work_is_refused(redis: dict[str, Any], path: str, what: str) -> None:
    assert what in messages(problems_of(shop({**OWN, "redis": redis}))).get(path, "")
