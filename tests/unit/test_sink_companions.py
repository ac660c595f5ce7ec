"""The admin API and the DLQ processor beside the sink workers: off unless declared, and then reached by few."""

import json
from typing import Any

import jsonschema
import pytest

from components.platform import render
from components.sink.settings import SECRETS
from tests.strategies.examples import build, messages, problems_of, shop
from tests.unit.on_kubernetes import manifest, spec
from tests.unit.test_sink_component import SCHEMA, SINK, on_docker, settings_of

CLIENTS = {"CN=alice": "operator", "O=shop,CN=root": "admin"}
BOTH: dict[str, Any] = {**SINK, "sink.admin": {"clients": CLIENTS, "tokens": "vault:sink-admin#tokens"}, "sink.deadLetters": {}}
ADMIN, PROCESSOR = "sink-orders-admin", "sink-orders-dlq"


def test_nothing_of_them_is_there_unless_it_is_declared() -> None:
    assert set(settings_of(build(shop(SINK)))) == {"sink-orders"}
    assert set(settings_of(build(shop(BOTH)))) == {"sink-orders", ADMIN, PROCESSOR}
    names = {workload.name for workload in render(on_docker(BOTH)).workloads if workload.component == "sink"}
    assert names == {"sink-orders-0", "sink-orders-1", ADMIN, PROCESSOR}


@pytest.mark.parametrize("target", ["kubernetes", "docker"])
def test_their_settings_are_what_the_workers_schema_describes(target: str) -> None:
    found = settings_of(build(shop(BOTH)) if target == "kubernetes" else on_docker(BOTH))
    for name in (ADMIN, PROCESSOR):
        jsonschema.validate(json.loads(found[name]), SCHEMA)
    admin = json.loads(found[ADMIN])["admin"]
    assert admin["tls"]["subjects"] == CLIENTS
    workers = {"kubernetes": ["sink-orders:8000"], "docker": ["sink-orders-0:8000", "sink-orders-1:8000"]}
    assert admin["workers"] == workers[target]
    assert json.loads(found[PROCESSOR])["dlq_processor"]["first_seconds"] == 60


def test_each_secret_that_is_mounted_is_named_and_the_other_way_round() -> None:
    for name in (ADMIN, PROCESSOR):
        volumes = spec(BOTH, f"Deployment/{name}")["template"]["spec"]["volumes"]
        sources = next(volume for volume in volumes if volume["name"] == "secrets")["projected"]["sources"]
        mounted = {f"{SECRETS}/{item['path']}" for source in sources for item in source["secret"]["items"]}
        text = settings_of(build(shop(BOTH)))[name]
        assert mounted == {path for path in json_strings(json.loads(text)) if path.startswith(f"{SECRETS}/")}


def json_strings(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {text for inner in value.values() for text in json_strings(inner)}
    if isinstance(value, list):
        return {text for inner in value for text in json_strings(inner)}
    return {value} if isinstance(value, str) else set()


def test_no_token_and_no_role_of_a_token_is_in_the_settings() -> None:
    """The list of digests is a secret's file."""
    admin = json.loads(settings_of(build(shop(BOTH)))[ADMIN])["admin"]
    assert admin["tokens_file"] == f"{SECRETS}/admin-tokens.json"


def test_only_pods_that_say_so_reach_the_admin_api_and_it_alone_reaches_the_probes() -> None:
    [rule] = spec(BOTH, f"NetworkPolicy/{ADMIN}")["ingress"]
    assert rule == {
        "from": [{"podSelector": {"matchLabels": {"cdc.platform/admin-client": "true"}}}],
        "ports": [{"port": 8443, "protocol": "TCP"}],
    }
    probes = spec(BOTH, "NetworkPolicy/sink-orders-probes")
    assert probes["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "sink-orders"}
    assert probes["ingress"][0]["from"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": ADMIN}}}]
    assert "ingress" not in spec(BOTH, f"NetworkPolicy/{PROCESSOR}")
    assert spec(BOTH, "Service/sink-orders")["clusterIP"] == "None"


def test_their_pods_are_no_workers() -> None:
    """A Service or a budget of the workers that counted them would be wrong about the workers."""
    for name in (ADMIN, PROCESSOR):
        deployment = manifest(BOTH, f"Deployment/{name}").body["spec"]
        assert deployment["selector"]["matchLabels"] == {"app.kubernetes.io/name": name}
        assert deployment["replicas"] == 1
    assert spec({**BOTH}, f"Deployment/{ADMIN}")["template"]["spec"]["containers"][0]["livenessProbe"]["httpGet"] == {
        "path": "/health",
        "port": 8443,
        "scheme": "HTTPS",
    }


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"sink.admin": {"tokens": "vault:a#b", "hostPort": 18443}}, "sink.admin.hostPort", "publishes nothing"),
        ({"sink.admin": {}}, "sink.admin.clients", "nobody could be told"),
        ({"sink.admin": {"clients": {"alice": "admin"}}}, 'sink.admin.clients["alice"]', "whole subject"),
        ({"sink.admin": {"clients": {"CN=a": "root"}}}, 'sink.admin.clients["CN=a"]', "viewer"),
        ({"sink.deadLetters": {"longestWait": "1s"}}, "sink.deadLetters.longestWait", "shorter"),
        ({"sink.deadLetters": {"retention": "36h"}}, "sink.deadLetters.retention", "days"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], path: str, words: str) -> None:
    found = messages(problems_of(shop({**SINK, **changes})))
    assert [told for where, told in found.items() if where.startswith(path.partition("[")[0]) and words in told], found


def test_postgres_lets_them_in_beside_the_workers() -> None:
    """Each session that they may open is counted in the role's limit."""

    def limit(changes: dict[str, Any]) -> int:
        environment = build(shop({**SINK, **changes}))
        return 0 if environment.sink is None else environment.sink.more_connections

    assert (limit({}), limit({"sink.deadLetters": {}}), limit(BOTH)) == (0, 1, 4)
