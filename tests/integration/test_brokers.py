"""What the rendered docker target promises, held by real brokers that its own ``compose.yaml`` started."""

import contextlib
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.cimpl import NewTopic

from tests.harness.cdc_command import real_cdc
from tests.harness.certificates import ENDED, CertificateAuthority
from tests.harness.compose_project import ComposeError, load_compose
from tests.harness.docker_stack import DockerStack
from tests.harness.kafka_clients import Addresses, Config, KafkaClients, is_in_sync, read_error
from tests.harness.processes import wait_until
from tests.harness.running_kafka import RECOVERY_SECONDS, Load, RunningKafka, running_kafka

pytestmark = pytest.mark.integration

STACKS = Path(__file__).parent
REPOSITORY = STACKS.parents[1]
BROKER = "trial-brokers-0"
ADMIN = "platform-admin"
SHOP_SOURCE, SHOP_SINK, ORDERS, DLQ = "shop-orders-source", "shop-orders-sink", "shop_orders_orders", "shop_orders_dlq"
BILLING_SOURCE, BILLING_SINK, INVOICES = "billing-invoices-source", "billing-invoices-sink", "billing_invoices_invoices"
ARCHIVE = "shop_archive_events"

BURST_SECONDS = 10
"""Kafka measures a rate over at least this long (11 samples of a second), so that much of it may pass at once."""

CONNECTING_AT_ONCE = 16
TLS_ALERT = b"\x15"
RECORD_BYTES = 16 << 10
SLOW_SECONDS = 0.5


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningKafka]:
    """Three controllers and three brokers, in the rendered state."""
    stack = DockerStack.lay_out(STACKS, "trial", tmp_path_factory.mktemp("trial"))
    with running_kafka(stack, ADMIN) as kafka:
        yield kafka


# Who may connect


def test_a_pipelines_source_writes_what_its_sink_reads_back(trial: RunningKafka) -> None:
    values = [f"row {number}".encode() for number in range(300)]
    written = trial.clients.write(trial.clients.as_user(SHOP_SOURCE), "shop_orders_order_lines", values)
    assert (written.refused, sorted(written.acknowledged)) == ([], sorted(values))
    sink = trial.clients.as_user(SHOP_SINK)
    assert sorted(trial.clients.read_in_group(sink, ["shop_orders_order_lines"], "shop_orders_sink", 300)) == sorted(values)


def test_a_client_on_the_machine_reaches_every_broker_through_its_published_port(trial: RunningKafka) -> None:
    servers = ",".join(f"127.0.0.1:{19092 + node}" for node in range(3))
    config = trial.clients.as_user(SHOP_SOURCE) | {"bootstrap.servers": servers}
    seen = trial.clients.admin(config).list_topics(timeout=20)
    assert sorted(f"{broker.host}:{broker.port}" for broker in seen.brokers.values()) == servers.split(",")
    written = trial.clients.write(config, "shop_orders_heartbeat", [b"from outside"])
    assert written.acknowledged == [b"from outside"]


def test_a_client_with_a_certificate_reads_as_the_user_it_names(trial: RunningKafka) -> None:
    trial.clients.write(trial.clients.as_user(SHOP_SOURCE), "shop_orders_heartbeat", [b"beat"])
    values = trial.clients.read_all(trial.clients.as_user("shop-auditor"), "shop_orders_heartbeat")
    assert b"beat" in values


def no_encryption(trial: RunningKafka) -> Config:
    return trial.clients.as_user(SHOP_SOURCE) | {"security.protocol": "SASL_PLAINTEXT"}


def wrong_authority(trial: RunningKafka) -> Config:
    return trial.clients.as_user(SHOP_SOURCE) | {"ssl.ca.pem": trial.stack.clients_ca.certificate}


def wrong_password(trial: RunningKafka) -> Config:
    return trial.clients.scram(SHOP_SOURCE, "not the password")


def unknown_user(trial: RunningKafka) -> Config:
    return trial.clients.scram("nobody", trial.stack.passwords[SHOP_SOURCE])


def name_of_a_node(trial: RunningKafka) -> Config:
    return trial.clients.scram(f"node:{BROKER}", trial.stack.passwords[SHOP_SOURCE])


