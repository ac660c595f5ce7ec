"""Publishing a tree: whole or not at all, and nobody else's files are touched."""

import errno
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from components.core.errors import RenderError
from operations import beside, exchange, publish
from operations.ledger import LEDGER
from operations.publish import Published

OLD = {"kustomization.yaml": "old\n", "kafka/kafka_cdc.yaml": "old kafka\n", "kafka/topics/gone.yaml": "gone\n"}
NEW = {"kustomization.yaml": "new\n", "kafka/kafka_cdc.yaml": "new kafka\n", "kafka/topics/orders.yaml": "orders\n"}
STEPS = ["locked", "surveyed", "staged", "written", "carried over", "synced", "in place", "cleared"]


class Stopped(Exception):
    """Raised in the middle of a run, where a real one could be killed."""


def stop_at(step: str) -> Callable[[str], None]:
    def progress(now: str) -> None:
        if now == step:
            raise Stopped(step)

    return progress


def contents(folder: Path) -> dict[str, str]:
    """Every regular file below ``folder`` but the ledger."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != LEDGER]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


def beside_it(folder: Path) -> list[str]:
    """What else there is in the parent folder."""
    return sorted(path.name for path in folder.parent.iterdir() if path != folder)


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    return tmp_path / "rendered" / "prod"


@pytest.fixture(name="two_renames")
def _two_renames(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that cannot exchange two names."""
    monkeypatch.setattr(exchange, "exchange", lambda _one, _other: False)


@pytest.fixture(name="way", params=["exchange", "two renames"])
def _way(request: pytest.FixtureRequest) -> str:
    if request.param == "two renames":
        request.getfixturevalue("two_renames")
    return str(request.param)


def test_the_folder_holds_exactly_the_files_and_a_ledger_of_them(folder: Path) -> None:
    outcome = publish.publish(NEW, "prod", folder)
    assert contents(folder) == NEW
    ledger = json.loads((folder / LEDGER).read_text())
    assert ledger["stack"] == "prod"
    assert sorted(ledger["files"]) == sorted(NEW)
    assert outcome.added == tuple(sorted(NEW))
    assert beside_it(folder) == []


@pytest.mark.usefixtures("way")
def test_rendering_again_replaces_what_changed_and_removes_what_is_no_more(folder: Path) -> None:
    publish.publish(OLD, "prod", folder)
    outcome = publish.publish(NEW, "prod", folder)
    assert contents(folder) == NEW
    assert outcome.added == ("kafka/topics/orders.yaml",)
    assert outcome.changed == ("kafka/kafka_cdc.yaml", "kustomization.yaml")
    assert outcome.removed == ("kafka/topics/gone.yaml",)
    assert beside_it(folder) == []


def test_the_same_files_give_the_same_bytes_and_leave_the_tree_alone(folder: Path, tmp_path: Path) -> None:
    publish.publish(NEW, "prod", folder)
    first = (folder.stat().st_ino, (folder / LEDGER).read_bytes())
    outcome = publish.publish(dict(reversed(NEW.items())), "prod", folder)
    assert (folder.stat().st_ino, (folder / LEDGER).read_bytes()) == first
    assert (outcome.added, outcome.changed, outcome.removed) == ((), (), ())
    publish.publish(NEW, "prod", tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / LEDGER).read_bytes() == first[1]


