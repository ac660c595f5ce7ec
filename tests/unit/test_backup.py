"""Backups where no cluster is needed: what is derived and rendered, how records are packed and sealed, what is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.backup import plan
from components.backup.derive import backed_up_topics
from components.backup.plan import vault_names
from components.backup.render import render
from components.core.errors import CdcError, SpecError
from components.environment import EnvironmentSpec
from components.loading import build_environment
from operations.backup import figures
from operations.backup.chunks import Headers, decode, encode
from operations.backup.contents import refuse_secrets
from operations.backup.errors import BackupError, DamagedError
from operations.backup.loading import Placed, new_offset
from operations.backup.manifest import File, Kind, Manifest
from operations.backup.options import planned
from operations.backup.retention import outlived
from operations.backup.sealing import new_salt, read_key, seal_of
from policies.hops import hops
from tests.harness.metric_names import EXPORTED, exposed

KEY = bytes(range(32))


def environment(backup: dict[str, Any], target: str = "kubernetes", **more: Any) -> EnvironmentSpec:
    """Two pipelines of one tenant, and a topic that somebody declared."""
    pipelines = [
        {
            "name": name,
            "tenant": "shop",
            "source": {"mysql": {"host": "db", "password": "vault:cdc/db#password", "tables": [f"shop.{name}"]}},
            "sink": {"postgres": {"database": "w"}},
        }
        for name in ("orders", "items")
    ]
    kafka = {
        "brokers": {"replicas": 3},
        "listeners": [{"name": "clients", "port": 9093}],
        "topics": [{"name": "shop_audit", "owner": "team", "partitions": 1}],
    }
    values = {
        "tier": "staging",
        "target": target,
        "kafka": kafka,
        "tenants": [{"name": "shop", "owner": "team"}],
        "pipelines": pipelines,
        "backup": backup,
        **more,
    }
    return build_environment(values, "trial", "trial")


BASE = {"image": "acme/cdc:1", "storage": "10Gi", "key": "vault:cdc/backup#key"}


def test_the_user_reads_what_is_backed_up_and_changes_nothing() -> None:
    spec = environment({**BASE, "data": {"pipelines": ["orders"], "topics": ["shop_au*"]}})
    assert spec.backup is not None
    [user] = [user for user in spec.kafka_state.users if user.name == "backup"]
    own = ("dlq", "heartbeat", "orders", "schema_history", "signals")
    assert backed_up_topics(spec, spec.backup) == ("shop_audit", *(f"shop_orders_{name}" for name in own))
    reads = {acl.name for acl in user.acls if acl.resource == "topic" and "Read" in acl.operations}
    assert reads == set(backed_up_topics(spec, spec.backup))
    assert {name for acl in user.acls for name in acl.operations} == {"Describe", "DescribeConfigs", "Read"}
    assert not [acl for acl in user.acls if acl.name == "*"]


def test_cron_jobs_run_one_at_a_time_with_secrets_as_files() -> None:
    spec = environment({**BASE, "data": {"pipelines": ["*"]}})
    jobs = {manifest.name: manifest.body["spec"] for manifest in render(spec).manifests if manifest.kind == "CronJob"}
    assert set(jobs) == {"backup-daily", "backup-weekly"}
    job = jobs["backup-weekly"]
    pod = job["jobTemplate"]["spec"]["template"]["spec"]
    command = pod["containers"][0]["command"]
    assert (job["concurrencyPolicy"], job["timeZone"]) == ("Forbid", "Etc/UTC")
    assert command[:5] == ["cdc", "backup", "create", "trial", "--plan"]
    assert command[command.index("--kind") + 1] == "weekly"
    assert command[command.index("--key-file") + 1] == "/run/secrets/backup/backup.key"
    [secrets] = [volume["projected"]["sources"] for volume in pod["volumes"] if volume["name"] == "secrets"]
    items = {item["path"] for source in secrets for item in source["secret"]["items"]}
    assert items == {"backup.key", "backup.password", "cluster-ca.pem"}


def test_a_bucket_takes_the_place_of_a_volume() -> None:
    s3 = {
        "bucket": "b-1",
        "endpoint": "https://s3.example:9000",
        "credentials": "vault:cdc/backup#s3",
        "ca": "secret:s3#ca.crt",
    }
    rendered = render(environment({"image": "acme/cdc:1", "s3": s3}))
    jobs = [one.body["spec"]["jobTemplate"]["spec"]["template"]["spec"] for one in rendered.manifests if one.kind == "CronJob"]
    assert len(jobs) == 2
    for pod in jobs:
        [container] = pod["containers"]
        words = container["command"]
        assert words[words.index("--s3-credentials-file") + 1] == "/run/secrets/backup/s3.credentials"
        assert words[words.index("--s3-ca-file") + 1] == "/run/secrets/backup/s3-ca.pem"
        [secrets] = [volume["projected"] for volume in pod["volumes"] if volume["name"] == "secrets"]
        paths = {item["path"] for source in secrets["sources"] for item in source["secret"]["items"]}
        assert {"s3.credentials", "s3-ca.pem"} < paths
        assert not [volume for volume in pod["volumes"] if "persistentVolumeClaim" in volume]
    [policy] = [one.body["spec"] for one in rendered.manifests if one.kind == "NetworkPolicy" and one.name == "backup"]
    assert policy["egress"] == [{"ports": [{"port": 9000, "protocol": "TCP"}]}]


def test_a_bucket_in_plain_text_is_a_hop_in_plain_text() -> None:
    for endpoint, encrypted in (("http://s3.example", False), ("https://s3.example", True), (None, True)):
        s3 = {"bucket": "b-1", "credentials": "secret:s3#keys", "endpoint": endpoint}
        [hop] = [hop for hop in hops(environment({"image": "acme/cdc:1", "s3": s3})) if hop.source == "cdc backup"]
        assert (hop.encrypted, hop.path) == (encrypted, "backup.s3.endpoint")


def maps(spec: EnvironmentSpec) -> dict[str, dict[str, str]]:
    """The rendered ConfigMaps."""
    return {manifest.name: manifest.body["data"] for manifest in render(spec).manifests if manifest.kind == "ConfigMap"}


def test_a_run_knows_what_was_planned_and_nothing_else_of_the_environment() -> None:
    spec = environment({**BASE, "data": {"pipelines": ["*"]}})
    assert spec.backup is not None
    found = maps(spec)
    assert set(found) == {"backup", "backup-topics-0", "backup-vault-0"}
    read = plan.read({name: text for data in found.values() for name, text in data.items()}, "there")
    wanted = plan.plan_of(spec, spec.backup)
    assert (read.name, read.topics, read.vault) == (wanted.name, wanted.topics, wanted.vault)
    assert (read.registry, read.connect, read.environment) == (False, False, None)
    assert read.backup.key is not None
    assert "vault:" not in str(found)
    for field in ("directory", "s3", "keep"):
        assert getattr(read.backup, field) == getattr(spec.backup, field)
    assert "password" not in found["backup"]["kafka.properties"]
    assert "partitions" not in str(found)


def test_every_object_of_a_large_plan_is_small_enough_and_each_run_sees_all() -> None:
    topics = tuple(f"shop_{number:06d}_{'x' * 40}" for number in range(30_000))
    spec = environment(BASE)
    assert spec.backup is not None
    files = plan.written(replace(plan.plan_of(spec, spec.backup), topics=topics))
    assert max(len(text) for text in files.values()) <= plan.PART_BYTES
    assert [name for name in files if name.startswith("topics")] == [f"topics-{number}.txt" for number in range(4)]
    assert plan.read(files, "there").topics == topics
    jobs = [one.body["spec"]["jobTemplate"]["spec"] for one in render(spec).manifests if one.kind == "CronJob"]
    for job in jobs:
        [volume] = [volume for volume in job["template"]["spec"]["volumes"] if volume["name"] == "plan"]
        assert {source["configMap"]["name"] for source in volume["projected"]["sources"]} == set(maps(spec))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"environment": "trial", "backup": {"keep": 0}}'])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(CdcError, match=r"there/plan\.json: is no plan of a backup"):
        plan.read({"plan.json": text}, "there")


def test_the_plan_of_another_stack_is_refused(tmp_path: Path) -> None:
    spec = environment(BASE)
    assert spec.backup is not None
    for name, text in plan.written(plan.plan_of(spec, spec.backup)).items():
        (tmp_path / name).write_text(text)
    assert planned(None, "trial", tmp_path).backup.keep == spec.backup.keep
    with pytest.raises(CdcError, match="is the plan of trial, not of prod"):
        planned(None, "prod", tmp_path)
    with pytest.raises(CdcError, match="No such file"):
        planned(None, "trial", tmp_path / "nowhere")


def manifest(name: str, kind: Kind, ended: str) -> Manifest:
    """Of a backup with one file of 40 bytes and 3 records."""
    file = File("data/a/0/0", 40, "", "a", 0, 0, 2, 3)
    return Manifest(name, "trial", "c", kind, ended, ended, "plain", "", "", (file,))


def test_the_newest_of_each_kind_is_told_and_the_age_of_one_that_is_gone_goes_on() -> None:
    made = [
        manifest("20260102T000000Z", "daily", "2026-01-02T00:00:00Z"),
        manifest("20260101T000000Z", "daily", "2026-01-01T00:00:00Z"),
    ]
    first = "\n".join(figures.lines("trial", made, {}, 1_800_000_000))
    assert figures.known(first) == {"daily": 1_767_312_000, "weekly": 1_800_000_000}
    assert 'cdc_backup_size_bytes{stack="trial",kind="daily"} 40' in first
    assert 'cdc_backup_records{stack="trial",kind="daily"} 3' in first
    later = "\n".join(figures.lines("trial", [], figures.known(first), 1_900_000_000))
    assert figures.known(later) == figures.known(first)
    assert exposed(first) >= EXPORTED["backup"]


def test_figures_are_left_beside_the_backups_of_docker_where_somebody_watches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / ".metrics" / "trial.prom"

    def tell(**more: Any) -> None:
        spec = environment(more.pop("backup", {}), more.pop("target", "docker"), **more)
        assert spec.backup is not None
        figures.tell_whoever_watches(plan.plan_of(spec, spec.backup), tmp_path, [])

    tell()
    tell(target="kubernetes", observability={}, backup=BASE)
    tell(observability={"backupExporter": {"enabled": False}})
    assert not told.parent.exists()
    tell(observability={})
    assert (told.stat().st_mode & 0o777, told.parent.stat().st_mode & 0o777) == (0o644, 0o755)
    assert [path.name for path in told.parent.iterdir()] == ["trial.prom"]
    told.unlink()
    told.mkdir()
    tell(observability={})
    assert "nobody is told how old backups are" in capsys.readouterr().err


def test_on_docker_nothing_runs() -> None:
    assert render(environment({"data": {"pipelines": ["orders"]}}, "docker")).manifests == ()


@pytest.mark.parametrize(
    ("backup", "path"),
    [
        ({**BASE, "data": {"pipelines": ["nobody"]}}, "backup.data.pipelines[0]"),
        ({**BASE, "data": {"topics": ["nobody*"]}}, "backup.data.topics[0]"),
        ({"storage": "1Gi"}, "backup.image"),
        ({"image": "acme/cdc:1"}, "backup.storage"),
        ({**BASE, "claim": "other"}, "backup.claim"),
        ({**BASE, "s3": {"bucket": "b-1", "credentials": "secret:s3#k"}}, "backup.s3"),
        ({"image": "acme/cdc:1", "s3": {"bucket": "b-1"}}, "backup.s3.credentials"),
        (
            {"image": "acme/cdc:1", "s3": {"bucket": "b-1", "credentials": "secret:s3#k", "endpoint": "https://s:70000"}},
            "backup.s3.endpoint",
        ),
        ({**BASE, "schedule": {"daily": "at noon"}}, "backup.schedule.daily"),
    ],
)
def test_what_does_not_fit_is_refused(backup: dict[str, Any], path: str) -> None:
    with pytest.raises(SpecError) as refused:
        environment(backup)
    assert path in [problem.path for problem in refused.value.problems]


@dataclass(frozen=True)
class FakeMessage:
    """A record as the client gives it."""

    record: tuple[int, int, bytes | None, bytes | None, Headers]

    def offset(self) -> int:
        return self.record[0]

    def timestamp(self) -> tuple[int, int]:
        return 1, self.record[1]

    def key(self) -> bytes | None:
        return self.record[2]

    def value(self) -> bytes | None:
        return self.record[3]

    def headers(self) -> Headers | None:
        return self.record[4] or None


_BYTES = st.none() | st.binary(max_size=40)
_RECORDS = st.tuples(
    st.integers(0, 2**62), st.integers(-1, 2**62), _BYTES, _BYTES, st.lists(st.tuples(st.text(max_size=5), _BYTES), max_size=3)
)


@settings(max_examples=50, deadline=None)
@given(st.lists(_RECORDS, min_size=1, max_size=20))
def test_records_come_out_as_they_went_in(records: list[tuple[int, int, bytes | None, bytes | None, Headers]]) -> None:
    found = decode(encode([FakeMessage(record) for record in records]))
    out = zip(found.offsets, found.timestamps, found.keys, found.values, strict=True)
    assert [(*record, found.headers.get(at, [])) for at, record in enumerate(out)] == records


def test_a_file_opens_under_its_own_name_in_its_own_backup_with_its_own_key_only() -> None:
    salt = new_salt()
    seal = seal_of("a", salt, KEY)
    content = seal.close("data/x", 1, b"secret")
    assert seal.open("data/x", content) == b"secret"
    assert b"secret" not in content
    others = [seal_of("b", salt, KEY), seal_of("a", new_salt(), KEY), seal_of("a", salt, bytes(32))]
    for other, name, changed in [(seal, "data/y", content), *((other, "data/x", content) for other in others)]:
        with pytest.raises(DamagedError):
            other.open(name, changed)
    for at in range(8, len(content)):
        with pytest.raises(DamagedError):
            seal.open("data/x", content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


def test_a_key_that_is_none_is_refused_and_not_repeated(tmp_path: Any) -> None:
    (tmp_path / "key").write_text("hunter2hunter2")
    with pytest.raises(BackupError) as refused:
        read_key(tmp_path / "key")
    assert "hunter2" not in str(refused.value)


def _chunk(first: int, offsets: Sequence[int], at: int) -> Placed:
    return Placed(File(f"data/t/0/{first}", 1, "", "t", 0, offsets[0], offsets[-1], len(offsets)), at)


@pytest.mark.parametrize(
    ("old", "new"),
    [(0, 100), (10, 100), (11, 101), (12, 102), (13, 102), (14, 103), (15, 200), (20, 200), (22, 202), (23, 999), (99, 999)],
)
def test_a_group_goes_on_with_the_record_that_it_would_have_read_next(old: int, new: int) -> None:
    """Old offsets 10, 11, 13, 14 and 20 to 22 stand at 100 to 103 and 200 to 202 now."""
    gaps = [10, 11, 13, 14]
    chunks = [_chunk(10, gaps, 100), _chunk(20, [20, 21, 22], 200)]
    assert new_offset(("t", 0), old, chunks, 999, lambda _: gaps) == new


def _made(name: str, kind: Kind) -> Manifest:
    return Manifest(name, "e", "c", kind, "", "", "none", "", "", ())


def test_the_newest_of_each_kind_are_kept_and_those_made_by_hand_all() -> None:
    kinds: list[Kind] = ["daily", "weekly", "manual"]
    made = [_made(f"{number}{kind}", kind) for number in range(5) for kind in kinds]
    assert outlived(made, {"daily": 3, "weekly": 4}) == ["0daily", "0weekly", "1daily"]


def test_a_connector_that_holds_a_secret_is_refused_without_repeating_it() -> None:
    with pytest.raises(BackupError) as refused:
        refuse_secrets("c", {"database.password": "hunter2"})
    assert "database.password" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    refuse_secrets("c", {"database.password": "${directory:/run:x}", "ssl.key.location": "/x", "key.converter": "Json"})


def test_the_names_of_secrets_in_vault_are_known() -> None:
    assert vault_names(environment(BASE)) == ("cdc/backup#key", "cdc/db#password")
