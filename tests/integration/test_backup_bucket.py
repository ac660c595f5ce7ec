"""Where backups lie: the same of a folder and of a bucket of a real S3 store, with certificates and keys from files."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from operations.backup import s3
from operations.backup.errors import BackupError
from operations.backup.s3 import Bucket, BucketStore
from operations.backup.store import Folder, Store
from tests.harness.certificates import CertificateAuthority
from tests.harness.s3_server import BUCKET, SECRET_KEY, S3Server

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server(tmp_path_factory.mktemp("s3")) as running:
        yield running


def bucket_of(server: S3Server) -> Bucket:
    return Bucket(BUCKET, "us-east-1", server.endpoint, server.credentials, server.ca)


@pytest.fixture(params=["folder", "bucket"])
def make(request: pytest.FixtureRequest, server: S3Server, tmp_path: Path) -> Callable[[], Store]:
    """Makes the same store again, as another process would open it."""
    if request.param == "folder":
        return lambda: Folder(tmp_path / "live")
    return lambda: BucketStore(bucket_of(server), f"{tmp_path.name}/live/")


def test_what_is_put_is_there_for_whoever_opens_it_next(make: Callable[[], Store]) -> None:
    contents = {"b1/manifest.json": b"{}", "b1/data/one": bytes(range(256)) * 4000, "b2/data/two": b"", "b1/data/a b+ü": b"x"}
    first, second = make(), make()
    for name, content in contents.items():
        first.put(name, content)
    assert {name: second.get(name) for name in contents} == contents
    assert second.sizes("b1/") == {"data/a b+ü": 1, "data/one": 1_024_000, "manifest.json": 2}
    assert [child for child in second.children() if not child.startswith(".")] == ["b1", "b2"]
    with pytest.raises(FileNotFoundError):
        second.get("b1/data/none")


def test_what_is_dropped_is_gone_whole_and_nothing_else_is(make: Callable[[], Store]) -> None:
    store = make()
    for name in ("b1/manifest.json", "b1/data/1", "b10/data/1"):
        store.put(name, b"x")
    store.drop("b1")
    assert store.sizes("b1/") == {}
    assert store.sizes("b10/") == {"data/1": 1}


def test_there_is_one_at_a_time(make: Callable[[], Store]) -> None:
    with make().locked():
        with pytest.raises(BackupError, match="a backup is being made by") as refused, make().locked():
            pass
        assert "pid" in str(refused.value)
    with make().locked():
        pass


def test_more_objects_than_one_answer_lists_are_seen_and_dropped(server: S3Server, tmp_path: Path) -> None:
    store = BucketStore(bucket_of(server), f"{tmp_path.name}/")
    folder = server.objects / tmp_path.name / "b1"
    folder.mkdir(parents=True)
    for number in range(1100):
        (folder / f"{number:04}").write_bytes(b"")
    assert len(store.sizes("b1/")) == 1100
    store.drop("b1")
    assert store.sizes("b1/") == {}


def test_a_lock_is_renewed_and_that_of_a_dead_run_ends(
    server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "LEASE_SECONDS", 2)
    monkeypatch.setattr(s3, "_RENEW_SECONDS", 0.2)
    held, waiting = (BucketStore(bucket_of(server), f"{tmp_path.name}/") for _ in range(2))
    with held.locked():
        for _ in range(3):
            threading.Event().wait(1)
            with pytest.raises(BackupError, match="is being made"), waiting.locked():
                pass
    held._take()  # a run that is killed
    ended = threading.Event()
    taken = False
    for _ in range(200):
        try:
            with waiting.locked():
                taken = True
        except BackupError:
            ended.wait(0.05)
        if taken:
            break
    assert taken


def test_a_lock_that_was_taken_over_is_told_in_the_end(
    server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "LEASE_SECONDS", -60)
    monkeypatch.setattr(s3, "_RENEW_SECONDS", 0.05)
    held, other = (BucketStore(bucket_of(server), f"{tmp_path.name}/") for _ in range(2))

    def both() -> None:
        with held.locked():
            other._take()
            threading.Event().wait(1)

    with pytest.raises(BackupError, match="the lock was lost"):
        both()


def test_a_store_that_cannot_be_known_or_entered_is_described(server: S3Server, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.pem"
    stranger.write_text(CertificateAuthority("stranger").certificate)
    wrong, empty = tmp_path / "wrong", tmp_path / "empty"
    wrong.write_text(server.credentials.read_text().replace(SECRET_KEY, "another"))
    empty.write_text(f"nothing but {SECRET_KEY}\n")
    good = bucket_of(server)
    for bucket, said in (
        (replace(good, ca=stranger), "CERTIFICATE_VERIFY_FAILED"),
        (replace(good, ca=None), "CERTIFICATE_VERIFY_FAILED"),
        (replace(good, credentials=wrong), "SignatureDoesNotMatch"),
        (replace(good, name="elsewhere"), "NoSuchBucket"),
        (replace(good, credentials=empty), "holds no credentials"),
        (replace(good, credentials=tmp_path / "none"), "cannot be read"),
    ):
        with pytest.raises(BackupError, match=said) as refused:
            BucketStore(bucket, "x/").put("a", b"")
        assert "→" in str(refused.value)
        assert SECRET_KEY not in str(refused.value)
