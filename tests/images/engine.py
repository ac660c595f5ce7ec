"""A docker engine of the run's own, from Debian's package, with everything it keeps in one folder."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.harness.processes import Process
from tests.toolchain.debian import ensure_packages

READY_SECONDS = 60


@dataclass(frozen=True)
class Docker:
    """Commands of ``docker`` against one engine."""

    socket: Path

    def run(self, *words: str | Path) -> str:
        """What the command says. Raises :class:`subprocess.CalledProcessError` where it fails; what it wrote is shown."""
        done = self.attempt(*words)
        if done.returncode != 0:
            print(done.stdout[-4000:], done.stderr[-4000:], sep="\n")
            done.check_returncode()
        return done.stdout.strip()

    def attempt(self, *words: str | Path) -> "subprocess.CompletedProcess[str]":
        """The command, however it ends. BuildKit is off: it would fetch its own front end."""
        environment = {**os.environ, "DOCKER_HOST": f"unix://{self.socket}", "DOCKER_BUILDKIT": "0"}
        return subprocess.run(["docker", *map(str, words)], env=environment, capture_output=True, text=True, check=False)


@contextmanager
def docker_engine(folder: Path) -> Iterator[Docker]:
    """For the time of the context; it needs root. It has no bridge and leaves the machine's firewall alone: builds use the
    machine's network, containers none."""
    programs = ensure_packages({"dockerd": "docker.io", "docker": "docker.io", "iptables": "iptables"})
    socket = folder / "docker.sock"
    places = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
    options = [f"--{option}={folder / name}" for option, name in places.items()]
    command: list[str | Path] = [programs["dockerd"], *options, "--bridge=none", "--iptables=false", f"--host=unix://{socket}"]
    try:
        with Process("docker engine", command, folder / "dockerd.log") as process:
            docker = Docker(socket)
            process.wait_ready(lambda: docker.attempt("version").returncode == 0, READY_SECONDS)
            yield docker
    finally:
        for left in (folder / "exec" / "netns").glob("*"):  # it keeps the machine's own network mounted there
            subprocess.run(["umount", left], check=False)
