"""A MariaDB that a pipeline reads, whose user's password is in a Vault and is rotated there; its connector is a fake that knows
what it read when it was last started."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymysql
import pytest

from components.loading import load_environment
from components.vault.source_rotation import SourceLogin
from operations import vault_rotate
from operations.live.source_passwords import SourceServers, _Telling
from operations.live.source_ways import SourceWays
from operations.live.told import Servers
from operations.live.vault import Vault, VaultAccess
from operations.source_restarts import restart
from tests.doubles.connect import FakeCluster, Source
from tests.harness.cdc_command import Project
from tests.harness.mariadb_server import USER as ADMINISTRATOR
from tests.harness.mariadb_server import MariadbServer
from tests.harness.processes import LOOPBACK, wait_until
from tests.harness.vault_server import VaultServer

BREATH_SECONDS = 0.02
CONNECTOR = "orders-source"
NAME, USER, FIRST = "sources", "debezium", "first-of-the-source"
KEPT = f"cdc-pipeline/{NAME}/shop-db"
STACK = """\
config:
  cdc-platform:environment:
    tier: development
    target: docker
    kafka:
      controllers: 0
      brokers: 1
      listeners: [{{name: plain, port: 9092, tls: false, authentication: none}}]
      tls: {{internal: false}}
      authorization: {{type: none}}
    connect: {{replicas: 1}}
    vault: {{rotation: {{every: 30d, overlap: 10m}}}}
    tenants: [{{name: shop, owner: team-shop}}]
    pipelines:
      - name: orders
        tenant: shop
        source:
          mariadb:
            host: {host}
            port: {port}
            user: debezium
            password: vault:cdc-pipeline/sources/shop-db#password
            rotate: true
            tables: [shop.orders]
        sink: {{postgres: {{host: pg, database: w, password: "secret:pg#password"}}}}
"""


class SourceSite:
    """``known`` is what the connector enters with: it reads Vault's present password when it is started."""

    def __init__(self, vault: VaultServer, mariadb: MariadbServer, project: Project) -> None:
        self.vault, self.mariadb, self.project = vault, mariadb, project
        project.write(NAME, STACK.format(host=LOOPBACK, port=mariadb.port))
        self.spec = load_environment(project.root, NAME)
        self.connect = FakeCluster("blue", {CONNECTOR: Source()}, before=self._seen)
        self.connect.configs[CONNECTOR], self.connect.lives[CONNECTOR] = {}, "running"
        vault.put(KEPT, password=FIRST)
        self.execute(f"CREATE USER {USER}@'%' IDENTIFIED BY '{FIRST}' WITH MAX_USER_CONNECTIONS 100")
        self.known = FIRST
        self.days = 1

    def _seen(self, request: str) -> None:
        if request.endswith("restart"):
            self.known = self.values()["password"]

    def values(self) -> dict[str, str]:
        """What Vault has."""
        found: dict[str, str] = self.vault.ask("GET", f"secret/data/{KEPT}")["data"]["data"]
        return found

    def execute(self, statement: str) -> str:
        """As the administrator; gives the first value of what comes back."""
        with self._session(ADMINISTRATOR, "") as session, session.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone()
        return "" if row is None else str(row[0])

    def _session(self, user: str, password: str) -> "pymysql.Connection[pymysql.cursors.Cursor]":
        return pymysql.connect(host=LOOPBACK, port=self.mariadb.port, user=user, password=password, autocommit=True)

    def opens(self, password: str) -> bool:
        """Whether the source's user is let in."""
        try:
            self._session(USER, password).close()
        except pymysql.err.OperationalError:
            return False
        return True

    def run(self, *, administrator: bool = True) -> str:
        """As the verb does, a month later than the time before; gives how the source stood."""
        self.days += 31
        now = datetime.now(UTC) + timedelta(days=self.days)
        ways = SourceWays({"client": {"user": ADMINISTRATOR}} if administrator else {})
        with Vault(VaultAccess(self.vault.url, self.vault.ca_file, self.vault.token)) as vault:
            found = next(one for one in vault_rotate.observe(self.spec, vault, now) if one.path == KEPT)
            vault_rotate.rotate(vault, Servers({SourceLogin: SourceServers(ways)}), [found], now)
            if found.state == "restart":
                restart(vault, self.connect, self.spec, "blue", [found.rotated], 60, print)
        return found.state

    def run_to_the_end(self) -> None:
        """Until the connector has read what is present. Before each run, it and whoever reads Vault is let in."""
        ended = ""
        while ended != "restart":
            assert self.opens(self.known)
            assert self.opens(self.values()["password"])
            ended = self.run()

    @contextmanager
    def load(self) -> Iterator[list[str]]:
        """New connections with what the connector knows, and with what Vault has, all the time; gives what was refused. A
        month passes in a moment here: what is not known any more when it is refused does not count."""
        failed: list[str] = []
        looks: dict[str, Callable[[], str]] = {
            "the connector": lambda: self.known,
            "who reads Vault": lambda: self.values()["password"],
        }
        rounds = [0]
        ended = threading.Event()

        def work() -> None:
            while not ended.wait(BREATH_SECONDS):
                for whose, look in looks.items():
                    password = look()
                    if not self.opens(password) and look() == password:
                        failed.append(whose)
                rounds[0] += 1

        thread = threading.Thread(target=work)
        thread.start()
        try:
            wait_until("they connect", lambda: rounds[0] > 0, 120)
            yield failed
            seen = rounds[0]
            wait_until("they connect again", lambda: rounds[0] > seen + 1, 120)
        finally:
            ended.set()
            thread.join()

    def files(self) -> Iterator[tuple[Path, bytes]]:
        """Everything that the server has written: data, binary log, general log."""
        folder = Path(self.execute("SELECT @@datadir"))
        yield from ((path, path.read_bytes()) for path in folder.rglob("*") if path.is_file())


class Killed(BaseException):
    """The process ends here, with no warning."""


@contextmanager
def killed_before(step: int) -> Iterator[list[str]]:
    """The run that makes this change, counted from 0, of Vault, of the database or of Connect, is killed before it; gives the
    changes that were made."""
    made: list[str] = []
    ask, alter, start = Vault.ask, _Telling._alter, FakeCluster.restart

    def reach(what: str) -> None:
        if len(made) == step:
            raise Killed
        made.append(what)

    def asked(self: Vault, method: str, path: str, *rest: Any, **more: Any) -> Any:
        if method == "PATCH":
            reach(path.partition("/cdc-pipeline")[0])  # secret/data, secret/metadata
        return ask(self, method, path, *rest, **more)

    def altered(self: _Telling, *given: Any) -> None:
        reach("database")
        alter(self, *given)

    def restarted(self: FakeCluster, connector: str) -> None:
        reach("Connect")
        start(self, connector)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Vault, "ask", asked)
        patched.setattr(_Telling, "_alter", altered)
        patched.setattr(FakeCluster, "restart", restarted)
        yield made
