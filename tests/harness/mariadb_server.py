"""A real MariaDB server on loopback that logs its changes by row, as Debezium needs it."""

import os
import shutil
import subprocess
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.harness.certificates import Identity
from tests.harness.namespace import Namespace
from tests.harness.one_process import OneProcess
from tests.harness.processes import LOOPBACK, Process, free_port, is_listening
from tests.harness.unprivileged import as_nobody, make_folder
from tests.toolchain.mariadb import mariadb_program

READY_SECONDS = 60
USER = "cdc"
SERVER_ID = 5501
BINARY_LOG = ("--log-bin=binlog", "--binlog-format=ROW", "--binlog-row-image=FULL", "--binlog-row-metadata=FULL")


class MariadbServer(OneProcess):
    """For the time of the context. The user ``cdc``, with all rights, needs no password; UTF-8, the zone is UTC."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        namespace: Namespace | None = None,
        port: int | None = None,
        password: str = "",
        tls: tuple[Identity, str] | None = None,
    ) -> None:
        """The log goes to ``folder/mariadb.log``; ``options`` are the server's, as ``--sql-mode=``. It runs in ``namespace``
        where one is given; ``password`` is that of ``cdc``, without any by default. ``tls`` is its certificate and the CA of
        its clients': then nobody enters in plain text, and ``cdc`` has to show a certificate."""
        super().__init__("MariaDB")
        self.port = port or free_port()
        self._namespace = namespace
        self._password = password
        self._tls = tls
        self._log = folder / "mariadb.log"
        self._options = options
        self._folder: Path | None = None

    def start(self) -> None:
        """Start it, with the storage that it had, and wait until it takes connections."""
        folder = self._storage
        self._process = Process(
            "MariaDB",
            self._inside(
                *as_nobody(),
                mariadb_program(),
                "--no-defaults",
                f"--datadir={folder / 'data'}",
                f"--port={self.port}",
                f"--bind-address={LOOPBACK}",
                f"--socket={folder / 'socket'}",
                f"--pid-file={folder / 'pid'}",
                f"--init-file={folder / 'init.sql'}",
                f"--server-id={SERVER_ID}",
                *BINARY_LOG,
                "--default-time-zone=+00:00",
                "--character-set-server=utf8mb4",
                "--innodb-buffer-pool-size=64M",
                "--performance-schema=OFF",
                *self._encryption(),
                *self._options,
            ),
            self._log,
        )
        self._process.wait_ready(self._answers, READY_SECONDS)

    def _encryption(self) -> list[str]:
        if self._tls is None:
            return []
        identity, ca = self._tls
        files = {"cert": identity.certificate, "key": identity.key, "ca": ca}
        for name, text in files.items():
            path = self._storage / f"{name}.pem"
            path.write_text(text, encoding="utf-8")
            path.chmod(0o644)
        return ["--require-secure-transport=ON", *(f"--ssl-{name}={self._storage / f'{name}.pem'}" for name in files)]

    def stop(self) -> None:
        """Shut it down in good order."""
        self.process.stop(READY_SECONDS)
        self._process = None

    @property
    def _storage(self) -> Path:
        if self._folder is None:
            raise RuntimeError("MariaDB has no storage outside its context")
        return self._folder

    def _inside(self, *words: str | Path) -> list[str | Path]:
        return list(words) if self._namespace is None else [*self._namespace.command(*words)]

    def _answers(self) -> bool:
        if "ready for connections" not in self.process.output():
            return False
        listening = partial(is_listening, self.port)
        return listening() if self._namespace is None else self._namespace.run(listening)

    def __enter__(self) -> Self:
        self._folder = make_folder("mariadb")
        try:
            known = "" if self._tls is None else " REQUIRE X509"
            (self._folder / "init.sql").write_text(
                f"CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{self._password}'{known};\n"
                f"GRANT ALL ON *.* TO '{USER}'@'%';\n"
            )
            (self._folder / "init.sql").chmod(0o644)
            self._install()
            self.start()
        except BaseException:
            self._clean()
            raise
        return self

    def _install(self) -> None:
        """Create the system tables. The installer looks for its helpers on ``PATH``, some in an administrator's folder."""
        path = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"
        done = subprocess.run(
            [
                *as_nobody(),
                mariadb_program("mariadb-install-db"),
                "--no-defaults",
                f"--datadir={self._storage / 'data'}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--innodb-log-file-size=16M",
            ],
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"mariadb-install-db ended with {done.returncode}:\n{done.stdout}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._clean()

    def _clean(self) -> None:
        if self._process is not None:
            self.kill()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
