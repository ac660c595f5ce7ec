"""HAProxy's spec, syntax and Kubernetes objects; real HAProxies judge the rest in tests/integration/test_haproxy.py."""

from typing import Any

import pytest

from components.haproxy.derive import address
from components.haproxy.services import backends
from components.haproxy.text import Section, dump, quoted
from components.platform import render
from tests.strategies.examples import build, messages, problems_of, shop
from tests.unit.on_kubernetes import manifest, rendered, spec

USER = {"name": "app", "passwordHash": "vault:haproxy#app"}
BEHIND: dict[str, Any] = {"schemaRegistry": {}, "haproxy": {"users": [USER]}}


def behind(**haproxy: Any) -> dict[str, Any]:
    return {**BEHIND, "haproxy": {"users": [USER], **haproxy}}


# Syntax


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("plain-1.2:3/x%[path]", "plain-1.2:3/x%[path]"),
        ("two words", "'two words'"),
        ("$6$salt$hash", "'$6$salt$hash'"),
        ("it's", "'it'\\''s'"),
        ("a#b", "'a#b'"),
        ('"', "'\"'"),
        ("back\\slash", "'back\\slash'"),
        ("", "''"),
    ],
)
def test_a_word_is_quoted_where_it_must_be(word: str, written: str) -> None:
    assert quoted(word) == written
    assert dump([Section("backend", (("x", word),), "b")]) == f"backend b\n  x {written}\n"


@pytest.mark.parametrize("word", ["a\nb", "a\rb", "\x00", "\x7f"])
def test_a_line_break_gets_into_no_configuration(word: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        quoted(word)


# What does not fit


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"haproxy": {}}, "haproxy", "nothing for it to stand in front of"),
        ({"schemaRegistry": {}}, "schemaRegistry.replicas", "declare haproxy, or write replicas: 1"),
        ({"schemaRegistry": {}, "haproxy": {}}, "haproxy.authentication", "no user may"),
        (behind(authentication="tls"), "haproxy.authentication", "haproxy.tls.clientCa"),
        (
            behind(frontends={"schema-registry": {"authentication": "tls"}}, tls={"enabled": False}),
            "haproxy.frontends.schema-registry.authentication",
            "encrypted connection",
        ),
        (behind(frontends={"registry": {}}), "haproxy.frontends.registry", "use one of: schema-registry"),
        (
            behind(users=[USER, {**USER, "name": "b", "frontends": ["x"]}]),
            "haproxy.users[1].frontends[0]",
            "there is no frontend x",
        ),
        (behind(users=[USER, USER]), "haproxy.users[1].name", "already users[0]"),
        (behind(statsPort=8081), "haproxy.statsPort", "the port of schema-registry"),
        (behind(drain="51s"), "haproxy.drain", "at most 50s"),
        (behind(drain="1ms"), "haproxy.drain", "at least 1s"),
        (behind(resources={"memory": "16Mi"}), "haproxy.resources.memory", "64Mi"),
        ({**behind(replicas=2), "target": "docker"}, "haproxy.replicas", "one HAProxy"),
    ],
)
def test_what_does_not_fit_is_told_at_its_place(changes: dict[str, Any], path: str, message: str) -> None:
    found = messages(problems_of(shop(changes)))
    assert list(found) == [path], found
    assert message in found[path]


def test_a_user_enters_only_where_it_may() -> None:
    elsewhere = {"name": "b", "passwordHash": "vault:x#b", "frontends": ["schema-registry"]}
    haproxy = build(shop(behind(users=[USER, elsewhere]))).haproxy
    assert haproxy is not None
    assert [user.name for user in haproxy.users_of("schema-registry")] == ["app", "b"]
    assert [user.name for user in haproxy.users_of("connect")] == ["app"]


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        (behind(), "https://haproxy:8081"),
        (behind(tls={"enabled": False}), "http://haproxy:8081"),
        ({**behind(), "target": "docker"}, "https://haproxy:8081"),
    ],
)
def test_clients_find_it_under_one_address(changes: dict[str, Any], url: str) -> None:
    environment = build(shop(changes))
    [backend] = backends(environment)
    assert address(environment, backend) == url


# On Kubernetes


def test_it_runs_twice_and_never_all_of_it_goes() -> None:
    deployment = spec(BEHIND, "Deployment/haproxy")
    assert (deployment["replicas"], deployment["strategy"]["rollingUpdate"]["maxUnavailable"]) == (2, 0)
    assert spec(BEHIND, "PodDisruptionBudget/haproxy")["maxUnavailable"] == 1


def test_a_changed_configuration_rolls_it_out_and_nothing_else_does() -> None:
    def template(changes: dict[str, Any]) -> Any:
        return spec(changes, "Deployment/haproxy")["template"]["metadata"]["annotations"]

    assert template(BEHIND) == template({**BEHIND, "kafka.topics": [{"name": "x"}]})
    assert template(BEHIND) != template(behind(drain="10s"))
    assert template(BEHIND) != template(behind(users=[{**USER, "name": "b"}]))


def test_a_pod_that_ends_first_takes_no_more_and_is_given_the_time() -> None:
    pod = spec(behind(drain="50s"), "Deployment/haproxy")["template"]["spec"]
    [container] = pod["containers"]
    [_, _, script] = container["lifecycle"]["preStop"]["exec"]["command"]
    assert script == "sleep 5; kill -USR1 1; sleep 3600"
    assert pod["terminationGracePeriodSeconds"] > 5 + 50


