"""Vault: who may read what, and how it reaches them. Vault itself judges the rest in tests/integration/test_vault_live.py."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings

from components.core.rendered import Manifest
from components.environment import EnvironmentSpec
from components.loading import build_environment, load_environment
from components.platform import render
from components.vault.identities import access, generated
from components.vault.references import references
from components.vault.rotation import rotated
from components.vault.state import desired
from tests.strategies.environments import STACK, environments
from tests.strategies.examples import ROOT, build, messages, pipeline, problems_of, shop
from tests.unit.on_kubernetes import rendered, spec

WHOLE: dict[str, Any] = {
    "vault": {},
    "schemaRegistry": {},
    "connect": {"image": "acme/connect:1"},
    "sink": {"image": "acme/sink:1"},
    "pipelines[0].source.mysql.password": "vault:cdc-pipeline/trial/shop-db#password",
    "pipelines[0].sink.postgres.password": "vault:cdc-pipeline/trial/warehouse#password",
    "haproxy": {
        "users": [
            {
                "name": "sink",
                "passwordHash": "vault:cdc-pipeline/trial/haproxy#sink-hash",
                "password": "vault:cdc-pipeline/trial/haproxy-sink#sink",
            }
        ]
    },
}
ON_DOCKER: dict[str, Any] = {"tier": "development", "target": "docker"}


def whole(changes: dict[str, Any] | None = None) -> dict[str, Any]:
    return {**copy.deepcopy(WHOLE), **(changes or {})}


def environment(changes: dict[str, Any] | None = None) -> EnvironmentSpec:
    return build(shop(whole(changes)))


def readers(spec: EnvironmentSpec) -> dict[str, set[str]]:
    """Identities by the path that they read."""
    found: dict[str, set[str]] = {}
    for identity in access(spec).identities:
        for path in identity.paths:
            found.setdefault(path.rpartition("/")[2], set()).add(identity.name)
    return found


def test_each_program_may_read_what_it_is_given_and_nothing_else() -> None:
    assert readers(environment()) == {
        "haproxy": {"haproxy"},
        "haproxy-sink": {"cdc-connect-blue", "cdc-connect-green", "sink-orders", "secret-haproxy-users"},
        "shop-db": {"cdc-connect-blue", "cdc-connect-green"},
        "warehouse": {"sink-orders"},
    } | {"haproxy": {"haproxy", "secret-haproxy-users"}}


def test_a_policy_names_single_paths_and_only_reading() -> None:
    policies = [entry.body["policy"] for entry in desired(environment()) if entry.kind == "policy"]
    assert policies
    for text in policies:
        rules = re.findall(r'path "([^"]+)" \{\n  capabilities = \["(\w+)"\]\n\}', text)
        assert text.count("path ") == len(rules)
        for path, capability in rules:
            assert not set("*+") & set(path)
            assert capability == ("read" if path.startswith("secret/data/cdc-pipeline/trial/") else "update"), path


def _secrets_of(value: Any) -> Iterator[str]:
    """The names of the Secrets that an object wants to find, in Kubernetes' and Strimzi's own words."""
    if isinstance(value, list):
        for item in value:
            yield from _secrets_of(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "secretName" or (
                key in {"secret", "secretKeyRef", "secretRef"} and isinstance(item, dict) and "name" in item
            ):
                yield item if isinstance(item, str) else item["name"]
            yield from _secrets_of(item)


def _made(manifests: tuple[Manifest, ...], spec: EnvironmentSpec) -> set[str]:
    """Secrets that operators make, and those that the user said exist."""
    own = {m.body["spec"]["target"]["name"] for m in manifests if m.kind == "ExternalSecret"}
    own |= {m.body["spec"]["secretName"] for m in manifests if m.kind == "Certificate"}
    strimzi = {user.name for user in spec.kafka_state.users} | {f"{spec.kafka.name}-cluster-ca-cert"}
    said = set(re.findall(r'"secret:([^#"]+)#', json.dumps(spec.model_dump(mode="json", by_alias=True))))
    return own | strimzi | said


@pytest.mark.parametrize("stack", ["prod", "prod-dr"])
def test_every_secret_that_a_program_mounts_is_made_by_somebody(stack: str) -> None:
    spec = load_environment(ROOT, stack)
    manifests = render(spec).manifests
    wanted = {name for m in manifests if m.kind not in {"Certificate", "Issuer"} for name in _secrets_of(m.body)}
    assert wanted - _made(manifests, spec) == set()


@settings(max_examples=40)
@given(environments())
def test_whatever_is_declared_every_reference_is_read_by_a_program_that_may(values: dict[str, Any]) -> None:
    values.get("development", {}).pop("vault", None)  # there is one already
    spec = build_environment({**values, "vault": {}}, STACK, STACK)
    found = access(spec)
    read = {(file.vault, file.key) for use in found.uses for file in use.files if file.vault}
    granted = {path for identity in found.identities for path in identity.paths}
    assert {path for path, _ in read} == granted
    unread = {(path, key) for _, path, key in references(spec)} - read
    assert all(_needs_no_program(spec, path, key) for path, key in unread), unread


def _needs_no_program(spec: EnvironmentSpec, path: str, key: str) -> bool:
    """References that stand in the spec for a program that is not deployed, or for an entrance that nobody uses."""
    where = [place for place, *rest in references(spec) if rest == [path, key]]
    idle = ("pipelines[", "haproxy.", "vault.", "kafka.tiered", "sink.", "schemaRegistry.", "mirrorMaker.")
    return all(place.startswith((*idle, "observability.", "backup.")) for place in where)


@pytest.mark.parametrize("stack", ["prod", "prod-dr"])
def test_every_key_of_a_stack_that_lies_in_vault_becomes_a_secret(stack: str) -> None:
    spec = load_environment(ROOT, stack)
    fetched = {
        (each["remoteRef"]["key"], each["remoteRef"]["property"])
        for manifest in render(spec).manifests
        if manifest.kind == "ExternalSecret"
        for each in manifest.body["spec"]["data"]
    }
    assert fetched == {(path, key) for path, keys in access(spec).keys.items() for key in keys}
    assert {(path, key) for _, path, key in references(spec)} - fetched == set()


def test_a_secret_is_fetched_by_an_identity_that_may_read_all_of_it() -> None:
    found = access(environment())
    paths = {identity.name: set(identity.paths) for identity in found.identities}
    assert found.secrets
    assert all(set(secret.keys.values()) <= paths[secret.identity] for secret in found.secrets)


def test_a_store_enters_as_its_identity_with_a_token_that_is_for_vault() -> None:
    store = spec(whole(), "SecretStore/vault-sink-orders")["provider"]["vault"]
    assert store["server"] == "https://vault.cdc.svc:8200"
    assert store["caProvider"] == {"type": "Secret", "name": "vault-tls", "key": "ca.crt"}
    assert store["auth"]["kubernetes"] == {
        "mountPath": "cdc-trial-kubernetes",
        "role": "sink-orders",
        "serviceAccountRef": {"name": "vault-sink-orders", "audiences": ["vault"]},
    }
    role = next(entry for entry in desired(environment()) if entry.name == "auth/cdc-trial-kubernetes/role/sink-orders")
    assert role.body["bound_service_account_names"] == ["vault-sink-orders"]
    assert role.body["bound_service_account_namespaces"] == ["cdc"]
    assert role.body["audience"] == "vault"


def test_no_pod_runs_as_the_service_account_of_an_identity() -> None:
    manifests = rendered(whole()).manifests
    accounts = {m.name: m for m in manifests if m.kind == "ServiceAccount" and m.name.startswith("vault-")}
    assert accounts
    assert all(m.body["automountServiceAccountToken"] is False for m in accounts.values())
    used = {
        m.body["spec"]["template"]["spec"].get("serviceAccountName")
        for m in manifests
        if m.kind in {"Deployment", "StatefulSet"}
    }
    assert not used & set(accounts)


def test_the_certificate_of_a_server_names_it_in_every_way_that_clients_do() -> None:
    certificate = spec(whole(), "Certificate/haproxy-tls")
    assert certificate["secretName"] == "haproxy-tls"
    assert certificate["dnsNames"] == ["haproxy", "haproxy.cdc", "haproxy.cdc.svc", "haproxy.cdc.svc.cluster.local"]
    assert (certificate["duration"], certificate["renewBefore"]) == ("2160h", "720h")
    role = next(entry for entry in desired(environment()) if entry.name == "cdc-trial-pki/roles/haproxy")
    assert set(certificate["dnsNames"]) <= set(role.body["allowed_domains"])
    assert role.body["max_ttl"] == 90 * 86400


def test_a_certificate_that_somebody_else_issues_is_left_to_them() -> None:
    manifests = rendered(whole({"vault.pki.issuedElsewhere": ["haproxy-tls"]})).manifests
    assert "haproxy-tls" not in {m.name for m in manifests if m.kind == "Certificate"}
    assert "cdc-trial-haproxy" in {e.name for e in desired(environment({"vault.pki.issuedElsewhere": ["haproxy-tls"]}))}


def test_vault_is_configured_as_a_raft_cluster_that_opens_itself() -> None:
    seal = {"awskms": {"region": "eu-central-1", "key": "alias/x"}}
    manifests = rendered(whole({"vault.seal": seal, "vault.storage": {"size": "20Gi", "class": "fast"}})).manifests
    text = next(m for m in manifests if m.kind == "ConfigMap" and m.name == "vault").body["data"]["vault.json"]
    document = json.loads(text)
    assert document["seal"] == {"awskms": {"region": "eu-central-1", "kms_key_id": "alias/x"}}
    joins = [entry["leader_api_addr"] for entry in document["storage"]["raft"]["retry_join"]]
    assert joins == [f"https://vault-{number}.vault-nodes:8200" for number in range(3)]
    assert document["listener"][0]["tcp"]["tls_min_version"] == "tls12"
    stateful = next(m for m in manifests if m.kind == "StatefulSet" and m.name == "vault").body["spec"]
    assert stateful["replicas"] == 3
    assert stateful["updateStrategy"] == {"type": "RollingUpdate"}
    [container] = stateful["template"]["spec"]["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"


def test_nodes_that_only_a_person_can_open_are_not_restarted_by_themselves() -> None:
    assert spec(whole(), "StatefulSet/vault")["updateStrategy"] == {"type": "OnDelete"}


def test_an_external_vault_is_used_and_not_deployed() -> None:
    manifests = rendered(whole({"vault": {"external": "https://vault.example:8200"}})).manifests
    assert not [m for m in manifests if m.component == "vault" and m.kind in {"StatefulSet", "Service", "PodDisruptionBudget"}]
    stores = [m for m in manifests if m.kind == "SecretStore"]
    assert stores
    assert all(m.body["spec"]["provider"]["vault"]["server"] == "https://vault.example:8200" for m in stores)
    assert not [
        entry for entry in desired(environment({"vault": {"external": "https://vault.example:8200"}})) if entry.kind == "audit"
    ]


def test_on_docker_one_node_runs_and_workloads_prove_themselves_by_approle() -> None:
    spec = environment(ON_DOCKER)
    [vault] = [workload for workload in render(spec).workloads if workload.name == "vault"]
    assert json.loads(vault.files["/etc/cdc/vault.json"])["storage"] == {
        "raft": {"path": "/vault/data", "node_id": "vault", "performance_multiplier": 1}
    }
    roles = [entry for entry in desired(spec) if entry.name.startswith("auth/cdc-trial-approle/role/")]
    assert {entry.name.rpartition("/")[2] for entry in roles} == {identity.name for identity in access(spec).identities}
    assert all(entry.body["secret_id_num_uses"] == 1 for entry in roles)


def test_on_docker_the_passwords_of_kafkas_users_are_made_up_and_kept_in_vault() -> None:
    spec = environment(ON_DOCKER)
    made = generated(spec, access(spec))
    users = {path.rpartition("/")[2]: keys for path, keys in made.items() if "/kafka/" in path}
    assert users == dict.fromkeys(
        ("connect-blue", "connect-green", "schema-registry", "shop-orders-sink", "shop-orders-source"),
        ("password", "password-next", "scram-mechanism"),
    )


def test_what_only_the_platforms_own_programs_know_is_made_up() -> None:
    """Nobody writes the passwords of Redis, nor the one that follows a rotated password."""
    spec = environment({"redis": {}})
    assert generated(spec, access(spec)) == {
        "cdc-pipeline/trial/orders-sink-redis": ("password",),
        "cdc-pipeline/trial/redis": ("exporter", "replication", "sentinel"),
        "cdc-pipeline/trial/warehouse": ("password-next", "password-previous"),
    }


def test_what_is_read_by_a_program_that_cannot_try_another_password_is_not_rotated() -> None:
    assert [item.path for item in rotated(environment())] == ["cdc-pipeline/trial/warehouse"]
    jdbc = pipeline(
        "other", sink={"via": "jdbc", "postgres": {"database": "w", "password": "vault:cdc-pipeline/trial/warehouse#password"}}
    )
    assert rotated(environment({"pipelines[1]": jdbc})) == ()


@pytest.mark.parametrize(
    ("change", "path", "said"),
    [
        ({"vault.nodes": 2}, "vault.nodes", "even number"),
        ({"vault.seal": {}}, "vault.seal", "choose one of"),
        ({"vault.pki.lifetime": "10m"}, "vault.pki.lifetime", "at least 1h"),
        ({"vault.pki.renewBefore": "91d"}, "vault.pki.renewBefore", "lifetime"),
        ({"vault.pki.caLifetime": "100d"}, "vault.pki.caLifetime", "3650d"),
        ({"vault.tls.ca": "vault:cdc-pipeline/trial/x#ca"}, "vault.tls.ca", "is to protect"),
        ({"vault.generate": ["secret:a#b"]}, "vault.generate[0]", "does not lie in Vault"),
        ({"vault": {"external": "https://x:1", "nodes": 3}}, "vault.nodes", "external"),
        ({"vault.rotation": {"every": "1h", "overlap": "1h"}}, "vault.rotation.overlap", "half"),
        ({"vault.rotation": {"overlap": "3m"}}, "vault.rotation.overlap", "two minutes"),
        ({**ON_DOCKER, "vault.nodes": 3}, "vault.nodes", "one machine"),
    ],
)
def test_what_cannot_work_is_refused_with_what_would(change: dict[str, Any], path: str, said: str) -> None:
    found = messages(problems_of(shop(whole(change))))
    assert said in found[path]