def no_certificate(trial: RunningKafka) -> Config:
    return trial.clients.mutual(None)


def certificate_of_another_authority(trial: RunningKafka) -> Config:
    return trial.clients.mutual(trial.stack.cluster_ca.issue(ADMIN))


def certificate_that_has_ended(trial: RunningKafka) -> Config:
    return trial.clients.mutual(trial.stack.clients_ca.issue(ADMIN, lifetime=ENDED))


def certificate_that_signs_for_itself(trial: RunningKafka) -> Config:
    """An authority of the same name as the clients'."""
    return trial.clients.mutual(CertificateAuthority("clients").issue(ADMIN))


def name_that_is_not_in_the_brokers_certificate(trial: RunningKafka) -> Config:
    """Here it is the client that refuses: its own address is not a name of the broker's."""
    address = trial.project.namespace.run(lambda: socket.gethostbyname(BROKER))
    return trial.clients.as_user(SHOP_SOURCE) | {"bootstrap.servers": f"{address}:9093"}


def clients_certificate_between_nodes(trial: RunningKafka) -> Config:
    config = trial.clients.mutual(trial.stack.clients_ca.issue(BROKER, BROKER))
    return config | {"bootstrap.servers": f"{BROKER}:9091"}


def no_certificate_for_a_controller(trial: RunningKafka) -> Config:
    return trial.clients.mutual(None) | {"bootstrap.servers": "trial-controllers-100:9090"}


@pytest.mark.parametrize(
    ("config", "reasons"),
    [
        (no_encryption, {KafkaError._TRANSPORT}),
        (wrong_authority, {KafkaError._SSL}),
        (wrong_password, {KafkaError._AUTHENTICATION}),
        (unknown_user, {KafkaError._AUTHENTICATION}),
        (name_of_a_node, {KafkaError._AUTHENTICATION}),
        (no_certificate, {KafkaError._SSL}),
        (certificate_of_another_authority, {KafkaError._SSL}),
        (certificate_that_has_ended, {KafkaError._SSL}),
        (certificate_that_signs_for_itself, {KafkaError._SSL}),
        (name_that_is_not_in_the_brokers_certificate, {KafkaError._SSL}),
        (clients_certificate_between_nodes, {KafkaError._SSL}),
        (no_certificate_for_a_controller, {KafkaError._SSL}),
    ],
)
def test_a_client_that_cannot_prove_itself_is_refused(
    trial: RunningKafka, config: Callable[[RunningKafka], Config], reasons: set[int]
) -> None:
    """By its own fault: the same client with the right proof is let in by the tests above."""
    errors: list[KafkaError] = []
    admin = trial.clients.admin(config(trial) | {"error_cb": errors.append})
    wait_until("the client is told why", lambda: bool(admin.poll(0.1) or reasons & {e.code() for e in errors}), 20)
    with pytest.raises(KafkaException):
        admin.list_topics(timeout=1)


# Who may do what


def codes_of_writing(trial: RunningKafka, user: str, topic: str) -> list[int]:
    return trial.clients.write(trial.clients.as_user(user), topic, [b"?"]).refused


def test_a_user_without_acls_sees_nothing_and_writes_nothing(trial: RunningKafka) -> None:
    newcomer = trial.clients.as_user("newcomer")
    assert trial.clients.admin(newcomer).list_topics(timeout=20).topics == {}
    assert codes_of_writing(trial, "newcomer", ORDERS) == [KafkaError.TOPIC_AUTHORIZATION_FAILED]


def test_a_clients_certificate_with_the_name_of_a_node_makes_no_node_of_it(trial: RunningKafka) -> None:
    """Nodes are super users; what the clients' authority signs must never be one."""
    config = trial.clients.mutual(trial.stack.clients_ca.issue(BROKER))
    assert trial.clients.admin(config).list_topics(timeout=20).topics == {}
    assert trial.clients.write(config, ORDERS, [b"?"]).refused == [KafkaError.TOPIC_AUTHORIZATION_FAILED]


@dataclass(frozen=True)
class Tenant:
    source: str
    sink: str
    topic: str
    group: str


