"""What each node of the docker target's Kafka is told, completely."""

import pytest

from components.core.errors import SpecError
from components.kafka.nodes import cluster_id
from components.kafka.properties import LOCAL_TIERED_STORAGE
from tests.unit.java_properties import java_load
from tests.unit.kafka_on_docker import DEVELOPMENT, PRODUCTION, Plain, environment, rendered, workload

QUORUM = "cdc-controllers-100:9090,cdc-controllers-101:9090,cdc-controllers-102:9090"
NODE_RULE = "RULE:^CN=([a-zA-Z0-9._-]+)(,.*)?$/node:$1/"
CERTIFICATES = {
    "ssl.keystore.type": "PEM",
    "ssl.keystore.location": "/run/secrets/kafka/keystore.pem",
    "ssl.truststore.type": "PEM",
    "ssl.truststore.location": "/run/secrets/kafka/cluster-ca.pem",
    "ssl.enabled.protocols": "TLSv1.3",
}
AUTHORIZATION = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "false",
    "super.users": "User:node:cdc-controllers-100;User:node:cdc-controllers-101;User:node:cdc-controllers-102;"
    "User:node:cdc-brokers-0;User:node:cdc-brokers-1;User:node:cdc-brokers-2;User:admin",
}
DEFAULTS = {
    "auto.create.topics.enable": "false",
    "compression.type": "lz4",
    "log.retention.ms": "604800000",
    "log.segment.bytes": "1073741824",
    "message.max.bytes": "1048576",
    "min.insync.replicas": "2",
    "num.network.threads": "8",
    "offsets.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "transaction.state.log.replication.factor": "3",
    "unclean.leader.election.enable": "false",
}
METADATA_CLIENT = "rlmm.config.remote.log.metadata.common.client"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"

