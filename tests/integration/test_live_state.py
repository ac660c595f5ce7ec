"""``cdc plan``, ``apply`` and ``drift`` on three real brokers with passwords and ACLs, watched by Kafka's own tools."""

import json
import random
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from components.environment import EnvironmentSpec
from operations.audit_log import who
from operations.live.kafka_admin import KafkaAdmin
from operations.live.ledger import FencedError, Ledger, leased, topic_name
from operations.live.reach import kafka_settings
from operations.project import load
from tests.harness.cdc_command import Outcome, Project, installed_cdc, project
from tests.harness.kafka_tools_view import View, view
from tests.harness.processes import free_port, wait_until
from tests.harness.secured_cluster import ADMIN, SecuredCluster

pytestmark = pytest.mark.integration

CONFIGS, ACLS, TOPICS = "kafka.admin.ConfigCommand", "org.apache.kafka.tools.AclCommand", "org.apache.kafka.tools.TopicCommand"
PATTERNS = {"literal": "LITERAL", "prefix": "PREFIXED"}
MANY = 80
EDITS = 3

Json = dict[str, Any]


@dataclass
class Spec:
    """A stack file that tests edit."""

    topics: dict[str, Json] = field(default_factory=dict)
    users: dict[str, Json] = field(default_factory=dict)
    tables: list[str] = field(default_factory=lambda: ["shop.orders"])
    produce: str = "2MiB/s"

    def text(self) -> str:
        body = {
            "tier": "development",
            "target": "docker",
            "kafka": {
                "controllers": 0,
                "brokers": {"replicas": 3},
                "listeners": [{"name": "clients", "port": 9093, "tls": False}],
                "topicDefaults": {"partitions": 2},
                "quotas": {"default": {"produce": "100MiB/s"}},
                "topics": [{"name": name, "owner": "team-shop", **more} for name, more in self.topics.items()],
                "users": [{"name": name, "tenant": "shop", **more} for name, more in self.users.items()],
            },
            "tenants": [{"name": "shop", "owner": "team-shop", "quota": {"produce": self.produce, "request": "20%"}}],
            "pipelines": [
                {
                    "name": "orders",
                    "tenant": "shop",
                    "source": {"mysql": {"host": "db", "password": "vault:cdc/db#password", "tables": self.tables}},
                    "sink": {"postgres": {"host": "db", "database": "rows", "password": "secret:rows#password"}},
                }
            ],
        }
        return json.dumps({"config": {"cdc-platform:environment": body}})