@pytest.mark.usefixtures("way")
def test_what_the_platform_did_not_write_stays_with_its_content_its_inode_and_its_mode(folder: Path) -> None:
    publish.publish(OLD, "prod", folder)
    (folder / "NOTES.md").write_text("mine\n")
    (folder / "kafka/topics/extra").mkdir()
    (folder / "kafka/topics/extra/mine.yaml").write_text("mine too\n")
    (folder / "kafka/topics/extra/mine.yaml").chmod(0o600)
    (folder / "link").symlink_to("NOTES.md")
    (folder / "dangling").symlink_to("/nowhere/at/all")
    (folder / "folder-link").symlink_to(folder.parent)
    (folder / "empty").mkdir()
    os.mkfifo(folder / "pipe")
    inode = (folder / "NOTES.md").stat().st_ino
    outcome = publish.publish(NEW, "prod", folder)
    assert outcome.kept == 6
    assert (folder / "NOTES.md").read_text() == "mine\n"
    assert (folder / "NOTES.md").stat().st_ino == inode
    assert (folder / "kafka/topics/extra/mine.yaml").stat().st_mode & 0o777 == 0o600
    assert (folder / "link").readlink() == Path("NOTES.md")
    assert (folder / "dangling").readlink() == Path("/nowhere/at/all")
    assert (folder / "folder-link").is_symlink()
    assert (folder / "empty").is_dir()
    assert (folder / "pipe").is_fifo()
    assert {path: text for path, text in contents(folder).items() if path in NEW} == NEW


def test_files_that_cannot_be_linked_are_copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    publish.publish(OLD, "prod", folder)
    (folder / "NOTES.md").write_text("mine\n")
    (folder / "link").symlink_to("NOTES.md")
    monkeypatch.setattr(os, "link", no_links)
    publish.publish(NEW, "prod", folder)
    assert (folder / "NOTES.md").read_text() == "mine\n"
    assert (folder / "link").readlink() == Path("NOTES.md")


@pytest.mark.parametrize(
    ("obstacle", "named"),
    [
        ("kafka/topics/orders.yaml", "kafka/topics/orders.yaml"),
        ("kafka/topics/orders.yaml/inside", "kafka/topics/orders.yaml"),
        ("kafka/topics", "kafka/topics"),
    ],
)
def test_a_file_of_others_that_is_in_the_way_is_named_and_nothing_changes(folder: Path, obstacle: str, named: str) -> None:
    before = {"kustomization.yaml": "old\n"}
    publish.publish(before, "prod", folder)
    (folder / obstacle).parent.mkdir(parents=True, exist_ok=True)
    (folder / obstacle).write_text("mine\n")
    with pytest.raises(RenderError, match=f"nothing was changed\n  {named}"):
        publish.publish(NEW, "prod", folder)
    assert contents(folder) == before | {obstacle: "mine\n"}
    assert beside_it(folder) == []


def test_a_link_of_others_that_is_in_the_way_is_named(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "kustomization.yaml").symlink_to("/dev/null")
    with pytest.raises(RenderError, match="must go"):
        publish.publish(NEW, "prod", folder)


def test_the_same_bytes_in_the_way_are_taken_over_so_that_a_lost_ledger_can_be_made_anew(folder: Path) -> None:
    publish.publish(NEW, "prod", folder)
    (folder / LEDGER).unlink()
    publish.publish(NEW, "prod", folder)
    assert sorted(json.loads((folder / LEDGER).read_text())["files"]) == sorted(NEW)


def test_a_file_edited_by_hand_is_rendered_again_and_reported(folder: Path) -> None:
    publish.publish(OLD, "prod", folder)
    (folder / "kafka/kafka_cdc.yaml").write_text("edited\n")
    (folder / "kafka/topics/gone.yaml").write_text("edited and no more wanted\n")
    outcome = publish.publish(NEW, "prod", folder)
    assert outcome.edited == ("kafka/kafka_cdc.yaml", "kafka/topics/gone.yaml")
    assert contents(folder) == NEW
    assert "2 files had been edited by hand" in "\n".join(publish.summary(outcome))


def test_an_edited_file_is_mended_even_when_the_spec_did_not_change(folder: Path) -> None:
    publish.publish(NEW, "prod", folder)
    (folder / "kustomization.yaml").write_text("edited\n")
    (folder / "kafka/kafka_cdc.yaml").unlink()
    outcome = publish.publish(NEW, "prod", folder)
    assert (outcome.edited, outcome.added) == (("kustomization.yaml",), ("kafka/kafka_cdc.yaml",))
    assert contents(folder) == NEW


