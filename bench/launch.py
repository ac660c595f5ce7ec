"""Runs one command as a process of its own and says what it took. A program for :mod:`bench.measure`, standard library only.

Linux hands a process's peak memory on to what it executes, so whoever launches must be small: the benchmark itself is not.
"""

import json
import os
import signal
import sys
import time


def main() -> None:
    """Reads ``{command, cwd, env, output, timeout}`` from standard input; writes :class:`bench.measure.Run`'s fields."""
    order = json.load(sys.stdin)
    read, write = os.pipe()
    began = time.perf_counter()
    child = os.fork()
    if child == 0:
        _become(order, write)
    os.close(write)
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(child, signal.SIGKILL))
    signal.alarm(order["timeout"])
    errors = _drain(read)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - began
    signal.alarm(0)
    result = {
        "exit_code": os.waitstatus_to_exitcode(status),
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * 1024,
        "errors": errors[-4000:].decode(errors="replace"),
    }
    json.dump(result, sys.stdout)


def _become(order: dict[str, object], errors: int) -> None:
    """In the child: its own process group, no input, output to a file or nowhere, errors to the parent."""
    os.setpgid(0, 0)
    os.chdir(str(order["cwd"]))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(str(order["output"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), 1)
    os.dup2(errors, 2)
    command, environment = order["command"], order["env"]
    assert isinstance(command, list)
    assert isinstance(environment, dict)
    os.execvpe(command[0], command, environment)


def _drain(descriptor: int) -> bytes:
    """Everything until the child, and whoever it gave its errors' end to, has closed it."""
    content = b""
    while chunk := os.read(descriptor, 65536):
        content += chunk
    os.close(descriptor)
    return content


if __name__ == "__main__":
    main()
