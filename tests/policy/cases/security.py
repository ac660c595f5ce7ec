"""Nobody reads along, connects unnamed or may do too much."""

from tests.policy import environments as env
from tests.policy.cases.making import BROKER, CONTROLLER, INVOICES, KAFKA, Case, at, config, manifests, spec

_INSIDE = {"name": "inside", "port": 9095, "authentication": "scram-sha-512"}
"""For the platform's own programs, which need one."""

_ACL = {"resource": "topic", "name": "shop_*", "operations": ["Read"]}


SECURITY = (
    spec("kafka-listener-encryption", "plain text", "kafka.listeners[0].tls", {"kafka.listeners[0].tls": False}),
    manifests(
        "kafka-listener-encryption",
        "rendered without",
        "kafka.listeners",
        KAFKA,
        at("spec/kafka/listeners/0/tls", False),
        "Kafka",
    ),
    Case(
        "kafka-listener-encryption",
        "docker",
        lambda: env.with_properties("CLIENTS-9093:SASL_SSL", "CLIENTS-9093:SASL_PLAINTEXT"),
        "kafka.listeners",
        BROKER,
        "docker",
    ),
    spec(
        "kafka-listener-authentication",
        "none",
        "kafka.listeners[0].authentication",
        {"kafka.listeners[0].authentication": "none"},
    ),
    manifests(
        "kafka-listener-authentication",
        "rendered without",
        "kafka.listeners",
        KAFKA,
        at("spec/kafka/listeners/1/authentication", env.REMOVED),
        "Kafka",
    ),
    Case(
        "kafka-listener-authentication",
        "docker",
        lambda: env.with_properties("CLIENTS-9093:SASL_SSL", "CLIENTS-9093:SSL"),
        "kafka.listeners",
        BROKER,
        "docker",
    ),
    spec(
        "kafka-exposed-listener",
        "plain load balancer",
        "kafka.listeners[0].tls",
        {"kafka.listeners[0].type": "loadbalancer", "kafka.listeners[0].tls": False, "kafka.listeners[2]": _INSIDE},
    ),
    spec(
        "kafka-exposed-listener",
        "open node port in development",
        "kafka.listeners[0].authentication",
        {
            "tier": "development",
            "kafka.listeners[0].type": "nodeport",
            "kafka.listeners[0].authentication": "none",
            "kafka.listeners[2]": _INSIDE,
        },
    ),
    spec(
        "kafka-internal-encryption",
        "off",
        "kafka.tls.internal",
        {"kafka.tls": {"internal": False}, "kafka.authorization": {"type": "none"}},
        base="docker",
    ),
    Case(
        "kafka-internal-encryption",
        "replication",
        lambda: env.with_properties("REPLICATION-9091:SSL", "REPLICATION-9091:PLAINTEXT"),
        "kafka.tls.internal",
        BROKER,
        "docker",
    ),
    Case(
        "kafka-internal-encryption",
        "no certificate asked for",
        lambda: env.with_properties(
            "listener.name.controller-9090.ssl.client.auth=required", "listener.name.controller-9090.ssl.client.auth=none"
        ),
        "kafka.tls.internal",
        CONTROLLER,
        "docker",
    ),
    manifests(
        "kafka-tls-version", "TLS 1.1", "kafka.tls.protocols", KAFKA, config(ssl_enabled_protocols="TLSv1.1,TLSv1.3"), "Kafka"
    ),
    manifests("kafka-tls-version", "not said", "kafka.tls.protocols", KAFKA, config(ssl_enabled_protocols=None), "Kafka"),
    spec("kafka-certificate-renewal", "a week", "kafka.tls.renewBefore", {"kafka.tls": {"renewBefore": "7d"}}),
    manifests(
        "kafka-certificate-renewal",
        "rendered shorter",
        "kafka.tls.renewBefore",
        KAFKA,
        at("spec/clientsCa/renewalDays", 3),
        "Kafka",
    ),
    manifests(
        "kafka-authority-kept",
        "goes with the cluster",
        "kafka",
        KAFKA,
        at("spec/clusterCa/generateSecretOwnerReference", True),
        "Kafka",
    ),
    manifests(
        "kafka-authority-kept",
        "not said",
        "kafka",
        KAFKA,
        at("spec/clientsCa/generateSecretOwnerReference", env.REMOVED),
        "Kafka",
    ),
    manifests(
        "kafka-listener-network",
        "no peers",
        "kafka.listeners[1]",
        KAFKA,
        at("spec/kafka/listeners/1/networkPolicyPeers", []),
        "Kafka",
    ),
    manifests(
        "kafka-listener-network",
        "every namespace",
        "kafka.listeners[0]",
        KAFKA,
        at("spec/kafka/listeners/0/networkPolicyPeers", [{"namespaceSelector": {}}]),
        "Kafka",
    ),
    spec("kafka-authorization", "off", "kafka.authorization.type", {"kafka.authorization": {"type": "none"}}),
    manifests(
        "kafka-authorization",
        "rendered without",
        "kafka.authorization.type",
        KAFKA,
        at("spec/kafka/authorization", env.REMOVED),
        "Kafka",
    ),
    Case(
        "kafka-authorization",
        "docker without",
        lambda: env.with_properties("authorizer.class.name=", "another.class.name="),
        "kafka.authorization.type",
        BROKER,
        "docker",
    ),
    manifests(
        "kafka-authorization",
        "open where no ACL",
        'kafka.config["allow.everyone.if.no.acl.found"]',
        KAFKA,
        config(allow_everyone_if_no_acl_found="true"),
        "Kafka",
    ),
    spec(
        "kafka-super-users-few",
        "four",
        "kafka.authorization.superUsers",
        {
            "kafka.authorization.superUsers": ["platform-admin", "b", "c", "d"],
            **{f"kafka.users[{i}]": {"name": name, "owner": "x"} for i, name in enumerate("bcd", 1)},
        },
    ),
    manifests(
        "kafka-super-users-declared",
        "a stranger",
        "kafka.authorization.superUsers",
        KAFKA,
        at("spec/kafka/authorization/superUsers", ["CN=mallory"]),
        "Kafka",
    ),
    Case(
        "kafka-super-users-declared",
        "docker",
        lambda: env.with_properties("super.users=", "super.users=User:mallory;"),
        "kafka.authorization.superUsers",
        BROKER,
        "docker",
    ),
    spec(
        "kafka-acl-wildcard",
        "every topic",
        "kafka.users[0]",
        {"kafka.users[0].consumes": ["*"]},
        "KafkaUser/cdc/platform-admin",
    ),
    spec(
        "kafka-acl-wildcard", "every group", "kafka.users[0]", {"kafka.users[0].groups": ["*"]}, "KafkaUser/cdc/platform-admin"
    ),
    spec(
        "kafka-acl-all",
        "all operations",
        "kafka.users[0]",
        {"kafka.users[0].acls": [{**_ACL, "operations": ["All"]}]},
        "KafkaUser/cdc/platform-admin",
    ),
    spec(
        "kafka-acl-cluster",
        "Alter",
        "kafka.users[0]",
        {"kafka.users[0].acls": [{"resource": "cluster", "operations": ["Alter", "Describe"]}]},
        "KafkaUser/cdc/platform-admin",
    ),
    spec(
        "kafka-acl-host",
        "a name",
        "kafka.users[0]",
        {"kafka.users[0].acls": [{**_ACL, "host": "app.shop"}]},
        "KafkaUser/cdc/platform-admin",
    ),
    spec(
        "kafka-acl-host",
        "a network",
        "kafka.users[0]",
        {"kafka.users[0].acls": [{**_ACL, "host": "10.0.0.0/8"}]},
        "KafkaUser/cdc/platform-admin",
    ),
    spec(
        "kafka-tenant-isolation",
        "another's topic",
        "pipelines[0].sinkUser",
        {"pipelines[0].sinkUser": {"access": {"reads": [INVOICES]}}},
        "KafkaUser/cdc/shop-orders-sink",
    ),
    spec(
        "kafka-tenant-isolation",
        "another's prefix",
        "pipelines[0].sourceUser",
        {"pipelines[0].sourceUser": {"access": {"writes": ["b*"]}}},
        "KafkaUser/cdc/shop-orders-source",
    ),
    spec(
        "kafka-tenant-isolation",
        "another's group",
        "kafka.users[1]",
        {"kafka.users[1]": {"name": "reader", "tenant": "shop", "groups": ["billing_invoices_sink"]}, "tenants[0].budget": {}},
        "KafkaUser/cdc/reader",
    ),
)
