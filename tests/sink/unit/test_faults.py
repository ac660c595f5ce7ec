"""The crash hook: inert unless set, and exact where it is."""

import os
import signal
import subprocess
import sys

import pytest
from sink_worker.faults import STEPS, parse


def _run(code: str, **environment: str) -> int:
    return subprocess.run([sys.executable, "-c", code], env={**os.environ, **environment}, check=False, timeout=60).returncode


THREE_TIMES = "from sink_worker import faults\nfor _ in range(3): faults.reach('committed'); print('x', flush=True)"


def test_it_does_nothing_unless_it_is_set() -> None:
    assert _run(THREE_TIMES) == 0


@pytest.mark.parametrize("text", ["committed", "committed:3"])
def test_it_kills_at_the_step(text: str) -> None:
    assert _run(THREE_TIMES, SINK_TEST_CRASH_AT=text) == -signal.SIGKILL


@pytest.mark.parametrize("text", ["committed:4", "begun"])
def test_it_lets_pass_what_is_not_meant(text: str) -> None:
    assert _run(THREE_TIMES, SINK_TEST_CRASH_AT=text) == 0


@pytest.mark.parametrize("text", ["commited", "committed:0", "committed:x"])
def test_a_wrong_step_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"step|invalid"):
        parse(text)


def test_every_step_has_a_name_of_its_own() -> None:
    assert len(set(STEPS)) == len(STEPS)