SHOP = Tenant(SHOP_SOURCE, SHOP_SINK, ORDERS, "shop_orders_sink")
BILLING = Tenant(BILLING_SOURCE, BILLING_SINK, INVOICES, "billing_invoices_sink")


@pytest.mark.parametrize(("tenant", "other"), [(SHOP, BILLING), (BILLING, SHOP)], ids=["shop", "billing"])
def test_a_tenant_reaches_no_other_tenants_topics_and_groups(trial: RunningKafka, tenant: Tenant, other: Tenant) -> None:
    assert codes_of_writing(trial, tenant.source, other.topic) == [KafkaError.TOPIC_AUTHORIZATION_FAILED]
    reader = trial.clients.consumer(trial.clients.as_user(tenant.sink), tenant.group)
    reader.subscribe([other.topic])
    assert read_error(reader) == KafkaError.TOPIC_AUTHORIZATION_FAILED
    reader.close()
    member = trial.clients.consumer(trial.clients.as_user(tenant.sink), other.group)
    member.subscribe([tenant.topic])
    assert read_error(member) == KafkaError.GROUP_AUTHORIZATION_FAILED
    member.close()


def test_a_sink_writes_dead_letters_but_no_changes(trial: RunningKafka) -> None:
    assert codes_of_writing(trial, SHOP_SINK, ORDERS) == [KafkaError.TOPIC_AUTHORIZATION_FAILED]
    assert codes_of_writing(trial, SHOP_SINK, DLQ) == []


def test_a_topic_nobody_declared_does_not_come_to_be(trial: RunningKafka) -> None:
    """Not even for a super user, whom no ACL stops."""
    config = trial.clients.as_user(ADMIN) | {"topic.metadata.propagation.max.ms": 1000}
    written = trial.clients.write(config, "never_declared", [b"?"])
    assert written.refused == [KafkaError.UNKNOWN_TOPIC_OR_PART]
    assert "never_declared" not in trial.admin.list_topics(timeout=20).topics


# How much


def throttled_write(trial: RunningKafka, user: str, topic: str, count: int) -> tuple[float, float]:
    """Seconds that ``count`` incompressible records took, and the longest throttling that a broker announced in seconds."""
    announced: list[float] = [0]
    config = trial.clients.as_user(user) | {"throttle_cb": lambda event: announced.append(event.throttle_time)}
    value = os.urandom(RECORD_BYTES)
    began = time.monotonic()
    written = trial.clients.write(config, topic, [value] * count, partition=0)
    assert len(written.acknowledged) == count
    return time.monotonic() - began, max(announced)


def test_a_client_over_its_quota_is_throttled_and_others_are_not(trial: RunningKafka) -> None:
    """5 MiB at 256 KiB/s take 20 s, less the burst that is let through; a user with a larger quota needs no such time."""
    quota = trial.stack.spec.tenants[1].quota.produce
    assert quota is not None
    count = 20 * quota // RECORD_BYTES
    free, none = throttled_write(trial, ADMIN, INVOICES, count)
    slow, announced = throttled_write(trial, BILLING_SOURCE, INVOICES, count)
    assert slow > 20 - BURST_SECONDS - 1
    assert slow > 4 * free
    assert announced > 0 == none


def seconds_to_be_heard(trial: RunningKafka, port: int, count: int) -> float:
    """How long one broker takes to hear out ``count`` strangers, some at a time: it hangs up on each, having accepted it."""

    def be_refused(_: int) -> None:
        with socket.create_connection((BROKER, port), timeout=60) as stranger:
            stranger.sendall(b"no TLS at all")
            assert stranger.recv(1 << 10)[:1] in {b"", TLS_ALERT}

    def be_refused_inside(number: int) -> None:
        trial.project.namespace.run(lambda: be_refused(number))

    began = time.monotonic()
    with ThreadPoolExecutor(CONNECTING_AT_ONCE) as strangers:
        list(strangers.map(be_refused_inside, range(count)))
    return time.monotonic() - began


