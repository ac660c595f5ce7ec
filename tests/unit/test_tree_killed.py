"""A process that is killed while it publishes, or that may not write, leaves one whole tree."""

import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.core.errors import CdcError
from operations import exchange
from operations.ledger import LEDGER
from operations.publish import publish

ONE = {f"kafka/topics/topic-{n}.yaml": f"one {n}\n" for n in range(60)} | {"kustomization.yaml": "one\n"}
OTHER = {f"kafka/topics/topic-{n}.yaml": f"other {n}\n" for n in range(30, 100)} | {"kustomization.yaml": "other\n"}
MINE = {"NOTES.md": "mine\n"}
STEPS = ["locked", "surveyed", "staged", "written", "carried over", "synced", "in place", "cleared"]
ROUNDS = 20
NOBODY = 65534


def contents(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != LEDGER]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


def in_a_child(work: Callable[[], None]) -> int:
    """Runs ``work`` in a process of its own and gives that process' id; the process never returns into the test."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "rendered" / "prod"
    publish(ONE, "prod", folder)
    (folder / "NOTES.md").write_text("mine\n")
    return folder


@pytest.fixture(name="way", params=["exchange", "two renames"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "two renames":
        monkeypatch.setattr(exchange, "exchange", lambda _one, _other: False)
    return str(request.param)


@pytest.mark.parametrize("step", [*STEPS, "moved aside"])
def test_killed_at_any_step_it_leaves_one_whole_tree_and_the_next_run_completes(folder: Path, way: str, step: str) -> None:
    def die(now: str) -> None:
        if now == step:
            os.kill(os.getpid(), signal.SIGKILL)

    _, status = os.waitpid(in_a_child(lambda: void(publish(OTHER, "prod", folder, die))), 0)
    if step == "moved aside" and way == "exchange":
        assert not os.WIFSIGNALED(status), "two names that are exchanged are never moved aside"
    else:
        assert os.WTERMSIG(status) == signal.SIGKILL
    if folder.exists():
        is_new = step == "moved aside" or STEPS.index(step) >= STEPS.index("in place")
        assert contents(folder) == (OTHER if is_new else ONE) | MINE
    else:
        assert (way, step) == ("two renames", "moved aside")
    publish(OTHER, "prod", folder)
    assert contents(folder) == OTHER | MINE
    assert [path.name for path in folder.parent.iterdir()] == ["prod"]


def void(_value: object) -> None:
    """Drops a result."""


def test_killed_at_random_moments_it_never_leaves_a_mixture(folder: Path, way: str) -> None:
    def forever() -> None:
        while True:
            publish(ONE, "prod", folder)
            publish(OTHER, "prod", folder)

    began = time.monotonic()
    publish(OTHER, "prod", folder)
    span = 4 * (time.monotonic() - began)
    moments = random.Random(7)  # the same moments in each run, in parts of what one run takes here
    seen: set[str] = set()
    rounds = 0
    while rounds < ROUNDS or (len(seen) < 2 and rounds < 10 * ROUNDS):
        rounds += 1
        child = in_a_child(forever)
        time.sleep(moments.uniform(0, span))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if not folder.exists():
            assert way == "two renames"
            continue
        found = contents(folder)
        assert found in (ONE | MINE, OTHER | MINE)
        seen.add(found["kustomization.yaml"])
    publish(OTHER, "prod", folder)
    assert contents(folder) == OTHER | MINE
    assert [path.name for path in folder.parent.iterdir()] == ["prod"]
    assert seen == {"one\n", "other\n"}, "the kills came too early to prove anything"


@pytest.fixture(name="open_folder")
def _open_folder() -> Iterator[Path]:
    """A folder that every user may pass through; pytest's own are its user's alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def error_without_rights(work: Callable[[], object]) -> str:
    """The message of the error that ``work`` ends with when it is run without the rights of root; empty when it does not."""
    reader, writer = os.pipe()

    def run() -> None:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        try:
            work()
        except CdcError as error:
            os.write(writer, str(error).encode())

    child = in_a_child(run)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text


def test_a_folder_that_may_not_be_written_is_an_error_that_names_it(open_folder: Path) -> None:
    folder = open_folder / "rendered" / "prod"
    publish(ONE, "prod", folder)
    (open_folder / "rendered").chmod(0o555)
    message = error_without_rights(lambda: publish(OTHER, "prod", folder))
    (open_folder / "rendered").chmod(0o755)
    assert f"{folder}: cannot be written: Permission denied" in message
    assert "what was there before is unchanged" in message
    assert contents(folder) == ONE


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    message = error_without_rights(lambda: publish(ONE, "prod", open_folder / "rendered" / "prod"))
    open_folder.chmod(0o755)
    assert "cannot be written: Permission denied" in message
    assert list(open_folder.iterdir()) == []


def test_a_tree_made_read_only_by_its_owner_can_be_rendered_again(open_folder: Path) -> None:
    if os.geteuid() == 0:
        os.chown(open_folder, NOBODY, NOBODY)
    folder = open_folder / "rendered" / "prod"

    def work() -> None:
        publish(ONE, "prod", folder)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(path.stat().st_mode & ~0o222)
        publish(OTHER, "prod", folder)

    assert error_without_rights(work) == ""
    assert contents(folder) == OTHER
    assert [path.name for path in folder.parent.iterdir()] == ["prod"]
    for path in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        path.chmod(0o755)
