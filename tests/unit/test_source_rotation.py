"""Which users of source databases are rotated, and what their servers are told. MariaDB itself is asked in
tests/integration/test_vault_rotation.py; MySQL is a fake here, of what its manual says, as no real one can be had."""

import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.core.errors import CdcError
from components.vault.rotation import Rotated, rotated
from components.vault.source_rotation import SourceLogin, shared_accounts
from operations.live import source_passwords
from operations.live.source_accounts import (
    Account,
    account,
    dialect,
    mariadb_statement,
    mysql_statement,
    native_hash,
    other_methods,
)
from operations.live.source_passwords import SourceServers
from operations.live.source_ways import SourceWays, read_ways
from tests.doubles.mysql import FakeDriver, FakeMysql, OperationalError
from tests.strategies.examples import ROOT, build, messages, pipeline, problems_of, shop

HERE = "127.0.0.1"
ONE, TWO = "planted-present", "planted-next"
LOGIN = SourceLogin("shop-db", 3306, "debezium", "mysql", True, ("orders",))
PATH = "cdc-pipeline/trial/shop-db"
REFERENCE = f"vault:{PATH}#password"
ROTATED: dict[str, Any] = {
    "vault": {},
    "connect": {"image": "acme/connect:1"},
    "pipelines[0].source.mysql.password": REFERENCE,
    "pipelines[0].source.mysql.rotate": True,
    "pipelines[0].source.mysql.tls": {},
}


def second(user: str = "debezium", password: str = REFERENCE, **more: Any) -> dict[str, Any]:
    """Another pipeline from the same server."""
    source = {"host": "shop-db", "user": user, "password": password, "tables": ["shop.t"], **more}
    return {**pipeline("others"), "source": {"mysql": source}}


# Which


def of_sources(change: dict[str, Any]) -> list[Rotated]:
    return [item for item in rotated(build(shop({**ROTATED, **change}))) if item.sources]


def test_a_user_is_rotated_where_its_pipelines_say_so_and_once() -> None:
    assert of_sources({"pipelines[0].source.mysql.rotate": False}) == []
    [item] = of_sources({"pipelines[1]": second(rotate=True)})
    assert (item.path, item.keys) == (PATH, {"password": (replace(LOGIN, pipelines=("orders", "others")),)})
    assert item.sources == item.keys


def test_no_file_of_a_connector_is_another_than_before() -> None:
    """The server keeps two, so that a connector needs one."""
    from components.vault.identities import access

    plain, moved = (build(shop({**ROTATED, "pipelines[0].source.mysql.rotate": each})) for each in (False, True))
    assert access(plain).keys == access(moved).keys


@pytest.mark.parametrize(
    ("change", "path", "said"),
    [
        (
            {"pipelines[1]": pipeline("events", kind="cassandra"), "pipelines[1].source.cassandra.rotate": True},
            "pipelines[1].source.cassandra.rotate",
            "has one password",
        ),
        ({"pipelines[0].source.mysql.password": "secret:a#b"}, "pipelines[0].source.mysql.password", "does not lie in Vault"),
        ({"pipelines[1]": second()}, "pipelines[1].source.mysql.password", "nobody tells its reader"),
        (
            {"pipelines[1]": second(password="vault:cdc-pipeline/trial/other#password")},
            "pipelines[1].source.mysql.password",
            "write the same reference",
        ),
        (
            {"pipelines[0].sink.postgres.password": REFERENCE},
            "pipelines[0].sink.postgres.password",
            "a password of its own",
        ),
        ({"connect": None}, "pipelines[0].source.mysql.rotate", "declare connect"),
    ],
)
def test_what_would_lock_somebody_out_is_refused(change: dict[str, Any], path: str, said: str) -> None:
    assert said in messages(problems_of(shop({**ROTATED, **change})))[path]


def test_two_environments_do_not_share_a_user_that_is_rotated() -> None:
    own, other = build(shop(ROTATED)), build(shop({**ROTATED, "pipelines[0].source.mysql.rotate": False}))
    for pair in ((own, other), (other, own)):
        assert [problem.path for problem in shared_accounts(*pair)] == ["pipelines[0].source.mysql.user"]
    assert list(shared_accounts(other, other)) == []


# What servers are told


