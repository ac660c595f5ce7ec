"""Network, mount and host name namespaces of a test's own: fixed ports and absolute paths collide with nothing on the machine.

A namespace lives as long as this process holds it open, be it by one of its threads, by a process that was started in it, or by
the files kept here; so nothing of it outlives the test run, however that ends. Making one needs root.
"""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

_CLONE_FS = 0x200  # linux/sched.h
_CLONE_NEWNS = 0x20000
_CLONE_NEWUTS = 0x4000000
_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1  # linux/sockios.h, linux/if.h

_libc = ctypes.CDLL(None, use_errno=True)
_KINDS = {"net": "net", "uts": "uts", "mount": "mnt"}
"""``nsenter``'s names of the namespaces, and the kernel's."""

Result = TypeVar("Result")


class Namespace:
    """Mounts and a host name of its own, on a network that has a loopback device and nothing else.

    ``within`` shares another's network and begins with a copy of its mounts. ``prepare`` runs inside once, to mount what is
    wanted there.
    """

    def __init__(self, prepare: Callable[[], None], *, within: "Namespace | None" = None, host_name: str = "localhost") -> None:
        if os.geteuid() != 0:
            raise PermissionError("namespaces are made by root only: run this test as root")
        self._files = _in_thread(lambda: _make(prepare, within, host_name))

    def run(self, action: Callable[[], Result]) -> Result:
        """What ``action()`` gives, run inside by a thread of its own.

        Threads, processes and sockets that it begins stay inside; so a Kafka client made here works from anywhere.
        """
        return _in_thread(lambda: self._entered(action))

    def command(self, *words: str | Path) -> list[str]:
        """A command line that runs ``words`` inside, in a process of the same id."""
        own = (f"--{kind}=/proc/{os.getpid()}/fd/{file}" for kind, file in zip(_KINDS, self._files, strict=True))
        return ["nsenter", *own, "--", *map(str, words)]

    def enter(self) -> None:
        """Move the calling thread inside, for good."""
        _call("unshare", _CLONE_FS)  # the kernel moves no thread whose working directory is also another's
        for file in self._files:
            _call("setns", file, 0)

    def close(self) -> None:
        """Let go of it; it vanishes with the last process inside."""
        for file in self._files:
            os.close(file)

    def _entered(self, action: Callable[[], Result]) -> Result:
        self.enter()
        return action()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def mount(*arguments: str | Path) -> None:
    """``mount ARGUMENTS``, in the calling thread's namespace."""
    subprocess.run(["mount", *map(str, arguments)], check=True, capture_output=True)


def bind(source: Path, target: Path, *, read_only: bool = False) -> None:
    """Show ``source``, a file or a folder, at ``target``, which is made when missing."""
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    mount("--bind", source, target)
    if read_only:
        mount("-o", "remount,bind,ro", target)


def _in_thread(action: Callable[[], Result]) -> Result:
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(action).result()


def _make(prepare: Callable[[], None], within: Namespace | None, host_name: str) -> tuple[int, ...]:
    if within is None:
        _call("unshare", _CLONE_FS | _CLONE_NEWNET)
        _loopback_up()
    else:
        within.enter()
    _call("unshare", _CLONE_NEWNS | _CLONE_NEWUTS)
    socket.sethostname(host_name)
    mount("--make-rprivate", "/")
    prepare()
    return tuple(os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in _KINDS.values())


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        name, flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", name, flags | _IFF_UP))


def _call(function: str, *arguments: int) -> None:
    if getattr(_libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")