CONTROLLER = {
    "process.roles": "controller",
    "node.id": "101",
    "controller.quorum.bootstrap.servers": QUORUM,
    "controller.quorum.auto.join.enable": "true",
    "listeners": "CONTROLLER-9090://cdc-controllers-101:9090",
    "controller.listener.names": "CONTROLLER-9090",
    "listener.security.protocol.map": "CONTROLLER-9090:SSL",
    **CERTIFICATES,
    "listener.name.controller-9090.ssl.client.auth": "required",
    "listener.name.controller-9090.ssl.principal.mapping.rules": NODE_RULE,
    **AUTHORIZATION,
    "log.dirs": "/var/lib/kafka/data/0",
    "metadata.log.dir": "/var/lib/kafka/data/0",
    **DEFAULTS,
    "default.replication.factor": "3",
    "num.partitions": "10",
    "remote.log.storage.system.enable": "true",
}
BROKER = {
    "process.roles": "broker",
    "node.id": "2",
    "broker.rack": "a",
    "controller.quorum.bootstrap.servers": QUORUM,
    "listeners": "REPLICATION-9091://cdc-brokers-2:9091,CLIENTS-9093://cdc-brokers-2:9093,MUTUAL-9094://cdc-brokers-2:9094,"
    "OPEN-9095://cdc-brokers-2:9095,HOST-19092://cdc-brokers-2:19092",
    "advertised.listeners": "REPLICATION-9091://cdc-brokers-2:9091,CLIENTS-9093://cdc-brokers-2:9093,"
    "MUTUAL-9094://cdc-brokers-2:9094,OPEN-9095://cdc-brokers-2:9095,HOST-19092://127.0.0.1:19094",
    "inter.broker.listener.name": "REPLICATION-9091",
    "controller.listener.names": "CONTROLLER-9090",
    "listener.security.protocol.map": "CONTROLLER-9090:SSL,REPLICATION-9091:SSL,CLIENTS-9093:SASL_SSL,MUTUAL-9094:SSL,"
    "OPEN-9095:SSL,HOST-19092:SASL_PLAINTEXT",
    **CERTIFICATES,
    "listener.name.replication-9091.ssl.client.auth": "required",
    "listener.name.replication-9091.ssl.principal.mapping.rules": NODE_RULE,
    "listener.name.clients-9093.sasl.enabled.mechanisms": "SCRAM-SHA-512",
    "listener.name.clients-9093.scram-sha-512.sasl.jaas.config": SCRAM,
    "listener.name.mutual-9094.ssl.client.auth": "required",
    "listener.name.mutual-9094.ssl.principal.mapping.rules": "RULE:^CN=([a-zA-Z0-9._-]+)(,.*)?$/$1/",
    "listener.name.mutual-9094.ssl.truststore.location": "/run/secrets/kafka/clients-ca.pem",
    "listener.name.host-19092.sasl.enabled.mechanisms": "SCRAM-SHA-512",
    "listener.name.host-19092.scram-sha-512.sasl.jaas.config": SCRAM,
    **AUTHORIZATION,
    "log.dirs": "/var/lib/kafka/data/0,/var/lib/kafka/data/1",
    "metadata.log.dir": "/var/lib/kafka/data/0",
    **DEFAULTS,
    "max.connection.creation.rate": "100",
    "max.connections": "5000",
    "listener.name.replication-9091.max.connection.creation.rate": "2147483647",
    "listener.name.replication-9091.max.connections": "2147483647",
    "remote.log.storage.system.enable": "true",
    "remote.log.storage.manager.class.name": "io.aiven.kafka.tieredstorage.RemoteStorageManager",
    "remote.log.storage.manager.class.path": "/opt/kafka/plugins/tiered-storage/*",
    "remote.log.storage.manager.impl.prefix": "rsm.config.",
    "rsm.config.chunk.size": "4194304",
    "rsm.config.key.prefix": "trial/cdc/",
    "rsm.config.storage.backend.class": "io.aiven.kafka.tieredstorage.storage.s3.S3Storage",
    "rsm.config.storage.s3.bucket.name": "old",
    "rsm.config.storage.s3.region": "eu",
    "remote.log.metadata.manager.listener.name": "REPLICATION-9091",
    "remote.log.metadata.manager.impl.prefix": "rlmm.config.",
    "rlmm.config.remote.log.metadata.topic.min.isr": "2",
    "rlmm.config.remote.log.metadata.topic.replication.factor": "3",
    f"{METADATA_CLIENT}.security.protocol": "SSL",
    f"{METADATA_CLIENT}.ssl.keystore.type": "PEM",
    f"{METADATA_CLIENT}.ssl.keystore.location": "/run/secrets/kafka/keystore.pem",
    f"{METADATA_CLIENT}.ssl.truststore.type": "PEM",
    f"{METADATA_CLIENT}.ssl.truststore.location": "/run/secrets/kafka/cluster-ca.pem",
}
COMBINED = {
    "process.roles": "broker,controller",
    "node.id": "0",
    "controller.quorum.bootstrap.servers": "cdc-brokers-0:9090",
    "controller.quorum.auto.join.enable": "true",
    "listeners": "CONTROLLER-9090://cdc-brokers-0:9090,REPLICATION-9091://cdc-brokers-0:9091,PLAIN-9092://cdc-brokers-0:9092",
    "advertised.listeners": "REPLICATION-9091://cdc-brokers-0:9091,PLAIN-9092://cdc-brokers-0:9092",
    "inter.broker.listener.name": "REPLICATION-9091",
    "controller.listener.names": "CONTROLLER-9090",
    "listener.security.protocol.map": "CONTROLLER-9090:PLAINTEXT,REPLICATION-9091:PLAINTEXT,PLAIN-9092:PLAINTEXT",
    "log.dirs": "/var/lib/kafka/data/0",
    "metadata.log.dir": "/var/lib/kafka/data/0",
    "auto.create.topics.enable": "false",
    "compression.type": "lz4",
    "default.replication.factor": "1",
    "log.retention.ms": "604800000",
    "log.segment.bytes": "1073741824",
    "max.connection.creation.rate": "100",
    "listener.name.replication-9091.max.connection.creation.rate": "2147483647",
    "message.max.bytes": "1048576",
    "min.insync.replicas": "1",
    "num.partitions": "10",
    "offsets.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.replication.factor": "1",
    "unclean.leader.election.enable": "false",
}