def test_mysql_is_told_to_keep_the_present_password() -> None:
    own = mysql_statement("one", "two")
    assert own.text == "ALTER USER USER() IDENTIFIED BY %s REPLACE %s RETAIN CURRENT PASSWORD"
    assert own.values == ("two", "one")
    other = mysql_statement("one", "two", Account("deb", "10.%"))
    assert other.text == "ALTER USER %s@%s IDENTIFIED BY %s RETAIN CURRENT PASSWORD"
    assert other.values == ("deb", "10.%", "two")
    assert "two" not in repr(own) + repr(other)


def test_mariadb_is_told_hashes_only() -> None:
    """The first is what a MariaDB 10.11 shows of PASSWORD('one')."""
    assert native_hash("one") == "*74445CD742AF268FD22866DA0D12758951D638F7"
    told = mariadb_statement("one", "two", Account("deb", "%"))
    assert told.values == ("deb", "%", native_hash("two"), native_hash("one"))
    assert told.text.count("mysql_native_password USING") == 2


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ("8.0.14", "MySQL"),
        ("8.4.3-commercial", "MySQL"),
        ("9.1.0", "MySQL"),
        ("8.0.13", None),
        ("5.7.44-log", None),
        ("10.11.11-MariaDB-log", "MariaDB"),
        ("5.5.5-10.4.0-MariaDB", "MariaDB"),
        ("5.5.5-10.3.39-MariaDB", None),
        ("11.8.2-MariaDB-ubu2404", "MariaDB"),
        ("unknown", None),
    ],
)
def test_servers_that_keep_two_passwords_are_known_by_their_version(version: str, found: str | None) -> None:
    assert dialect(version) == found


@pytest.mark.parametrize(
    ("shown", "others"),
    [
        ("CREATE USER `d`@`%` IDENTIFIED BY PASSWORD '*AB'", ()),
        ("CREATE USER `d`@`%` IDENTIFIED VIA mysql_native_password USING '*A' OR mysql_native_password USING '*B'", ()),
        ("CREATE USER `d`@`%` IDENTIFIED VIA ed25519 USING 'a OR b' OR unix_socket REQUIRE X509", ("ed25519", "unix_socket")),
        ("CREATE USER `d`@`%` IDENTIFIED VIA mysql_native_password USING '*A' OR parsec USING 'x'", ("parsec",)),
    ],
)
def test_other_ways_of_an_account_are_seen(shown: str, others: tuple[str, ...]) -> None:
    assert other_methods(shown) == others


def test_an_account_is_read_from_what_the_server_calls_it() -> None:
    assert account("de@b@10.0.%") == Account("de@b", "10.0.%")


# What happens


def tell(
    monkeypatch: pytest.MonkeyPatch, servers: dict[str, FakeMysql], config: dict[str, dict[str, str]] | None = None
) -> None:
    monkeypatch.setattr(source_passwords, "_driver", lambda: FakeDriver(servers))
    monkeypatch.setattr(source_passwords, "FOLLOW_SECONDS", 0.0)
    SourceServers(SourceWays(config or {})).tell(LOGIN, ONE, TWO)


def test_both_passwords_open_after_it_and_telling_again_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeMysql([ONE, "zero"])
    for _ in range(2):
        tell(monkeypatch, {"shop-db": server})
        assert server.passwords == [TWO, ONE]
    assert sum(text.startswith("ALTER") for text in server.ran) == 1


def test_an_administrator_changes_it_where_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeMysql([ONE], rights=set(), administrators={"dba": "secret"})
    tell(monkeypatch, {"shop-db": server}, {"client": {"user": "dba", "password": "secret"}})
    assert server.passwords == [TWO, ONE]


def test_a_replica_is_told_by_its_primary(monkeypatch: pytest.MonkeyPatch) -> None:
    replica = FakeMysql([ONE], fails=OperationalError(1290, "running with the --read-only option"))
    primary = FakeMysql([ONE], followers=[replica])
    with pytest.raises(CdcError, match=r"takes no writes.*\n.*primary="):
        tell(monkeypatch, {"shop-db": replica})
    tell(monkeypatch, {"shop-db": replica, "first": primary}, {"shop-db:3306": {"primary": "first:3306"}})
    assert replica.passwords == [TWO, ONE]


