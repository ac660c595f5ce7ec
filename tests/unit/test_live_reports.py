"""What ``cdc plan``, ``apply`` and ``drift`` say and keep: reports, saved plans, metrics, batches, and what failed."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from components.core.errors import CdcError
from operations.connect.cluster import State
from operations.connect.planning import Planned as PlannedConnector
from operations.live import ledger, requests
from operations.live.apply import Applied, batches, marks_of
from operations.live.changes import ChangeConnector, CreateTopic, Object, Planned, RegisterSchema, SetLevel
from operations.live.consequences import Facts, explained
from operations.live.desired import Desired, DesiredTopic, PipelineFacts
from operations.live.exporter import Metrics, parse_address, serve
from operations.live.external import external
from operations.live.making import Failure, _turns
from operations.live.normal import canonical_config
from operations.live.observed import Broker, Observed, ObservedConnector, ObservedKafka, ObservedTopic
from operations.live.ownership import Ownership
from operations.live.plan import Judged, Words, plan
from operations.live.report import markdown, planned_record, record, sentence
from operations.live.rights import needed
from operations.live.session import Look, system_fingerprint
from operations.live.wire import Reader, Writer
from operations.live.words import check_same, load_saved, read_throttle, read_words, save
from operations.schema_changes import Changes, Finding, Level

BROKERS = tuple(Broker(number, "host", 9092) for number in range(3))


def topic(name: str, partitions: int, replicas: int = 1, **config: str) -> DesiredTopic:
    return DesiredTopic(
        name, partitions, replicas, canonical_config({k.replace("_", "."): v for k, v in config.items()}), "kafka"
    )


def look(*wanted: DesiredTopic, words: Words | None = None, judged: Judged | None = None) -> Look:
    """A system with the topics ``there`` (of one partition) and ``theirs``."""
    found = Desired("test", False, True, {one.name: one for one in wanted}, {}, {})
    topics = {name: ObservedTopic(name, ((0,),), {}) for name in ("there", "theirs")}
    seen = Observed(ObservedKafka("id", 0, BROKERS, topics, {"retention.ms": "5"}, frozenset(), {}, {}))
    owned, judged, words = Ownership({Object("topic", "left"): "managed"}), judged or Judged(), words or Words()
    planned = plan(found, seen, owned, words, judged)
    facts = Facts(found, seen, {"there": 2048}, {"there": ("group",)}, 1024)
    told = tuple(explained(one, facts) for one in planned)
    return Look(
        found, seen, owned, judged, words, told, found.fingerprint(), system_fingerprint(found, seen, owned, words, judged)
    )


def test_a_report_for_a_machine_has_every_change_with_what_follows() -> None:
    found = record(look(topic("new", 2), topic("there", 3, 2, retention_ms="1")))
    assert json.loads(json.dumps(found)) == found
    changes = {(one["change"], one["object"]): one for one in found["changes"]}
    assert set(changes) == {
        ("createTopic", "topic/new"),
        ("configure", "topic/there"),
        ("addPartitions", "topic/there"),
        ("moveReplicas", "topic/there"),
    }
    assert changes["configure", "topic/there"]["undo"] is None
    assert changes["addPartitions", "topic/there"]["hold"] == "refused"
    assert json.loads(changes["moveReplicas", "topic/there"]["reassignment"])["partitions"][0]["replicas"] == [0, 1]
    assert found["external"] == [{"object": "topic/theirs", "what": ""}]
    assert found["summary"] == {"changes": 2, "refused": 1, "manual": 1}


def test_a_report_for_a_pull_request_is_a_table_that_nothing_breaks() -> None:
    text = markdown(look(topic("new", 2, retention_ms="a|b")))
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == 1
    assert rows[0].replace("\\|", "").count("|") == 6
    assert "2 topics" in text
    assert markdown(look(topic("there", 1, retention_ms="5"))).startswith("### `cdc plan test`: nothing to do")


def test_a_saved_plan_is_taken_only_while_spec_and_system_are_the_same(tmp_path: Path) -> None:
    file, words = tmp_path / "plan.json", Words({Object("topic", "left"): "why"}, frozenset({"there"}))
    found = look(topic("new", 2), words=words)
    save(file, found)
    read, prints = load_saved(file, "test")
    assert read == words
    check_same(file, prints, found)
    with pytest.raises(CdcError, match="the spec has changed since"):
        check_same(file, prints, look(topic("new", 3), words=words))
    kafka = replace(found.seen.kafka, cluster_id="other")
    moved = system_fingerprint(found.wanted, replace(found.seen, kafka=kafka), found.owned, words, found.judged)
    with pytest.raises(CdcError, match="the system has changed since"):
        check_same(file, prints, replace(found, system_fingerprint=moved))
    with pytest.raises(CdcError, match="of test, not of prod"):
        load_saved(file, "prod")
    file.write_text("{}")
    with pytest.raises(CdcError, match="is no plan"):
        load_saved(file, "test")


def test_what_others_do_does_not_move_a_saved_plan() -> None:
    found = look(topic("there", 2))
    others = {**found.seen.kafka.topics, "theirs": ObservedTopic("theirs", ((0,), (1,)), {"retention.ms": "1"})}
    seen = replace(found.seen, kafka=replace(found.seen.kafka, topics=others))
    assert system_fingerprint(found.wanted, seen, found.owned, found.words, found.judged) == found.system_fingerprint


def test_words_are_refused_without_a_reason_or_a_name() -> None:
    assert read_words(["topic/a"], " because ", ["b"]) == Words({Object("topic", "a"): "because"}, frozenset({"b"}))
    for delete, reason in (
        (["topic/a"], None),
        (["topic/a"], " "),
        (["a"], "x"),
        (["quota/(default)"], "x"),
        (["topic/"], "x"),
    ):
        with pytest.raises(CdcError):
            read_words(delete, reason, None)
    assert read_throttle("50MiB/s") == 50 << 20
    with pytest.raises(CdcError, match="--throttle"):
        read_throttle("fast")


def planned(number: int, partitions: int = 1) -> Planned:
    name = f"t{number}"
    return Planned(Object("topic", name), CreateTopic(name, partitions, 1, {}))


def test_batches_keep_the_order_and_ask_a_controller_for_no_more_than_it_takes() -> None:
    many = [planned(number, 50) for number in range(100)]
    found = list(batches(many))
    assert [one for batch in found for one in batch] == many
    assert [len(batch) for batch in found] == [40, 40, 20]
    [alone] = batches([planned(0, 50_000)])
    assert len(alone) == 1
    schemas = [
        Planned(Object("subject", "s"), SetLevel("s", None, "FULL")),
        Planned(Object("subject", "s"), RegisterSchema("s", "AVRO", next=False)),
    ]
    assert [len(batch) for batch in batches([planned(0), *schemas])] == [1, 2]


def test_what_failed_is_told_with_what_was_made_and_what_was_not() -> None:
    plan = [planned(number) for number in range(30)]
    error = Applied(plan, plan[:2]).error([Failure(plan[2], "is refused", "mend it")])
    text = str(error)
    assert error.exit_code == 2
    assert text.startswith("topic/t2: is refused\n      → mend it")
    assert "Made before that (2 of 30)" in text
    assert "Not made (28)" in text
    assert "and 8 more" in text


def test_what_is_made_is_recorded_as_ours_before_it_is_and_what_was_there_as_adopted() -> None:
    found = look(topic("new", 1), topic("there", 1))
    assert marks_of(found) == {Object("topic", "new"): "managed", Object("topic", "there"): "adopted"}


def test_one_users_passwords_go_one_after_the_other() -> None:
    class Part:
        def __init__(self, key: str) -> None:
            self.key = key

    turns = _turns([Part("a"), Part("b"), Part("a")])  # type: ignore[list-item]
    assert [[part.key for part in turn] for turn in turns] == [["a", "b"], ["a"]]


def test_a_missing_right_is_said_as_the_command_that_gives_it() -> None:
    told = needed({"sasl.username": "ci"}, "Describe and Write", "transactional id x")
    assert "User:ci may not: it needs Describe and Write on transactional id x" in told
    assert told.endswith("--allow-principal User:ci --operation Describe --operation Write --transactional-id 'x'")
    assert needed({}, "Alter", "the cluster").endswith("--operation Alter --cluster")
    assert "User:…" in needed({"security.protocol": "ssl"}, "Alter", "topic a")


def test_schemas_and_connectors_are_part_of_the_plan() -> None:
    levels = (Level(None, "BACKWARD", "FULL"), Level("s", "FULL", "FULL"))
    findings = (Finding("s", "unchanged"), Finding("new", "new"), Finding("bad", "incompatible", objections=("gone",)))
    connectors = (
        PlannedConnector("keep", "keep"),
        PlannedConnector("make", "create"),
        PlannedConnector("other", "undeclared"),
        PlannedConnector("away", "refused", why="green has it"),
    )
    found = look(judged=Judged(Changes(levels, findings), connectors, "blue"))
    told = {(str(one.object), one.hold): sentence(one.change) for one in found.plan}
    assert told == {
        ("subject/(all)", ""): "compatibility: BACKWARD → FULL",
        ("subject/new", ""): "register its first schema (AVRO)",
        ("subject/bad", "refused"): "register a new version (AVRO)",
        ("connector/make", ""): "create on blue",
        ("connector/away", "refused"): "refused on blue (green has it)",
    }
    assert "connector/other" in {str(one) for one in external(found)}


def connector_facts(**more: Any) -> Facts:
    """A source connector ``c`` of pipeline ``p``, running on blue."""
    from components.connect.connectors import Connector

    config = {"snapshot.mode": "initial", "connector.class": "X", "tasks.max": "1"}
    connector = Connector("c", "p", "source", 0, config)
    topics = {name: ObservedTopic(name, ((0,),), {}) for name in more.pop("topics", ())}
    kafka = ObservedKafka("id", 0, BROKERS, topics, {}, None, {}, {})
    seen = Observed(kafka, None, {"blue": {"c": ObservedConnector("c", State("running"), {})}})
    pipelines = {"p": PipelineFacts("p", "g", "history", frozenset({"offsets"}))}
    return Facts(Desired("t", False, True, {}, {}, {}, pipelines, {"c": connector}), seen, **more)


@pytest.mark.parametrize(
    ("change", "more", "kind", "words"),
    [
        (ChangeConnector("c", "blue", "create"), {}, "snapshot", "reads every row"),
        (ChangeConnector("c", "blue", "create"), {"topics": ["offsets"], "sizes": {"offsets": 9}}, "snapshot", "none, if"),
        (ChangeConnector("c", "blue", "change", ("topic.prefix",)), {}, "snapshot", "every table"),
        (ChangeConnector("c", "blue", "change", ("table.include.list",)), {}, "snapshot", "asked for"),
        (ChangeConnector("c", "blue", "change", ("max.batch.size",)), {}, "restart", "goes on from where it was"),
        (CreateTopic("offsets", 1, 1, {}), {}, "snapshot", "lost its positions"),
        (CreateTopic("history", 1, 1, {}), {}, "snapshot", "lost its schema history"),
    ],
)
def test_whether_a_snapshot_follows_is_told(change: Any, more: dict[str, Any], kind: str, words: str) -> None:
    found = explained(Planned(Object("connector", "c"), change), connector_facts(**more))
    assert [one.kind for one in found.consequences if words in one.text] == [kind]
    assert json.dumps(planned_record(found))


def metrics_of(metrics: Metrics) -> dict[str, float]:
    lines = [line for line in metrics.text().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_metrics_count_what_differs_and_forget_it_when_nobody_answers() -> None:
    metrics = Metrics("test")
    metrics.look(lambda: look(topic("new", 1), topic("there", 3)))
    found = metrics_of(metrics)
    assert found['cdc_drift_up{stack="test"}'] == 1
    assert found['cdc_drift_differences{stack="test",kind="topic",state="open"}'] == 1
    assert found['cdc_drift_differences{stack="test",kind="topic",state="refused"}'] == 1
    assert found['cdc_drift_external{stack="test",kind="topic"}'] == 1

    def silent() -> Look:
        raise CdcError("nobody answers")

    metrics.look(silent)
    found = metrics_of(metrics)
    assert found['cdc_drift_up{stack="test"}'] == 0
    assert not any(name.startswith("cdc_drift_differences") for name in found)
    assert found['cdc_drift_last_look_timestamp_seconds{stack="test"}'] > 0


def test_metrics_are_served() -> None:
    with serve(("127.0.0.1", 0), Metrics("test")) as port, urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        assert b'cdc_drift_up{stack="test"} 0' in answer.read()
    assert parse_address("[::1]:9405") == ("::1", 9405)
    for text in ("9405", "host:", "host:99999"):
        with pytest.raises(CdcError):
            parse_address(text)


def test_a_holder_is_dead_only_where_that_is_known() -> None:
    mine = ledger._process()
    assert not ledger._is_dead(mine)
    assert ledger._is_dead({**mine, "started": "1"})
    assert not ledger._is_dead({**mine, "started": "1", "machine": "another"})
    assert not ledger._is_dead({"pid": 1})
    assert ledger._started(os.getpid()) is not None


# The little of Kafka's protocol that is spoken here


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**31])
def test_numbers_of_variable_length_are_read_as_they_were_written(number: int) -> None:
    assert Reader(Writer().uvarint(number).bytes()).uvarint() == number


def test_texts_arrays_and_unknown_tags_are_read_as_they_were_written() -> None:
    writer = Writer().text("ä").text(None).text("")
    writer.array(["a", "b"], writer.text).uvarint(1).uvarint(7).uvarint(2).pack("h", 5).pack("d", 2.5)
    reader = Reader(writer.bytes())
    assert [reader.text(), reader.text(), reader.text()] == ["ä", None, ""]
    assert reader.array(reader.name) == ["a", "b"]
    reader.tags()
    assert reader.unpack("d") == 2.5


def test_bootstrap_servers_are_read_as_librdkafka_reads_them() -> None:
    assert requests._address("SASL_SSL://host:9093") == ("host", 9093)
    assert requests._address("[::1]:9093") == ("::1", 9093)
    assert requests._address("host") == ("host", 9092)
