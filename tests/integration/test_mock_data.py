"""Made-up data in a real relational source. Cassandra's are in the sink worker's end-to-end test."""

from pathlib import Path

import pymysql
import pytest
from typer.testing import CliRunner

from operations.cli import app
from tests.harness.mariadb_server import USER, MariadbServer
from tests.harness.processes import LOOPBACK, free_port

pytestmark = pytest.mark.integration


def run(*options: str) -> tuple[int, str]:
    """``cdc mock mariadb`` with options: its exit code and what it said."""
    done = CliRunner().invoke(app, ["mock", "mariadb", "--host", LOOPBACK, "--user", USER, "--events", "400", *options])
    return done.exit_code, done.output


def test_a_real_mariadb_takes_every_change(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    with MariadbServer(tmp_path, password="secret") as server:
        reached = ("--port", str(server.port), "--password-file", str(tmp_path / "password"))
        code, said = run(*reached, "--create", "--seed", "7")
        assert code == 0, said
        assert "400 changes made" in said
        with pymysql.connect(host=LOOPBACK, port=server.port, user=USER, password="secret", database="shop") as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM orders)")
            [(users, orders)] = cursor.fetchall()
        assert users > 10
        assert orders > 10
        code, said = run(*reached, "--seed", "7")
        assert code == 2, "the same keys once more"
        assert "Duplicate entry" in said


def test_a_source_that_is_not_there_is_told() -> None:
    code, said = run("--port", str(free_port()))
    assert code == 2
    assert LOOPBACK in said