def test_a_file_of_ours_replaced_by_a_link_never_writes_through_the_link(folder: Path, tmp_path: Path) -> None:
    publish.publish(OLD, "prod", folder)
    target = tmp_path / "precious"
    target.write_text("precious\n")
    (folder / "kustomization.yaml").unlink()
    (folder / "kustomization.yaml").symlink_to(target)
    publish.publish(NEW, "prod", folder)
    assert target.read_text() == "precious\n"
    assert not (folder / "kustomization.yaml").is_symlink()


def test_a_link_to_the_same_bytes_is_no_file_of_ours(folder: Path, tmp_path: Path) -> None:
    publish.publish(NEW, "prod", folder)
    (tmp_path / "same").write_text(NEW["kustomization.yaml"])
    (folder / "kustomization.yaml").unlink()
    (folder / "kustomization.yaml").symlink_to(tmp_path / "same")
    assert publish.publish(NEW, "prod", folder).edited == ("kustomization.yaml",)
    assert not (folder / "kustomization.yaml").is_symlink()


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("step", STEPS)
def test_a_run_stopped_at_any_step_leaves_one_whole_tree_and_the_next_run_completes(folder: Path, step: str) -> None:
    publish.publish(OLD, "prod", folder)
    (folder / "NOTES.md").write_text("mine\n")
    mine = {"NOTES.md": "mine\n"}
    with pytest.raises(Stopped):
        publish.publish(NEW, "prod", folder, stop_at(step))
    is_new = STEPS.index(step) >= STEPS.index("in place")
    assert contents(folder) == (NEW if is_new else OLD) | mine
    assert beside_it(folder) == []
    publish.publish(NEW, "prod", folder)
    assert contents(folder) == NEW | mine


@pytest.mark.usefixtures("two_renames")
def test_a_run_stopped_between_two_renames_brings_the_old_tree_back(folder: Path) -> None:
    publish.publish(OLD, "prod", folder)
    with pytest.raises(Stopped):
        publish.publish(NEW, "prod", folder, stop_at("moved aside"))
    assert contents(folder) == OLD
    assert beside_it(folder) == []


@pytest.mark.usefixtures("two_renames")
def test_a_second_rename_that_fails_brings_the_old_tree_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def fail_once(self: Path, target: Path) -> Path:
        if self.suffix == ".new":
            raise OSError(errno.EIO, "the disk is gone")
        return rename(self, target)

    publish.publish(OLD, "prod", folder)
    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(RenderError, match="the disk is gone"):
        publish.publish(NEW, "prod", folder)
    assert contents(folder) == OLD


def test_what_a_killed_run_left_is_cleared_by_the_next(folder: Path) -> None:
    publish.publish(OLD, "prod", folder)
    unfinished = beside.new_staging(folder)
    (unfinished / "half").write_text("half a tree\n")
    (folder.parent / ".prod.lock").touch()
    publish.publish(OLD, "prod", folder)
    assert beside_it(folder) == []
    assert contents(folder) == OLD


def test_a_run_killed_between_two_renames_is_recovered_by_the_next(folder: Path) -> None:
    publish.publish(OLD, "prod", folder)
    (folder / "NOTES.md").write_text("mine\n")
    staging = beside.new_staging(folder)
    folder.rename(beside.aside_of(staging))
    outcome = publish.publish(NEW, "prod", folder)
    assert contents(folder) == NEW | {"NOTES.md": "mine\n"}
    assert outcome.removed == ("kafka/topics/gone.yaml",)
    assert beside_it(folder) == []


def test_a_file_that_comes_into_the_old_tree_at_the_last_moment_is_not_lost(folder: Path) -> None:
    def progress(step: str) -> None:
        if step == "synced":
            (folder / "late.md").write_text("just in time\n")
            (folder / "kafka/late").mkdir()
            (folder / "kafka/late/too.md").write_text("me too\n")

    publish.publish(OLD, "prod", folder)
    publish.publish(NEW, "prod", folder, progress)
    assert contents(folder) == NEW | {"late.md": "just in time\n", "kafka/late/too.md": "me too\n"}