def test_the_platforms_clients_and_tenants_get_in_and_it_gets_to_the_registries() -> None:
    changes = {**BEHIND, "tenants": [{"name": "shop", "owner": "x", "namespaces": ["shop-b", "shop-a"]}]}
    policy = spec(changes, "NetworkPolicy/haproxy")
    own, others = policy["ingress"]
    assert own["ports"] == others["ports"] == [{"port": 8081, "protocol": "TCP"}]
    assert own["from"] == [{"podSelector": {"matchLabels": {"cdc.platform/kafka-client": "true"}}}]
    assert [entry["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for entry in others["from"]] == [
        "shop-a",
        "shop-b",
    ]
    [out] = policy["egress"]
    assert out["to"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "schema-registry"}}}]
    clients = spec(changes, "NetworkPolicy/haproxy-clients-schema-registry")
    assert clients["podSelector"] == {"matchLabels": {"cdc.platform/kafka-client": "true"}}
    assert clients["egress"][0]["to"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "haproxy"}}}]


def test_only_what_makes_backups_gets_in_to_connect() -> None:
    backup = {"image": "acme/cdc:1", "storage": "1Gi"}
    both = {**BEHIND, "connect": {"image": "acme/connect:1"}, "tenants": [{"name": "shop", "owner": "x"}]}
    kafka = {"podSelector": {"matchLabels": {"cdc.platform/kafka-client": "true"}}}
    backups = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "backup"}}}
    for changes, wanted in ((both, {8081: [kafka]}), ({**both, "backup": backup}, {8081: [kafka], 8083: [backups]})):
        rules = spec(changes, "NetworkPolicy/haproxy")["ingress"]
        assert {port["port"]: rule["from"] for rule in rules for port in rule["ports"]} == wanted


def test_certificate_key_and_hashes_are_files_of_secrets() -> None:
    [_, _, secrets] = spec(BEHIND, "Deployment/haproxy")["template"]["spec"]["volumes"]
    found = {
        item["path"]: (source["secret"]["name"], item["key"])
        for source in secrets["projected"]["sources"]
        for item in source["secret"]["items"]
    }
    assert found == {
        "server.pem": ("haproxy-tls", "tls.crt"),
        "server.pem.key": ("haproxy-tls", "tls.key"),
        "app.hash": ("haproxy-users", "app"),
        "schema-registry-ca.pem": ("schema-registry-tls", "ca.crt"),
    }


def test_without_encryption_and_users_it_needs_no_secrets() -> None:
    changes = {**behind(tls={"enabled": False}, authentication="none"), "schemaRegistry": {"tls": {"enabled": False}}}
    volumes = spec(changes, "Deployment/haproxy")["template"]["spec"]["volumes"]
    assert [volume["name"] for volume in volumes] == ["configuration", "run"]
    [workload] = [one for one in render(build(shop({**changes, "target": "docker"}))).workloads if one.name == "haproxy"]
    assert workload.mounts == ()


def test_its_ports_are_published_only_where_that_is_said() -> None:
    for publish, ports in ((False, ()), (True, ((8081, 8081), (8404, 8404)))):
        made = render(build(shop({**behind(publish=publish), "target": "docker"})))
        [workload] = [one for one in made.workloads if one.name == "haproxy"]
        assert workload.ports == ports


def test_nothing_is_rendered_that_is_not_declared() -> None:
    assert not [one for one in rendered().manifests if one.component in {"haproxy", "schema-registry"}]


def test_a_registry_that_answers_before_it_knows_all_is_asked_whether_it_does() -> None:
    """A stale one would refuse a schema that another has registered, or give an older one."""
    text = manifest({**BEHIND, "schemaRegistry": {"distribution": "apicurio"}}, "ConfigMap/haproxy").body["data"]["haproxy.cfg"]
    asked = [line.split() for line in text.splitlines() if line.startswith("  http-check")]
    uris = [words[words.index("uri") + 1] for words in asked if "uri" in words]
    assert uris == ["/health/ready", "/apis/ccompat/v7/subjects"]
    assert ["http-check", "connect", "port", "9000"] in asked
    policy = spec({**BEHIND, "schemaRegistry": {"distribution": "apicurio"}}, "NetworkPolicy/haproxy")
    assert [port["port"] for port in policy["egress"][0]["ports"]] == [8081, 9000]


@pytest.mark.parametrize("distribution", ["confluent", "apicurio"])
def test_the_registries_certificates_are_checked_by_name(distribution: str) -> None:
    def lines(changes: dict[str, Any]) -> list[str]:
        files = manifest({**BEHIND, "schemaRegistry": {"distribution": distribution}, **changes}, "ConfigMap/haproxy")
        found = map(str.strip, files.body["data"]["haproxy.cfg"].splitlines())
        return [line for line in found if line.startswith(("default-server", "server-template"))]

    defaults, servers = lines({})
    assert defaults.endswith("ssl verify required ca-file /run/secrets/haproxy/schema-registry-ca.pem")
    host = "schema-registry.cdc.svc.cluster.local"
    assert servers.endswith(f"verifyhost {host} sni str({host})")
    assert not [line for line in lines({"tier": "staging"}) if "ssl" in line]


def test_apicurios_own_api_is_passed_on_and_confluents_has_none() -> None:
    def told(distribution: str) -> str:
        changes = {**BEHIND, "schemaRegistry": {"distribution": distribution}}
        return str(manifest(changes, "ConfigMap/haproxy").body["data"]["haproxy.cfg"])

    assert "http-request set-path /apis/ccompat/v7%[path] unless { path_beg /apis/ }" in told("apicurio")
    assert "/apis/" not in told("confluent")


def test_a_slot_is_kept_for_the_pod_that_replaces_another() -> None:
    text = manifest(BEHIND, "ConfigMap/haproxy").body["data"]["haproxy.cfg"]
    assert "server-template schema-registry- 1-4 schema-registry.cdc.svc.cluster.local:8081 init-addr none" in text
    assert spec(BEHIND, "Service/schema-registry")["clusterIP"] == "None"
