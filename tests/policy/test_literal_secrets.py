"""What is a secret, and what only looks like one."""

import pytest

from policies.rules import ALL
from tests.policy.environments import good, with_files, with_manifest, with_spec

RULE = next(rule for rule in ALL if rule.id == "literal-secret")

HARMLESS = [
    "ssl.truststore.password=${file:/run/secrets/ca:password}",
    'sasl.jaas.config=ScramLoginModule required username="a" password="${env:PASSWORD}";',
    r'"sasl.jaas.config": "ScramLoginModule required username=\"a\" password=\"${file:/run/a.login:password}\";"',
    '"password": "vault:cdc/prod/db#password"',
    '"password": "secret:db#password"',
    '"password": null',
    "automountServiceAccountToken: false",
    "listener.name.clients.scram-sha-512.sasl.jaas.config=ScramLoginModule required;",
    "KAFKA_PASSWORD_FILE=/run/secrets/password",
    "password=/run/secrets/kafka/password",
    "--password=$(PASSWORD)",
    "postgres://cdc@postgres:5432/warehouse",
    "postgres://cdc:${PASSWORD}@postgres:5432/warehouse",
    "# how secrets reach the brokers: see the documentation",
    "-----BEGIN CERTIFICATE-----",
    "token: <your token>",
    "api_key: {{ .Values.key }}",
]
SECRETS = [
    "ssl.truststore.password=hunter2",
    "ssl.truststore.password = hunter2",
    "connection.password:hunter2",
    'sasl.jaas.config=ScramLoginModule required username="a" password="hunter2";',
    r'"sasl.jaas.config": "ScramLoginModule required username=\"a\" password=\"hunter2\";"',
    '"apiKey": "hunter2"',
    "  client_secret: 'hunter2'",
    "API-TOKEN=hunter2",
    "run --db-password=hunter2 --verbose",
    "postgres://cdc:hunter2@postgres:5432/warehouse",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN EC PRIVATE KEY-----",
    "AKIAIOSFODNN7EXAMPLE",
    "hvs.CAESIJ0123456789abcdefghij",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
    "İİİİİİİİİİİİİİİİİİİİ\npassword=hunter2",
]


@pytest.mark.parametrize("line", HARMLESS)
def test_a_reference_or_a_mention_is_no_secret(line: str) -> None:
    assert list(RULE.check(with_files(**{"a.txt": f"first\n{line}\nlast"}))) == []


@pytest.mark.parametrize("line", SECRETS)
def test_a_literal_is_found_in_any_line_of_a_text_and_not_repeated(line: str) -> None:
    found = list(RULE.check(with_files(**{"a.txt": f"first\n{line}\nlast"})))
    assert [violation.resource for violation in found] == ["a.txt"]
    assert "hunter2" not in found[0].message


def test_the_name_of_a_secrets_key_is_no_secret() -> None:
    reference = {"passwordSecret": {"secretName": "connect", "password": "connect-password"}}
    metadata = {"name": "connect", "namespace": "cdc"}
    body = {"apiVersion": "kafka.strimzi.io/v1", "kind": "KafkaConnect", "metadata": metadata, "spec": reference}
    assert list(RULE.check(with_manifest(body))) == []
    del reference["passwordSecret"]["secretName"]
    assert [violation.resource for violation in RULE.check(with_manifest(body))] == ["KafkaConnect/cdc/connect"]


def test_what_the_spec_says_is_not_said_again_for_what_it_becomes() -> None:
    found = list(RULE.check(with_spec({"kafka.config": {"my.password": "hunter2"}})))
    assert [(violation.path, violation.resource) for violation in found] == [('kafka.config["my.password"]', None)]


@pytest.mark.parametrize("stack", ["dev", "prod", "prod-dr"])
def test_the_stacks_hold_none(stack: str) -> None:
    assert list(RULE.check(good(stack))) == []