@dataclass(frozen=True)
class Live:
    """The cluster, the project beside it, and what is nobody's here."""

    cluster: SecuredCluster
    project: Project
    external: View

    @property
    def root(self) -> Path:
        return self.project.root

    @property
    def spec(self) -> EnvironmentSpec:
        return load(self.root, "live")

    def write(self, spec: Spec) -> None:
        """Writes the stack file, and a password for each of its users."""
        self.project.write("live", spec.text())
        folder = self.root / "secrets"
        folder.mkdir(exist_ok=True)
        for user in self.spec.kafka_state.users:
            (folder / f"{user.name}.password").write_text(f"password of {user.name}\n")

    def words(self, verb: str, *more: str, client: Path | None = None) -> list[str]:
        """A command line of ``cdc``, less the program."""
        secrets = ["--secrets", str(self.root / "secrets")] if verb == "apply" else []
        return [verb, "live", *more, "--kafka-config", str(client or self.cluster.admin_file), *secrets]

    def cdc(self, verb: str, *more: str, client: Path | None = None) -> Outcome:
        return self.project.cdc(*self.words(verb, *more, client=client))

    def json(self, verb: str, *more: str) -> Json:
        """What the verb tells a machine."""
        done = self.cdc(verb, *more, "--json")
        assert done.code in {0, 3}, done.text
        return dict(json.loads(done.out))

    def process(self, *more: str) -> "subprocess.Popen[bytes]":
        """``cdc apply`` as a process of its own."""
        command = [*installed_cdc(), *self.words("apply", "--yes", *more)]
        return subprocess.Popen(command, cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def view(self) -> View:
        return view(self.cluster.observe)

    def logged(self) -> int:
        """Lines of the audit log."""
        file = self.root / ".cdc-audit" / "live.jsonl"
        return len(file.read_bytes().splitlines()) if file.exists() else 0

    def settled(self, what: str, holds: Callable[[], bool]) -> None:
        """Every broker knows a moment later what one has taken."""
        wait_until(what, holds, 120, 0.2)

    def same(self) -> bool:
        return self.cdc("plan").code == 0

    def check_as_told(self) -> None:
        """Kafka's own tools see what the spec says, and what is nobody's here is as it was."""
        seen, state = self.view(), self.spec.kafka_state
        for topic in state.topics:
            config = {key: _text(value) for key, value in topic.config.items()}
            assert seen.topics[topic.name] == (topic.partitions, topic.replicas, config), topic.name
        principals = {f"User:{user.name}" for user in state.users}
        wanted = {
            (f"User:{user.name}", _upper(acl.resource), acl.name, PATTERNS[acl.pattern], _upper(operation), "ALLOW", acl.host)
            for user in state.users
            for acl in user.acls
            for operation in acl.operations
        }
        assert {acl for acl in seen.acls if acl[0] in principals} == wanted
        for user in state.users:
            named = f"user-principal '{user.name}'"
            produce = {} if user.quota.produce is None else {"producer_byte_rate": float(user.quota.produce)}
            request = {} if user.quota.request is None else {"request_percentage": float(user.quota.request)}
            assert seen.quotas.get(named, {}) == produce | request, user.name
            assert seen.passwords[named] == {"SCRAM-SHA-512"}
        assert seen.outside({topic.name for topic in state.topics}, {*principals, "User:ci"}) == self.external


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _upper(word: str) -> str:
    return "".join(f"_{letter}" if letter.isupper() and index else letter for index, letter in enumerate(word)).upper()


FIRST = Spec(
    topics={"shop_audit": {"partitions": 1, "config": {"flush.ms": 86_400_000}}, "shop_events": {"partitions": 2}},
    users={"bob": {"consumes": ["shop_*"]}},
)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A cluster that others use too: a topic, a user with rights and a quota, and a quota of a client."""
    folder = tmp_path_factory.mktemp("live")
    with SecuredCluster(folder / "cluster") as cluster:
        cluster.observe(TOPICS, "--create", "--topic", "their_topic", "--partitions", "3", "--config", "retention.ms=77")
        cluster.observe(ACLS, "--add", "--allow-principal", "User:stranger", "--operation", "Read", "--topic", "shop_*")
        both = ["--entity-type", "users", "--entity-name", "stranger", "--entity-type", "clients", "--entity-name", "app"]
        cluster.observe(CONFIGS, "--alter", *both, "--add-config", "producer_byte_rate=5")
        user = ["--entity-type", "users", "--entity-name", "stranger"]
        cluster.observe(CONFIGS, "--alter", *user, "--add-config", "SCRAM-SHA-256=[password=theirs]")
        found = Live(cluster, project(folder), view(cluster.observe))
        found.write(FIRST)
        done = found.cdc("apply", "--yes")
        assert done.code == 0, done.text
        yield found


@pytest.fixture
def fresh(live: Live) -> Live:
    """The cluster as the first spec has it."""
    live.write(FIRST)
    if not live.same():
        done = live.cdc("apply", "--yes")
        assert done.code in {0, 3}, done.text
    return live


def test_what_was_applied_is_what_kafkas_own_tools_see(live: Live) -> None:
    live.settled("the plan is empty", live.same)
    live.check_as_told()


def _edit(spec: Spec, chance: random.Random, number: int) -> tuple[Spec, list[str]]:
    """A random edit, and the words that it needs."""
    words: list[str] = []
    topics = {name: json.loads(json.dumps(topic)) for name, topic in spec.topics.items()}
    topics[f"shop_new_{number}"] = {"partitions": chance.randint(1, 3), "cleanup": chance.choice(["delete", "compact"])}
    for name, topic in topics.items():
        if chance.random() < 0.5:
            topic["retention"] = chance.choice(["1d", "30d", "forever"])
        if chance.random() < 0.5:
            topic.setdefault("config", {})["flush.messages"] = chance.randint(1, 1_000)
        elif "config" in topic:
            del topic["config"]
        if name in spec.topics and name not in FIRST.topics and chance.random() < 0.5:
            topic["partitions"] += 1
            words += ["--remap-keys", name]
    users = {
        f"user-{number}": {"produces": [f"shop_new_{number}"]},
        "bob": {"consumes": [chance.choice(["shop_*", "shop_a*"])]},
    }
    users |= {name: user for name, user in spec.users.items() if name != "bob" and chance.random() < 0.8}
    tables = sorted({*spec.tables, f"shop.table{number}"})
    return Spec(topics, users, tables, f"{chance.randint(1, 9)}MiB/s"), words


def test_random_edits_of_the_spec_are_planned_applied_and_gone(fresh: Live) -> None:
    chance, spec = random.Random(20_261_122), FIRST
    for number in range(EDITS):
        before = set(spec.users)
        spec, words = _edit(spec, chance, number)
        for name in before - set(spec.users):
            words += ["--delete", f"user/{name}"]
        words += ["--reason", "a test"] if "--delete" in words else []
        fresh.write(spec)
        assert fresh.cdc("plan", *words).code == 3
        done = fresh.cdc("apply", "--yes", *words)
        assert done.code == 0, done.text
        fresh.settled("the plan is empty", fresh.same)
    fresh.check_as_told()
    gone = sorted({topic.name for topic in fresh.spec.kafka_state.topics})
    people = [word for name in spec.users if name != "bob" for word in ("--delete", f"user/{name}")]
    fresh.write(FIRST)
    still = {topic.name for topic in fresh.spec.kafka_state.topics}
    deletions = [word for name in gone if name not in still for word in ("--delete", f"topic/{name}")] + people
    without = fresh.cdc("apply", "--yes", *deletions)
    assert (without.code, "needs a reason" in without.err) == (2, True)
    done = fresh.cdc("apply", "--yes", *deletions, "--reason", "a test")
    assert done.code == 0, done.text
    fresh.settled("the plan is empty", fresh.same)
    listed = set(fresh.cluster.observe(TOPICS, "--list").split())
    assert {name for name in listed if not name.startswith("__")} == {*still, "their_topic"}


def test_what_must_not_be_is_refused_before_anything_is_changed(fresh: Live) -> None:
    shrunk = {**FIRST.topics, "shop_events": {"partitions": 1}, "shop_new": {"partitions": 1}}
    fresh.write(Spec(shrunk, FIRST.users))
    refused = fresh.cdc("apply", "--yes")
    assert (refused.code, "Kafka takes none away" in refused.err, "nothing was changed" in refused.err) == (2, True, True)
    fresh.write(Spec({**FIRST.topics, "shop_events": {"partitions": 4}}, FIRST.users))
    refused = fresh.cdc("apply", "--yes")
    assert (refused.code, "--remap-keys shop_events" in refused.err) == (2, True), refused.text
    fresh.write(FIRST)
    for name in ("their_topic", topic_name("live"), "shop_audit"):
        refused = fresh.cdc("apply", "--yes", "--delete", f"topic/{name}", "--reason", "a test")
        assert (refused.code, "nothing was changed" in refused.err) == (2, True), refused.text
    assert fresh.same()


def test_drift_that_kafkas_own_tools_inject_is_found_exactly_and_undone(fresh: Live) -> None:
    topic, user = ["--entity-type", "topics", "--entity-name"], ["--entity-type", "users", "--entity-name"]
    observe = fresh.cluster.observe
    observe(CONFIGS, "--alter", *topic, "shop_audit", "--add-config", "flush.ms=5,segment.ms=99999")
    observe(
        CONFIGS, "--alter", *topic, "shop_events", "--delete-config", "retention.ms", "--add-config", "segment.ms=604800000"
    )
    observe(CONFIGS, "--alter", *user, "bob", "--add-config", "producer_byte_rate=9")
    observe(CONFIGS, "--alter", *user, "bob", "--add-config", "SCRAM-SHA-256=[password=x]")
    observe(ACLS, "--add", "--allow-principal", "User:bob", "--operation", "Write", "--topic", "their_topic")
    observe(ACLS, "--remove", "--force", "--allow-principal", "User:bob", "--operation", "Read", "--topic", "shop_", *PREFIXED)
    observe(CONFIGS, "--alter", *topic, "their_topic", "--add-config", "retention.ms=78")
    wanted = {
        ("configure", "topic/shop_audit"),
        ("grant", "user/bob"),
        ("revoke", "user/bob"),
        ("setQuota", "user/bob"),
        ("dropPassword", "user/bob"),
    }
    fresh.settled("all of it is seen", lambda: len(fresh.json("drift")["changes"]) >= len(wanted))
    found = fresh.json("drift")
    assert {(one["change"], one["object"]) for one in found["changes"]} == wanted, "a default that is said is no difference"
    settings = next(one["settings"] for one in found["changes"] if one["object"] == "topic/shop_audit")
    assert settings == {"flush.ms": ["5", "86400000"], "segment.ms": ["99999", None]}
    assert {"object": "topic/their_topic", "what": ""} in found["external"]
    assert fresh.cdc("drift").code == 3
    done = fresh.cdc("apply", "--yes")
    assert done.code == 0, done.text
    fresh.settled("the plan is empty", fresh.same)
    theirs = observe(TOPICS, "--describe", "--topic", "their_topic")
    assert "retention.ms=78" in theirs, "what is external is never touched"
    observe(CONFIGS, "--alter", *topic, "their_topic", "--add-config", "retention.ms=77")
    observe(
        CONFIGS, "--alter", *topic, "shop_events", "--delete-config", "segment.ms", "--add-config", "retention.ms=604800000"
    )
    fresh.settled("it is as it was", fresh.same)


PREFIXED = ("--resource-pattern-type", "prefixed")


def test_a_saved_plan_is_refused_when_the_spec_or_the_system_has_moved(fresh: Live) -> None:
    topics = {**FIRST.topics, "shop_saved": {"partitions": 1}}
    fresh.write(Spec(topics, FIRST.users))
    file = fresh.root / "plan.json"
    assert fresh.cdc("plan", "--out", str(file)).code == 3
    fresh.write(Spec({**topics, "shop_saved": {"partitions": 2}}, FIRST.users))
    moved = fresh.cdc("apply", str(file))
    assert (moved.code, "the spec has changed" in moved.err) == (2, True), moved.text
    fresh.write(Spec(topics, FIRST.users))
    alter = ["--alter", "--entity-type", "topics", "--entity-name", "shop_audit"]
    fresh.cluster.observe(CONFIGS, *alter, "--add-config", "flush.ms=6")
    fresh.settled("it is seen", lambda: len(fresh.json("plan")["changes"]) == 2)
    moved = fresh.cdc("apply", str(file))
    assert (moved.code, "the system has changed" in moved.err) == (2, True), moved.text
    fresh.cluster.observe(CONFIGS, *alter, "--add-config", "flush.ms=86400000")
    fresh.settled("it is as it was", lambda: len(fresh.json("plan")["changes"]) == 1)
    done = fresh.cdc("apply", str(file))
    assert done.code == 0, done.text
    fresh.settled("the plan is empty", fresh.same)
    fresh.write(FIRST)
    assert fresh.cdc("apply", "--yes", "--delete", "topic/shop_saved", "--reason", "a test").code == 0


def _many(prefix: str) -> Spec:
    topics = {f"{prefix}_{number}": {"partitions": 1} for number in range(MANY)}
    users = {f"{prefix}-{number}": {"produces": [f"{prefix}_{number}"]} for number in range(10)}
    return Spec({**FIRST.topics, **topics}, {**FIRST.users, **users})


def test_an_apply_that_is_killed_anywhere_is_completed_by_the_next(fresh: Live) -> None:
    spec = _many("kill")
    fresh.write(spec)
    for lines in (1, 5, 12, MANY + 12):
        begun = fresh.logged()
        with fresh.process() as applying:
            wait_until(
                f"{lines} lines are logged",
                lambda begun=begun, lines=lines: applying.poll() is not None or fresh.logged() >= begun + lines,  # type: ignore[misc]
                120,
                0.002,
            )
            applying.send_signal(signal.SIGKILL)
        if fresh.same():
            break
    done = fresh.cdc("apply", "--yes")
    assert done.code == 0, done.text
    fresh.settled("the plan is empty", fresh.same)
    fresh.check_as_told()
    assert fresh.project.cdc("audit", "verify", "live").code == 0


def test_of_two_that_apply_at_once_one_is_refused(fresh: Live) -> None:
    settings = kafka_settings(fresh.cluster.admin_file, None)
    admin = KafkaAdmin("live", settings)
    with leased(admin, settings, "live", {"user": "somebody"}) as mine:
        refused = fresh.cdc("apply", "--yes")
        assert (refused.code, "is being applied by somebody" in refused.err) == (2, True), refused.text
        assert "nothing was changed" in refused.err
        other = Ledger("live", _producer(settings), {"user": "other"})
        other.begin()
        with pytest.raises(FencedError, match="taken over"):
            mine.write({})
        other.end()
    assert fresh.cdc("apply", "--yes").code == 0


def _producer(settings: dict[str, str]) -> Any:
    from confluent_kafka import Producer

    return Producer({**settings, "transactional.id": "cdc-apply-live"})


def test_a_right_that_is_missing_is_named_and_given_the_second_run_finishes(fresh: Live) -> None:
    user = ["--alter", "--entity-type", "users", "--entity-name", "ci"]
    fresh.cluster.observe(CONFIGS, *user, "--add-config", "SCRAM-SHA-512=[password=pw]")
    client = fresh.cluster.client_file(fresh.root, "ci", "pw")
    wrong = fresh.cdc("plan", client=fresh.cluster.client_file(fresh.root, "nobody", "pw"))
    assert (wrong.code, "uthentication" in wrong.err) == (2, True), wrong.text
    fresh.settled("ci may enter", lambda: "uthentication failed" not in fresh.cdc("plan", client=client).text)
    blind = fresh.cdc("plan", client=client)
    assert blind.code == 2
    for right in (
        "quotas: User:ci may not: it needs DescribeConfigs on the cluster",
        "ACLs: User:ci may not: it needs Describe",
    ):
        assert right in blind.err, blind.err
    _allow(fresh, "Describe", on=["--cluster", "--topic", "*", "--group", "*", "--transactional-id", "cdc-apply-live"])
    _allow(fresh, "DescribeConfigs", on=["--cluster", "--topic", "*"])
    _allow(fresh, "Read", on=["--topic", topic_name("live")])
    _allow(fresh, "Write", on=["--topic", topic_name("live"), "--transactional-id", "cdc-apply-live"])
    fresh.settled("ci may look", lambda: fresh.cdc("plan", client=client).code == 0)
    fresh.write(Spec({**FIRST.topics, "shop_ci": {"partitions": 1}}, FIRST.users))
    refused = fresh.cdc("apply", "--yes", client=client)
    assert refused.code == 2
    assert "topic/shop_ci: User:ci may not: it needs Create on topic shop_ci" in refused.err
    assert "--allow-principal User:ci --operation Create --topic 'shop_ci'" in refused.err
    assert "Made before that (0 of 1)" in refused.err
    _allow(fresh, "Create", on=["--topic", "shop_ci"])
    fresh.settled("the second run finishes", lambda: fresh.cdc("apply", "--yes", client=client).code == 0)
    assert fresh.same()


def _allow(live: Live, *operations: str, on: list[str]) -> None:
    flags = [word for operation in operations for word in ("--operation", operation)]
    live.cluster.observe(ACLS, "--add", "--allow-principal", "User:ci", *flags, *on)


def test_a_refused_setting_says_what_was_made_before_it_and_mended_the_rest_follows(fresh: Live) -> None:
    bad = {"partitions": 1, "config": {"compression.zstd.level": 99}}
    fresh.write(Spec({**FIRST.topics, "shop_bad": bad, "shop_good": {"partitions": 1}}, {**FIRST.users, "eve": {}}))
    refused = fresh.cdc("apply", "--yes")
    assert refused.code == 2
    assert "topic/shop_bad: " in refused.err
    assert "kafka.topics[2]" in refused.err
    assert "SetPassword user/eve" in refused.err.partition("Not made")[0]
    assert "topic/shop_bad" in refused.err.partition("Not made")[2]
    fresh.write(
        Spec({**FIRST.topics, "shop_bad": {"partitions": 1}, "shop_good": {"partitions": 1}}, {**FIRST.users, "eve": {}})
    )
    done = fresh.cdc("apply", "--yes")
    assert done.code == 0, done.text


def test_metrics_tell_of_drift(fresh: Live) -> None:
    port = free_port()
    command = [*installed_cdc(), *fresh.words("drift", "--listen", f"127.0.0.1:{port}", "--watch", "0.2")]

    def metrics() -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    with subprocess.Popen(command, cwd=fresh.root) as exporter:
        try:
            wait_until("it has looked", lambda: 'cdc_drift_up{stack="live"} 1' in metrics(), 120)
            assert 'cdc_drift_differences{stack="live",kind="topic",state="open"} 0' in metrics()
            fresh.project.write("live", Spec({**FIRST.topics, "shop_metric": {}}, FIRST.users).text())
            differs = 'cdc_drift_differences{stack="live",kind="topic",state="open"} 1'
            wait_until("the new topic is missing", lambda: differs in metrics(), 120)
        finally:
            exporter.terminate()


def test_a_controller_that_goes_in_the_middle_leaves_nothing_half_done(fresh: Live) -> None:
    settings = kafka_settings(fresh.cluster.admin_file, None)
    status = fresh.cluster.observe("org.apache.kafka.tools.MetadataQuorumCommand", "describe", "--status")
    leader = next(line.split()[-1] for line in status.splitlines() if line.startswith("LeaderId"))
    fresh.write(_many("ctrl"))
    begun = fresh.logged()
    with fresh.process() as applying:
        wait_until("it has begun", lambda: applying.poll() is not None or fresh.logged() >= begun + 3, 120, 0.002)
        fresh.cluster.kill(f"node-{leader}")
        _, err = applying.communicate(timeout=240)
    assert applying.returncode in {0, 2}, err.decode()
    if applying.returncode == 2:
        assert b"Made before that" in err or b"look at its brokers" in err or b"taken over" in err, err.decode()
        wait_until("the second run finishes", lambda: fresh.cdc("apply", "--yes").code == 0, 240, 1)
    wait_until("the plan is empty", fresh.same, 120, 0.5)
    fresh.cluster.start(f"node-{leader}")
    assert KafkaAdmin("live", settings).brokers() >= 2


def test_who_applies_is_in_the_audit_log(live: Live) -> None:
    lines = [json.loads(line) for line in (live.root / ".cdc-audit" / "live.jsonl").read_text().splitlines()]
    assert {line["verb"] for line in lines} == {"apply"}
    assert all(line["who"]["user"] == who(live.root)["user"] for line in lines)
    assert not any(ADMIN in json.dumps(line) and "secret" in json.dumps(line) for line in lines)