def test_a_file_deleted_after_a_killed_run_does_not_come_back(folder: Path) -> None:
    publish.publish(OLD, "prod", folder)
    (folder / "NOTES.md").write_text("mine\n")
    unfinished = beside.new_staging(folder)
    os.link(folder / "NOTES.md", unfinished / "NOTES.md")
    (folder / "NOTES.md").unlink()
    publish.publish(NEW, "prod", folder)
    assert not (folder / "NOTES.md").exists()


def test_leftovers_that_are_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("precious\n")
    publish.publish(OLD, "prod", folder)
    (folder.parent / ".prod.123.new").symlink_to(precious)
    publish.publish(NEW, "prod", folder)
    assert (precious / "file").read_text() == "precious\n"


def fail_writing(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Every write fails from the third file on."""
    write, calls = os.write, iter(range(1_000_000))

    def failing(descriptor: int, data: bytes) -> int:
        if next(calls) >= 2:
            raise OSError(code, os.strerror(code))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", failing)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_leaves_the_old_tree_and_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    publish.publish(OLD, "prod", folder)
    fail_writing(monkeypatch, code)
    with pytest.raises(RenderError, match=os.strerror(code)):
        publish.publish(NEW, "prod", folder)
    assert contents(folder) == OLD
    assert beside_it(folder) == []


def test_short_writes_are_continued(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    publish.publish(NEW, "prod", folder)
    assert contents(folder) == NEW


def test_a_file_in_the_folder_s_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "prod").write_text("a file\n")
    with pytest.raises(RenderError, match="is a file, not a folder"):
        publish.publish(NEW, "prod", tmp_path / "prod")


def test_a_link_to_a_folder_is_followed_and_stays_a_link(folder: Path, tmp_path: Path) -> None:
    publish.publish(OLD, "prod", folder)
    (tmp_path / "current").symlink_to(folder)
    publish.publish(NEW, "prod", tmp_path / "current")
    assert (tmp_path / "current").is_symlink()
    assert contents(folder) == NEW


def test_another_stack_s_tree_is_not_overwritten(folder: Path) -> None:
    publish.publish(OLD, "prod", folder)
    with pytest.raises(RenderError, match="holds the rendered tree of stack prod, not of dev"):
        publish.publish(NEW, "dev", folder)
    assert contents(folder) == OLD


@pytest.mark.parametrize("damage", ["", "not json", "[]", '{"format": 2, "stack": "prod", "files": {}}', '{"format": 1}'])
def test_a_damaged_ledger_is_an_error_and_nothing_changes(folder: Path, damage: str) -> None:
    publish.publish(OLD, "prod", folder)
    (folder / LEDGER).write_text(damage)
    with pytest.raises(RenderError, match="cannot tell its own files from yours"):
        publish.publish(NEW, "prod", folder)
    assert contents(folder) == OLD


def test_folders_keep_their_modes(folder: Path) -> None:
    publish.publish(OLD, "prod", folder)
    folder.chmod(0o2775)
    (folder / "kafka").chmod(0o500)
    publish.publish(NEW, "prod", folder)
    assert folder.stat().st_mode & 0o7777 == 0o2775
    assert (folder / "kafka").stat().st_mode & 0o777 == 0o500
    assert beside_it(folder) == []


def test_two_runs_at_a_time_wait_for_each_other(folder: Path) -> None:
    waiting, outcomes = threading.Event(), []

    def slow(step: str) -> None:
        if step == "written":
            waiting.set()
            time.sleep(0.3)

    def first() -> None:
        outcomes.append(publish.publish(OLD, "prod", folder, slow))

    thread = threading.Thread(target=first)
    thread.start()
    assert waiting.wait(10)
    outcomes.append(publish.publish(NEW, "prod", folder))
    thread.join()
    assert contents(folder) == NEW
    assert [isinstance(outcome, Published) and bool(outcome.removed) for outcome in outcomes] == [False, True]


def test_a_run_that_waits_too_long_for_another_says_so(folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    steps: list[str] = []
    with (
        beside.exclusive(folder, publish.silent),
        pytest.raises(RenderError, match="another cdc render"),
        beside.exclusive(folder, steps.append, 0.1),
    ):
        pass
    assert steps == ["waiting"]