def test_connections_over_the_rate_wait_and_those_between_brokers_do_not(trial: RunningKafka) -> None:
    rate = trial.stack.spec.kafka.quotas.connection_rate
    assert rate is not None
    count = int(rate * (BURST_SECONDS + 10))
    between_brokers = seconds_to_be_heard(trial, 9091, count)
    of_clients = seconds_to_be_heard(trial, 9093, count)
    assert of_clients > count / rate - BURST_SECONDS - 1
    assert of_clients > 2 * between_brokers


# What survives


def test_a_killed_broker_loses_no_acknowledged_write_and_stops_no_other(trial: RunningKafka) -> None:
    load = Load(trial.clients, trial.clients.as_user(SHOP_SOURCE) | {"enable.idempotence": True}, ORDERS)
    wait_until("the load runs", lambda: len(load.deliveries.acknowledged) > 200, 30)
    broker = trial.project.containers[trial.brokers[1]]
    broker.kill()
    killed = time.monotonic()
    try:
        wait_until("writes go on", lambda: load.acknowledged_since(killed + 1) > 1000, 60)
        acknowledged = load.end()
        for partition in range(3):
            user = trial.clients.as_user(SHOP_SOURCE)
            assert trial.clients.write(user, ORDERS, [b"without one broker"], partition=partition).refused == []
        assert not broker.is_running
        assert not broker.passes_health_check()
    finally:
        load.end()
        trial.restart(broker.name)
    assert load.deliveries.refused == []
    stored = trial.clients.read_all(trial.clients.as_user(SHOP_SINK), ORDERS)
    assert set(acknowledged) <= set(stored)
    assert len(acknowledged) > 1200


def test_two_killed_brokers_refuse_writes_and_lose_none(trial: RunningKafka) -> None:
    user = trial.clients.as_user(SHOP_SOURCE)
    values = [f"before {number}".encode() for number in range(300)]
    assert trial.clients.write(user, ORDERS, values).refused == []
    refusals: list[int] = []

    def refused_for_want_of_replicas() -> bool:
        one_try = {"retries": 0, "request.timeout.ms": 3000, "message.timeout.ms": 10_000}
        written = trial.clients.write(user | one_try, ORDERS, [b"too few replicas"], partition=0)
        assert written.acknowledged == [], "one replica acknowledged a write"
        refusals.extend(written.refused)
        return refusals[-1] == KafkaError.NOT_ENOUGH_REPLICAS

    for name in trial.brokers[1:]:
        trial.project.containers[name].kill()
    try:
        wait_until("writes are refused for want of replicas", refused_for_want_of_replicas, RECOVERY_SECONDS)
    finally:
        trial.restart(*trial.brokers[1:])
    assert trial.clients.write(user, ORDERS, [b"after"]).refused == []
    assert set(values) | {b"after"} <= set(trial.clients.read_all(trial.clients.as_user(SHOP_SINK), ORDERS))


def test_a_killed_controller_leaves_the_cluster_able_to_change(trial: RunningKafka) -> None:
    """The three that were formatted with the rendered command are the voters; two of them are enough."""
    status = trial.tool("org.apache.kafka.tools.MetadataQuorumCommand", "describe", "--status")
    fields = {key: value.strip() for key, _, value in (line.partition(":") for line in status.splitlines())}
    voters = json.loads(fields["CurrentVoters"])
    assert [voter["id"] for voter in voters] == [100, 101, 102]
    assert all(voter["directoryId"] in str(trial.stack.rendered.workloads) for voter in voters)
    leader = f"trial-controllers-{fields['LeaderId']}"
    trial.project.containers[leader].kill()
    try:
        trial.admin.create_topics([NewTopic("made_without_a_controller", 1, 3)])["made_without_a_controller"].result(60)
    finally:
        trial.restart(leader)
    assert trial.project.containers[leader].passes_health_check()


def quorum_leader(trial: RunningKafka) -> str:
    status = trial.tool("org.apache.kafka.tools.MetadataQuorumCommand", "describe", "--status")
    [node] = [line.partition(":")[2].strip() for line in status.splitlines() if line.startswith("LeaderId")]
    return f"trial-controllers-{node}"


