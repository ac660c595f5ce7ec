"""``cdc`` as a process of its own: exit codes, streams, colours, signals, and what it does not need."""

import importlib.metadata
import os
import pty
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from operations import beside, preview, publish
from operations.cli import VERBS, app
from tests.harness.cdc_command import REPOSITORY, SMALL, Project, project, real_cdc

CDC = Path(sys.executable).with_name("cdc")
COLD_START_SECONDS = 1.5
FORBIDDEN_EVENTS = """
import sys
def forbid(event, arguments):
    if event.startswith(("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork")):
        print("forbidden:", event, arguments, file=sys.stderr)
        raise SystemExit(99)
sys.addaudithook(forbid)
from operations.cli import main
try:
    main()
finally:
    print("imported:", *sorted(name for name in sys.modules if name.startswith(("pulumi", "grpc"))), file=sys.stderr)
"""


@pytest.fixture(name="made")
def _made(tmp_path: Path) -> Project:
    return project(tmp_path, prod=SMALL)


def on_a_terminal(command: list[str], cwd: Path, **environment: str) -> str:
    """What ``command`` prints when its output is a terminal."""
    leader, follower = pty.openpty()
    kept = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM"}}
    process = subprocess.Popen(
        command, cwd=cwd, env={**kept, "TERM": "xterm-256color", **environment}, stdout=follower, stderr=follower
    )
    os.close(follower)
    told = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:  # Linux' answer when the other side has been closed
            break
        if not chunk:
            break
        told += chunk
    os.close(leader)
    process.wait(60)
    return told.decode()


def test_the_command_works_from_any_folder_of_the_project(made: Project) -> None:
    inside = made.root / "a" / "b"
    inside.mkdir(parents=True)
    outcome = real_cdc("preview", "prod", cwd=inside)
    assert outcome.code == 0, outcome.text
    assert outcome.out.startswith("prod  production · kubernetes")
    assert outcome.err == ""


def test_outside_a_project_it_says_what_to_do(tmp_path: Path) -> None:
    outcome = real_cdc("preview", "prod", cwd=tmp_path)
    assert outcome.code == 2
    assert "neither here nor above is a Pulumi.yaml" in outcome.err
    assert outcome.out == ""


def test_exit_codes_of_the_real_command(made: Project) -> None:
    made.write("bad", SMALL.replace("tier: production", "tier: prod"))
    made.write("one", SMALL.replace("      listeners:", "      topicDefaults: {replicas: 1}\n      listeners:"))
    codes = {
        ("check", "prod"): 0,
        ("check", "one"): 1,
        ("check", "bad"): 2,
        ("preview", "nosuch"): 2,
        ("diff", "prod", "one"): 3,
        ("nosuch",): 2,
        ("--version",): 0,
    }
    for arguments, code in codes.items():
        outcome = real_cdc(*arguments, cwd=made.root)
        assert outcome.code == code, (arguments, outcome.text)
        assert "Traceback" not in outcome.text


def test_the_version_is_the_package_s(tmp_path: Path) -> None:
    assert real_cdc("--version", cwd=tmp_path).out == f"cdc {importlib.metadata.version('cdc-platform')}\n"


def test_preview_starts_no_program_opens_no_connection_and_loads_no_provider(made: Project) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORBIDDEN_EVENTS, "preview", "prod"], cwd=made.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "imported:\n"


def test_a_cold_preview_of_prod_is_fast() -> None:
    """Measured in processor time, which other work on the machine does not stretch."""
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        outcome = real_cdc("preview", "prod", cwd=REPOSITORY)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert outcome.code == 0, outcome.text
    assert min(times) < COLD_START_SECONDS


def test_colours_are_for_terminals_only_and_no_color_is_obeyed(made: Project) -> None:
    command = [str(CDC), "preview", "prod"]
    assert "\x1b[1;36mfoundation" in on_a_terminal(command, made.root)
    assert "36m" not in on_a_terminal(command, made.root, NO_COLOR="1")
    assert "\x1b" not in real_cdc("preview", "prod", cwd=made.root).out


def test_a_reader_that_goes_away_ends_it_silently(made: Project) -> None:
    process = subprocess.Popen(
        [str(CDC), "render", "prod", "--stdout"], cwd=made.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    told = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(60) == -signal.SIGPIPE
    assert told == ""


def test_ctrl_c_ends_it_with_130_and_leaves_nothing(made: Project) -> None:
    folder = made.root / "rendered" / "prod"
    folder.parent.mkdir()
    with beside.exclusive(folder, publish.silent):
        process = subprocess.Popen(
            [str(CDC), "render", "prod"], cwd=made.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert (out, first) == ("", "waiting for another cdc render to end …\n")
    assert "Traceback" not in err
    assert list(folder.parent.iterdir()) == []


def test_a_terminal_that_knows_no_unicode_gets_an_answer_too(made: Project) -> None:
    outcome = real_cdc("preview", "prod", cwd=made.root, PYTHONIOENCODING="ascii")
    assert outcome.code == 0, outcome.text
    assert "3 brokers" in outcome.out


def test_a_bug_is_called_one_and_its_traceback_is_for_those_who_ask(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError("impossible")

    monkeypatch.setattr(preview, "outline", broken)
    monkeypatch.delenv("CDC_DEBUG", raising=False)
    outcome = made.cdc("preview", "prod")
    assert outcome.code == 70
    assert outcome.err.startswith("This is a bug in cdc, not in your spec: ZeroDivisionError: impossible\n")
    assert "Traceback" not in outcome.text
    monkeypatch.setenv("CDC_DEBUG", "1")
    assert "Traceback" in made.cdc("preview", "prod").err


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_explains_itself_with_examples_and_exit_codes(verb: str) -> None:
    shown = CliRunner().invoke(app, [verb, "--help"]).stdout
    assert "Examples:" in shown
    assert f"cdc {verb}" in shown
    assert "Exit codes:" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_the_help_lists_every_verb_with_a_whole_sentence() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout
    commands = shown[shown.index("Commands:") : shown.index("Exit codes:")]
    for verb in VERBS:
        line = next(line for line in commands.splitlines() if line.split()[:1] == [verb])
        assert not line.endswith("...")


def test_a_misspelt_verb_gets_the_nearest_one() -> None:
    result = CliRunner().invoke(app, ["previw", "prod"])
    assert result.exit_code == 2
    assert "Did you mean 'preview'?" in result.stderr


def test_the_root_may_stand_before_or_behind_the_verb(made: Project, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for arguments in (["--root", str(made.root), "preview", "prod"], ["preview", "prod", "--root", str(made.root)]):
        assert real_cdc(*arguments, cwd=other).code == 0
