"""A real PostgreSQL server on loopback, with its storage in a folder of its own."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.harness.namespace import Namespace
from tests.harness.one_process import OneProcess
from tests.harness.processes import LOOPBACK, Process, free_port, wait_until
from tests.harness.unprivileged import as_nobody, make_folder
from tests.toolchain.postgres import postgres_programs

READY_SECONDS = 60
SUPERUSER = "postgres"


_MEMORY_LINE = 6
"""Of ``postmaster.pid``, from 0 on: key and id of the shared memory."""


def _attached(block: str) -> bool:
    """Whether a process has this shared memory (proc(5): ``key shmid perms size cpid lpid nattch``)."""
    found = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    return any(fields[1] == block and fields[6] != "0" for fields in found)


class PostgresServer(OneProcess):
    """For the time of the context. Anybody on loopback is the super user ``postgres``; there is no password.

    It is as durable as PostgreSQL comes: what a test kills must find its commits again. ``settings`` change that.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str | int] | None = None,
        *,
        namespace: Namespace | None = None,
        port: int | None = None,
    ) -> None:
        """The log goes to ``folder/postgres.log``; ``settings`` are lines of ``postgresql.conf``. In a ``namespace`` it can be
        reached there only."""
        super().__init__("PostgreSQL")
        self.port = free_port() if port is None else port
        self._namespace = namespace
        self._log = folder / "postgres.log"
        self._settings = dict(settings or {})
        self._folder: Path | None = None

    def dsn(self, database: str = SUPERUSER) -> str:
        """The connection string of a database."""
        return f"host={LOOPBACK} port={self.port} user={SUPERUSER} dbname={database}"

    def psql(self, statements: str, database: str = SUPERUSER) -> str:
        """What ``psql`` prints for the statements: rows by line, columns by ``|``. An error in them raises."""
        program = postgres_programs() / "psql"
        command = self._inside(program, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statements, self.dsn(database))
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def start(self) -> None:
        """Start it, with the storage that it had, and wait until it takes connections."""
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        self._process = Process(
            "PostgreSQL",
            self._inside(
                *as_nobody(),
                postgres_programs() / "postgres",
                "-D",
                self._data,
                "-h",
                LOOPBACK,
                "-p",
                str(self.port),
                "-k",
                "",
                *options,
            ),
            self._log,
        )
        self._process.wait_ready(self._answers, READY_SECONDS)

    def stop(self) -> None:
        """Shut it down in its mode *fast*: connections are cut, what was committed is on disk."""
        subprocess.run(
            [*as_nobody(), postgres_programs() / "pg_ctl", "stop", "-D", self._data, "-m", "fast", "-s"],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._forget()

    def kill(self) -> None:
        """End it with no warning. Its backends, in process groups of their own, see that and end as well: none has its memory
        any more, which another start would refuse."""
        block = (self._data / "postmaster.pid").read_text().splitlines()[_MEMORY_LINE].split()[1]
        self._forget()
        wait_until("PostgreSQL's port to be free", lambda: not self._answers(), READY_SECONDS)
        wait_until("its backends to be gone", lambda: not _attached(block), READY_SECONDS)

    def _forget(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()

    @property
    def _data(self) -> Path:
        if self._folder is None:
            raise RuntimeError("PostgreSQL has no storage outside its context")
        return self._folder / "data"

    def _inside(self, *words: str | Path) -> list[str]:
        return [str(word) for word in words] if self._namespace is None else self._namespace.command(*words)

    def _answers(self) -> bool:
        probe = self._inside(postgres_programs() / "pg_isready", "-q", "-h", LOOPBACK, "-p", str(self.port))
        return subprocess.run(probe, check=False).returncode == 0

    def __enter__(self) -> Self:
        self._folder = make_folder("postgres")
        try:
            subprocess.run(
                [
                    *as_nobody(),
                    postgres_programs() / "initdb",
                    "-D",
                    self._data,
                    "-U",
                    SUPERUSER,
                    "--auth=trust",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                    "--no-sync",
                    "--no-instructions",
                ],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            self.start()
        except BaseException:
            self._clean()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._clean()

    def _clean(self) -> None:
        if self._process is not None:
            self.kill()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