def properties(name: str, plain: Plain, **kafka: object) -> dict[str, str]:
    return java_load(workload(name, plain, **kafka).files["/etc/cdc/server.properties"])


@pytest.mark.parametrize(
    ("name", "plain", "expected"),
    [
        ("cdc-controllers-101", PRODUCTION, CONTROLLER),
        ("cdc-brokers-2", PRODUCTION, BROKER),
        ("cdc-brokers-0", DEVELOPMENT, COMBINED),
    ],
)
def test_a_node_is_told_exactly_this(name: str, plain: Plain, expected: dict[str, str]) -> None:
    assert properties(name, plain) == expected


def test_no_setting_is_written_twice() -> None:
    for node in rendered(PRODUCTION).workloads:
        text = node.files["/etc/cdc/server.properties"]
        keys = [line.partition("=")[0] for line in text.splitlines() if line and not line.startswith("#")]
        assert len(keys) == len(set(keys)), node.name


def test_the_users_own_settings_come_last() -> None:
    text = workload("cdc-brokers-0", PRODUCTION).files["/etc/cdc/server.properties"]
    assert text.endswith("# kafka.config\nnum.network.threads=8\nunclean.leader.election.enable=false\n")


def test_a_local_store_is_one_folder_for_all_brokers() -> None:
    local = {"store": "local", "bucket": "old", "config": {"delete.on.close": True}}
    told = properties("cdc-brokers-1", PRODUCTION, tiered=local)
    assert told["remote.log.storage.manager.class.name"] == LOCAL_TIERED_STORAGE
    assert {key: value for key, value in told.items() if key.startswith("rsm.")} == {
        "rsm.config.dir": "/var/lib/kafka/tiered/old",
        "rsm.config.delete.on.close": "true",
    }
    mounts = {w.name: [m for m in w.mounts if m.volume == "cdc-tiered"] for w in rendered(PRODUCTION, tiered=local).workloads}
    assert {name for name, found in mounts.items() if found} == {"cdc-brokers-0", "cdc-brokers-1", "cdc-brokers-2"}


def test_internal_topics_of_a_small_cluster_fit_into_it() -> None:
    told = properties("cdc-brokers-0", DEVELOPMENT, brokers=2, topicDefaults={"replicas": 2})
    factors = {key: value for key, value in told.items() if key.endswith(("replication.factor", "min.isr"))}
    assert set(factors.values()) == {"1", "2"}


def test_the_same_spec_gives_the_same_bytes() -> None:
    assert rendered(PRODUCTION) == rendered(PRODUCTION)


def test_nothing_secret_and_no_reference_to_a_secret_is_told_to_a_node() -> None:
    for node in rendered(PRODUCTION).workloads:
        text = repr((node.files, node.environment, node.command))
        assert "vault:" not in text
        assert "password=" not in text.lower()


def test_a_cluster_id_is_one_that_kafka_takes() -> None:
    """22 characters of URL-safe base64, not beginning with ``-``; another environment's is another."""
    ids = set()
    for name in range(200):
        spec = environment(DEVELOPMENT, name=f"c{name}")
        found = cluster_id(spec.kafka, spec.context)
        assert len(found) == 22
        assert found.replace("-", "a").replace("_", "a").isalnum()
        assert not found.startswith("-")
        ids.add(found)
    assert len(ids) == 200


def test_anonymous_brokers_are_refused_where_there_is_authorization() -> None:
    with pytest.raises(SpecError, match=r"kafka\.tls\.internal"):
        environment(DEVELOPMENT, authorization={"type": "simple"})