def test_a_replica_that_does_not_follow_is_told_of_and_vault_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often: the primary is told once, or it would forget the present one."""
    replica, primary = FakeMysql([ONE]), FakeMysql([ONE], administrators={"dba": "secret"})
    told = {"shop-db": replica, "first": primary}
    for _ in range(2):
        with pytest.raises(CdcError, match=r"Vault was not changed\n.*wait until it follows"):
            tell(monkeypatch, told, {"shop-db": {"primary": "first", "user": "dba", "password": "secret"}})
        assert primary.passwords == [TWO, ONE]


@pytest.mark.parametrize(
    ("server", "said"),
    [
        (FakeMysql([ONE], rights=set()), "lacks the right APPLICATION_PASSWORD_ADMIN"),
        (FakeMysql([ONE], version="8.0.13"), "keeps one password"),
        (FakeMysql(["other", ONE]), "another first password"),
        (FakeMysql(["other"]), "is refused with the present password in Vault, and with the next one"),
        (FakeMysql([ONE], fails=OperationalError(1064, "error near '" + TWO + "'")), "does not know how to keep two"),
        (FakeMysql([ONE], fails=OperationalError(1819, f"{TWO}: does not satisfy the policy")), "(hidden): does not satisfy"),
    ],
)
def test_what_the_server_does_not_do_is_said_with_what_would_help(
    server: FakeMysql, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list(server.passwords)
    with pytest.raises(CdcError) as refused:
        tell(monkeypatch, {"shop-db": server})
    assert said in str(refused.value)
    assert "shop-db:3306: user debezium" in str(refused.value)
    assert "\n      → " in str(refused.value)
    assert ONE not in str(refused.value)
    assert TWO not in str(refused.value)
    assert server.passwords == before


def test_a_user_of_several_accounts_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeMysql([ONE], hosts=("%", "10.0.0.%"), administrators={"dba": "secret"})
    with pytest.raises(CdcError, match=r"accounts for %, 10\.0\.0\.%"):
        tell(monkeypatch, {"shop-db": server}, {"client": {"user": "dba", "password": "secret"}})
    assert server.passwords == [ONE]


def test_a_server_that_is_not_there_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CdcError, match=r"Can't connect.*nothing was changed"):
        tell(monkeypatch, {})


def test_no_password_goes_anywhere_in_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_passwords, "_driver", lambda: FakeDriver({"shop-db": FakeMysql([ONE])}))
    plain = SourceLogin("shop-db", 3306, "debezium", "mysql", False, ("orders",))
    with pytest.raises(CdcError, match=r"in plain text.*\n.*ssl-ca"):
        SourceServers(SourceWays()).tell(plain, ONE, TWO)
    here = FakeMysql([ONE])
    monkeypatch.setattr(source_passwords, "_driver", lambda: FakeDriver({HERE: here}))
    SourceServers(SourceWays({"client": {"host": HERE}})).tell(plain, ONE, TWO)
    assert here.passwords == [TWO, ONE]


# How servers are reached


def config(folder: Path, text: str) -> Path:
    file = folder / "sources.cnf"
    file.write_text(text, encoding="utf-8")
    return file


def test_what_is_said_of_one_server_wins_over_what_is_said_of_all(tmp_path: Path) -> None:
    text = "# all\n[client]\nuser=dba\npassword='a = b'\nssl-ca=/ca.pem\n[shop-db:3306]\nhost=127.0.0.1\nport=13306\nuser=own\n"
    ways = read_ways(config(tmp_path, text))
    way = ways.of(LOGIN)
    assert (way.host, way.port, way.user, way.password, way.ca) == (HERE, 13306, "own", "a = b", "/ca.pem")
    other = ways.of(SourceLogin("other", 3307, "debezium", "mariadb", False, ()))
    assert (other.host, other.port, other.user, other.encrypted) == ("other", 3307, "dba", True)
    assert "a = b" not in repr(way) + repr(ways)
    assert SourceWays().of(LOGIN).user is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("password=planted\n", "is no option file"),
        ("[client]\npasswort=planted\n", "passwort: is not known"),
        ("[client]\nport=70000\n", "is no port"),
        ("[client]\nprimary=a:b\n", "is no port"),
    ],
)
def test_a_file_that_says_what_nobody_asks_is_refused(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(CdcError) as refused:
        read_ways(config(tmp_path, text))
    assert said in str(refused.value)
    assert "planted" not in str(refused.value)
    with pytest.raises(CdcError, match="cannot be read"):
        read_ways(tmp_path / "none")


def test_the_runbooks_example_is_read(tmp_path: Path) -> None:
    text = (ROOT / "docs/runbooks/secret-rotation.md").read_text(encoding="utf-8")
    example = textwrap.dedent(text.partition("```ini\n")[2].partition("```")[0])
    ways = read_ways(config(tmp_path, example))
    assert ways.of(LOGIN).primary == ("shop-db-1", 3306)
    assert ways.of(LOGIN).user is None
    assert ways.of(replace(LOGIN, host="billing-db")).user == "dba"
