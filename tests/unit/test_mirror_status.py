"""From what was observed of a mirror to a verdict."""

from pathlib import Path

import pytest

from components.core.errors import CdcError
from operations.live import kafka
from operations.live.kafka import read_settings
from operations.mirror_status import (
    MirrorStatus,
    PartitionLag,
    TopicLag,
    group_readiness,
    mirrored_positions,
    partition_lags,
    topic_lags,
    topic_readiness,
)
from tests.harness.cdc_command import SMALL, project
from tests.harness.processes import free_port

A0, A1, B0 = ("a", 0), ("a", 1), ("b", 0)


def status(*lags: PartitionLag) -> MirrorStatus:
    return MirrorStatus(60_000, topic_lags(lags), 0, None)


def test_what_is_stored_is_the_last_mirrored_offset_and_the_next_one_counts() -> None:
    assert mirrored_positions({A0: 9}, {A0: 0, A1: 5}) == {A0: 10, A1: 5}


def test_what_the_source_no_longer_has_is_not_waited_for() -> None:
    assert mirrored_positions({A0: 9}, {A0: 100}) == {A0: 100}


def test_the_lag_is_the_age_of_the_first_record_that_is_missing() -> None:
    lags = partition_lags({A0: 10, A1: 5}, {A0: 30, A1: 5}, {A0: 1_000}, now=4_500)
    assert lags == [PartitionLag("a", 0, 20, 3_500), PartitionLag("a", 1, 0, 0)]


def test_marks_of_transactions_are_no_records() -> None:
    assert partition_lags({A0: 10}, {A0: 11}, {}, now=9_999) == [PartitionLag("a", 0, 0, 0)]


def test_a_source_whose_clock_is_ahead_gives_no_negative_lag() -> None:
    assert partition_lags({A0: 0}, {A0: 1}, {A0: 5_000}, now=1_000)[0].milliseconds == 0


def test_a_topic_is_as_far_behind_as_its_worst_partition_and_the_worst_topic_comes_first() -> None:
    lags = topic_lags([PartitionLag("a", 0, 1, 10), PartitionLag("a", 1, 2, 30), PartitionLag("b", 0, 0, 40)])
    assert lags == (TopicLag("b", 1, 0, 40), TopicLag("a", 2, 3, 30))


@pytest.mark.parametrize(("milliseconds", "within"), [(0, True), (60_000, True), (60_001, False)])
def test_the_rpo_is_kept_up_to_its_last_millisecond(milliseconds: int, within: bool) -> None:
    assert status(PartitionLag("a", 0, 1, milliseconds)).within is within


def test_a_source_that_does_not_answer_is_not_within_the_rpo() -> None:
    assert not MirrorStatus(60_000, None, 0, None).within


def test_a_topic_must_be_there_with_its_partitions() -> None:
    checks = topic_readiness({"a": 3, "b": 1, "c": 1}, {"a": 3, "b": 2})
    assert [check.problem for check in checks] == ["", "has 2 partition(s), not 1", "is not there yet"]


def test_a_group_needs_a_position_wherever_there_are_records() -> None:
    ends = {A0: 10, A1: 0, B0: 5, ("other", 0): 9}
    assert group_readiness("g", ["a", "b"], ends, {A0: 4, B0: 5}).problem == ""
    assert group_readiness("g", ["a", "b"], ends, {A0: 4}).problem == "has no position in b-0"


def test_settings_are_lines_of_key_and_value(tmp_path: Path) -> None:
    file = tmp_path / "client.properties"
    file.write_text("# who\nbootstrap.servers=a:9092\n\nsasl.password = x=y \n")
    assert read_settings(file) == {"bootstrap.servers": "a:9092", "sasl.password": "x=y"}


@pytest.mark.parametrize("text", ["", "sasl.password=x", "bootstrap.servers=a\nhunter2"])
def test_a_file_that_is_no_clients_settings_is_refused_without_repeating_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "client.properties"
    file.write_text(text)
    with pytest.raises(CdcError) as refused:
        read_settings(file)
    assert "hunter2" not in str(refused.value)


def test_only_a_standby_has_a_status(tmp_path: Path) -> None:
    outcome = project(tmp_path, prod=SMALL).cdc("dr", "status", "prod")
    assert outcome.code == 2
    assert "name the standby" in outcome.err


def test_a_standby_that_does_not_answer_is_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "ANSWER_SECONDS", 1)
    source = "{environment: prod, bootstrap: 'prod:9093'}"
    made = project(tmp_path, prod=SMALL + "    disasterRecovery: dr\n", dr=SMALL + f"    mirrorMaker: {{source: {source}}}\n")
    (tmp_path / "dr.properties").write_text(f"bootstrap.servers=127.0.0.1:{free_port()}\nsocket.timeout.ms=1000\n")
    outcome = made.cdc("dr", "failover-check", "dr", "--standby-config", str(tmp_path / "dr.properties"))
    assert outcome.code == 2
    assert "look at its brokers" in outcome.err