def test_a_leading_controller_that_is_cut_off_is_replaced(trial: RunningKafka) -> None:
    leader = quorum_leader(trial)
    with trial.project.cut_off(leader):
        trial.admin.create_topics([NewTopic("made_beside_a_controller", 1, 3)])["made_beside_a_controller"].result(60)
        assert quorum_leader(trial) != leader
    wait_until("it serves again", trial.project.containers[leader].passes_health_check, RECOVERY_SECONDS, 0.5)


def leader_of(trial: RunningKafka, topic: str, partition: int) -> int:
    """Its number; -1 where there is none, or where it was the silent one that was asked."""
    try:
        return trial.admin.list_topics(topic, timeout=5).topics[topic].partitions[partition].leader
    except KafkaException:
        return -1


def test_a_broker_that_falls_silent_is_led_around_and_comes_back(trial: RunningKafka) -> None:
    """It is stopped, not dead: its connections stay open, and it gets no CPU until it is let go."""
    impatient = {"socket.timeout.ms": 3000, "request.timeout.ms": 3000, "enable.idempotence": True}
    user = trial.clients.as_user(SHOP_SOURCE) | impatient
    silent = leader_of(trial, ORDERS, 0)
    load = Load(trial.clients, user, ORDERS)
    wait_until("the load runs", lambda: len(load.deliveries.acknowledged) > 100, 30)
    trial.project.containers[trial.brokers[silent]].signal(signal.SIGSTOP)
    try:
        wait_until("another leads", lambda: leader_of(trial, ORDERS, 0) not in {silent, -1}, 2 * RECOVERY_SECONDS, 0.2)
        assert trial.clients.write(user, ORDERS, [b"beside a silent broker"], partition=0).refused == []
    finally:
        trial.project.containers[trial.brokers[silent]].signal(signal.SIGCONT)
        acknowledged = load.end()
    wait_until("every replica is in sync", lambda: is_in_sync(trial.admin), RECOVERY_SECONDS, 0.5)
    assert load.deliveries.refused == []
    assert set(acknowledged) <= set(trial.clients.read_all(trial.clients.as_user(SHOP_SINK), ORDERS))


def test_a_slow_way_to_a_broker_slows_writes_and_refuses_none(trial: RunningKafka) -> None:
    servers = ",".join(f"127.0.0.1:{19092 + node}" for node in range(3))
    producer = trial.clients.producer(trial.clients.as_user(SHOP_SOURCE) | {"bootstrap.servers": servers})
    refused: list[KafkaError] = []

    def seconds_to_write() -> float:
        began = time.monotonic()
        producer.produce(ORDERS, b"slowly", partition=0, on_delivery=lambda error, _: refused.extend([error] if error else []))
        assert producer.flush(60) == 0
        return time.monotonic() - began

    seconds_to_write()
    quick = seconds_to_write()
    with trial.project.slowed(trial.brokers[leader_of(trial, ORDERS, 0)], SLOW_SECONDS):
        assert seconds_to_write() > max(quick, 2 * SLOW_SECONDS)
    assert refused == []


def test_every_serving_node_passes_its_health_check(trial: RunningKafka) -> None:
    """And a dead one does not: see the killed broker."""
    assert all(container.passes_health_check() for container in trial.project.containers.values())


@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
def test_brokers_recompress_every_codec_although_their_root_is_read_only(trial: RunningKafka, codec: str) -> None:
    """Compressors unpack native code when they are first used."""
    config = trial.clients.as_user(SHOP_SOURCE) | {"compression.type": codec}
    value = codec.encode() * 1000
    assert trial.clients.write(config, "shop_orders_schema_history", [value]).refused == []
    assert value in trial.clients.read_all(trial.clients.as_user(SHOP_SOURCE), "shop_orders_schema_history")


# Old data


def replicas_of(trial: RunningKafka, topic: str) -> list[Path]:
    return sorted((trial.stack.work / "volumes").glob(f"*-data/*/{topic}-0"))


