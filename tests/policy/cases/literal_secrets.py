"""No secret is written anywhere."""

from tests.policy import environments as env
from tests.policy.cases.making import BROKER, KAFKA, Case, at, config, extra, manifests, spec

SECRETS = (
    spec("literal-secret", "a broker key", 'kafka.config["my.app.password"]', {"kafka.config": {"my.app.password": "hunter2"}}),
    spec(
        "literal-secret",
        "a tiered store key",
        'kafka.tiered.config["storage.s3.secret-key"]',
        {"kafka.tiered.config": {"storage.s3.secret-key": "hunter2"}},
    ),
    spec(
        "literal-secret",
        "an address",
        "tenants[0].owner",
        {"tenants[0].owner": "https://team:hunter2@wiki/shop"},
    ),
    spec("literal-secret", "an owner", "tenants[0].owner", {"tenants[0].owner": "token=hunter2"}),
    spec(
        "literal-secret",
        "a user's owner",
        "kafka.users[0]",
        {"kafka.users[0].owner": "AKIAABCDEFGHIJKLMNOP"},
        "KafkaUser/cdc/platform-admin",
    ),
    manifests(
        "literal-secret",
        "an environment variable",
        "kafka",
        KAFKA,
        at("spec/kafka/template/kafkaContainer/env/0", {"name": "DB_PASSWORD", "value": "hunter2"}),
        "Kafka",
    ),
    manifests(
        "literal-secret",
        "a JAAS entry",
        'kafka.config["sasl.jaas.config"]',
        KAFKA,
        config(sasl_jaas_config='org.Plain required username="a" password="hunter2";'),
        "Kafka",
    ),
    extra(
        "literal-secret",
        "a Secret",
        "kafka",
        "Secret/cdc/db",
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "db", "namespace": "cdc"},
            "stringData": {"password": "hunter2"},
        },
    ),
    Case(
        "literal-secret",
        "a private key",
        lambda: env.with_files(**{"ca.pem": "-----BEGIN RSA PRIVATE KEY-----\nhunter2"}),
        "",
        "ca.pem",
    ),
    Case("literal-secret", "a JSON file", lambda: env.with_files(**{"a.json": '{"password": "hunter2"}'}), "", "a.json"),
    Case(
        "literal-secret",
        "a container's environment",
        lambda: env.with_workloads(environment={"API_TOKEN": "hunter2"}),
        "kafka",
        BROKER,
        "docker",
    ),
    Case(
        "literal-secret",
        "a command",
        lambda: env.with_workloads(command=("run", "--password=hunter2")),
        "kafka",
        BROKER,
        "docker",
    ),
    Case(
        "literal-secret",
        "a container's file",
        lambda: env.with_properties("ssl.keystore.type=PEM", "ssl.keystore.password=hunter2"),
        "kafka",
        BROKER,
        "docker",
    ),
)