def test_old_records_are_read_from_the_store_after_they_left_the_disks(trial: RunningKafka) -> None:
    user = trial.clients.as_user("shop-archive")
    values = [f"{number:06d} ".encode() + os.urandom(8 << 10) for number in range(600)]
    assert trial.clients.write(user, ARCHIVE, values, partition=0).refused == []
    first_segment = "00000000000000000000.log"
    assert len(replicas_of(trial, ARCHIVE)) == 3
    wait_until(
        "the first segment has left every disk",
        lambda: not any((replica / first_segment).exists() for replica in replicas_of(trial, ARCHIVE)),
        60,
    )
    store = trial.stack.work / "volumes" / "trial-tiered" / "trial"
    assert list(store.rglob(f"{ARCHIVE}-0-*/00000000000000000000-*.log"))
    offsets = trial.tool("org.apache.kafka.tools.GetOffsetShell", "--topic", ARCHIVE, "--time", "earliest-local")
    assert int(offsets.strip().rpartition(":")[2]) > 0
    assert trial.clients.read_all(user, ARCHIVE) == values


# What must not be seen


def test_no_password_and_no_key_is_in_the_rendered_tree_or_in_a_log(trial: RunningKafka) -> None:
    """Nor in what starts the programs: their arguments and their environment."""
    secrets = [*trial.stack.passwords.values(), "PRIVATE KEY"]
    files = [path for folder in ("tree", "logs") for path in (trial.stack.work / folder).rglob("*") if path.is_file()]
    assert len(files) > 12
    network = trial.project.namespace.run(lambda: os.readlink("/proc/thread-self/ns/net"))
    running = [path for path in Path("/proc").glob("[0-9]*") if network_of(path) == network]
    assert len(running) >= len(trial.project.containers)
    for path in (*files, *(path / name for path in running for name in ("cmdline", "environ"))):
        text = path.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], path


def network_of(process: Path) -> str | None:
    """``None`` for one that has ended."""
    try:
        return os.readlink(process / "ns" / "net")
    except OSError:
        return None


def test_what_cdc_says_and_writes_about_a_stack_holds_none_of_its_secrets(trial: RunningKafka, tmp_path: Path) -> None:
    secrets = [*trial.stack.passwords.values(), "PRIVATE KEY"]
    for file in (REPOSITORY / "Pulumi.yaml", STACKS / "Pulumi.trial.yaml"):
        shutil.copy(file, tmp_path)
    known = {"CDC_SECRETS_DIR": str(trial.stack.work / "secrets")}
    said = [real_cdc(verb, "trial", cwd=tmp_path, **known) for verb in ("render", "check", "preview")]
    assert said[0].code == 0, said[0].text
    written = [path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 12
    for text in (*(one.text for one in said), *written):
        assert not [secret for secret in secrets if secret in text]


# The files themselves


def test_docker_composes_own_library_refuses_a_misspelt_key_by_its_name(trial: RunningKafka, tmp_path: Path) -> None:
    """So its having taken the rendered file, which everything here was started from, means something."""
    misspelt = tmp_path / "compose.yaml"
    misspelt.write_text((trial.stack.tree / "compose.yaml").read_text().replace("read_only: true", "readonly: true", 1))
    with pytest.raises(ComposeError, match="readonly"):
        load_compose(misspelt, {})


# A development environment


def test_the_development_stack_serves_a_client_on_the_machine(tmp_path: Path) -> None:
    """One node that is controller and broker, without certificates; its published port is all that a client needs."""
    stack = DockerStack.lay_out(REPOSITORY, "dev", tmp_path)
    with contextlib.closing(stack.project()) as project:
        project.up("cdc-brokers-0")
        clients = KafkaClients(project.namespace, Addresses("", ""), stack.cluster_ca, {}, {})
        config: Config = {"bootstrap.servers": "127.0.0.1:19092"}
        assert clients.write(config, "made_by_first_use", [b"hello"]).refused == []
        assert clients.read_all(config, "made_by_first_use") == [b"hello"]
        node = project.containers["cdc-brokers-0"]
        node.stop()
        node.start()
        node.wait_healthy()
        admin = clients.admin(config)
        wait_until("the partitions have a leader", lambda: is_in_sync(admin), RECOVERY_SECONDS)
        assert clients.read_all(config, "made_by_first_use") == [b"hello"]
