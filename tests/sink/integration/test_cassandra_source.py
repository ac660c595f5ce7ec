"""What Debezium's agent for Cassandra really sends, from the configuration that the platform renders, and rows read again.

``docs/cassandra.md`` says it in words. A new release of the agent that differs is found here.
"""

import json
import random
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest
from sink_worker.cassandra.reread import CassandraUnavailableError, Rereader
from sink_worker.cassandra.settings import RereadSettings

from operations.mock_data.changes import changes
from operations.mock_data.loading import load
from operations.mock_data.tables import Source
from operations.mock_data.targets import Place, connected
from tests.harness.cassandra_server import PASSWORD, USER
from tests.harness.certificates import CertificateAuthority
from tests.harness.processes import free_port, wait_until
from tests.sink.integration.cassandra_pipeline import (
    COMPARED,
    SETTLED_SECONDS,
    column_types,
    recorded,
    replay,
    target_rows,
    wait_consumed,
    wait_equal,
    worker,
)
from tests.sink.integration.cassandra_source import KEYSPACE, KINDS, TRADE, CassandraSource
from tests.sink.integration.stand import Pipeline, Stand
from tests.sink.workload.ledger import Ledger

pytestmark = pytest.mark.integration
Event = dict[str, Any]


@pytest.fixture(scope="module")
def source(stand: Stand, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraSource]:
    """Cassandra and its agent, for all tests."""
    with CassandraSource(stand, tmp_path_factory.mktemp("cassandra") / "node") as running:
        yield running


def cells(event: Event) -> dict[str, Any]:
    """The values of the touched cells."""
    after = {name: cell for name, cell in event["after"].items() if not name.startswith("_range_")}
    return {name: cell["value"] for name, cell in after.items() if cell is not None}


def deletions(event: Event) -> set[int | None]:
    """The deletion times of the touched cells that hold nothing."""
    touched = [cell for name, cell in event["after"].items() if cell is not None and not name.startswith("_range_")]
    return {cell["deletion_ts"] for cell in touched if cell["value"] is None}


def unlike(events: list[Event]) -> list[Event]:
    """Each event once, by its time: an agent that reads along sends some twice, and topics have partitions."""
    once = {(event["source"]["ts_us"], event["op"], str(event["key"])): event for event in events}
    return [once[key] for key in sorted(once)]


def bounds(event: Event) -> list[tuple[str, dict[str, str]]]:
    """Method and values of both bounds of a range."""
    both = (event["after"]["_range_start"], event["after"]["_range_end"])
    return [(bound["method"], {value["name"]: value["value"] for value in bound["values"]}) for bound in both]


def test_every_type_comes_in_the_documented_form(source: CassandraSource) -> None:
    names, literals = ", ".join(KINDS), ", ".join(kind.literal for kind in KINDS.values())
    source.execute(f"INSERT INTO {KEYSPACE}.kinds (id, {names}) VALUES (1, {literals})")
    source.execute(f"UPDATE {KEYSPACE}.kinds SET {', '.join(f'{name} = null' for name in KINDS)} WHERE id = 1")
    found = source.events("kinds", lambda events: len({event["source"]["ts_us"] for event in events}) == 2)
    written, cleared = {event["source"]["ts_us"]: event for event in found}.values()
    assert cells(written) == {"id": 1, **{name: kind.event for name, kind in KINDS.items()}}
    assert (written["op"], written["key"], written["source"]["table"]) == ("i", {"id": 1}, "kinds")
    assert written["source"]["snapshot"] == "false"
    # An explicit null is a touched cell with nothing in it; of collections that are not frozen it is an empty one.
    frozen = {name: None for name in KINDS if not name.startswith("n_")}
    assert {name: value for name, value in cells(cleared).items() if name in frozen} == frozen


def test_every_kind_of_write_comes_in_the_documented_form(source: CassandraSource) -> None:
    lines = f"{KEYSPACE}.lines"
    for statement in (
        f"INSERT INTO {lines} (id, line, v, n) VALUES (1, 1, 'a', 1)",
        f"INSERT INTO {lines} (id, line, v, n, s) VALUES (1, 2, 'b', 2, 'static') USING TTL 600",
        f"UPDATE {lines} SET v = null WHERE id = 1 AND line = 1",
        f"DELETE FROM {lines} WHERE id = 1 AND line = 1",
        f"DELETE FROM {lines} WHERE id = 1 AND line > 5 AND line <= 9",
        f"DELETE FROM {lines} WHERE id = 1 AND line >= 20",
        f"DELETE FROM {lines} WHERE id = 1",
        f"BEGIN BATCH DELETE FROM {lines} USING TIMESTAMP 11 WHERE id = 2; "
        f"INSERT INTO {lines} (id, line, v) VALUES (2, 1, 'x') USING TIMESTAMP 12; APPLY BATCH",
        f"INSERT INTO {lines} (id, line, v) VALUES (3, 1, 'last')",
    ):
        source.execute(statement)
    found = source.events("lines", lambda events: len(unlike(events)) == 10)
    ordered = [event for event in unlike(found) if event["key"]["id"] == 1]
    insert, live, null, row, some, open_end, partition = ordered
    assert (insert["op"], cells(insert)) == ("i", {"id": 1, "line": 1, "v": "a", "n": 1})
    assert cells(live) == {"id": 1, "line": 2, "v": "b", "n": 2}, "static columns are not told"
    expiry = live["after"]["v"]["deletion_ts"] - live["source"]["ts_us"]
    assert 598_000_000 < expiry <= 600_000_000
    assert (null["op"], cells(null), deletions(null)) == ("u", {"id": 1, "line": 1, "v": None}, {None})
    assert (row["op"], cells(row)) == ("d", {"id": 1, "line": 1, "v": None, "n": None, "s": None}), "a static that lives on"
    assert deletions(row) == {row["source"]["ts_us"]}
    assert (some["op"], some["key"]) == ("r", {"id": 1, "line": None})
    assert bounds(some) == [("EXCL_START_BOUND", {"line": "5"}), ("INCL_END_BOUND", {"line": "9"})]
    assert bounds(open_end) == [("INCL_START_BOUND", {"line": "20"}), ("INCL_END_BOUND", {})]
    assert (partition["op"], partition["key"]) == ("d", {"id": 1, "line": None})
    batch = {event["op"]: event for event in found if event["key"]["id"] == 2}
    assert {event["source"]["ts_us"] for event in batch.values()} == {12}, "the greatest time of the mutation"
    assert deletions(batch["d"]) == {11}, "the deletion's own"


def test_bounds_of_descending_columns_are_in_the_tables_order(source: CassandraSource) -> None:
    prices = f"{KEYSPACE}.prices"
    source.execute(f"DELETE FROM {prices} WHERE shop = 'a' AND price > 1.10 AND price < 5")
    source.execute(f"DELETE FROM {prices} WHERE shop = 'a' AND price = 1.10 AND at > '2026-01-01 00:00:00+0000'")
    source.execute(f"DELETE FROM {prices} WHERE shop = 'a'")
    between, after, _ = unlike(source.events("prices", lambda events: len(unlike(events)) == 3))
    assert bounds(between) == [("EXCL_START_BOUND", {"price": "5"}), ("EXCL_END_BOUND", {"price": "1.10"})]
    assert bounds(after) == [
        ("EXCL_START_BOUND", {"price": "1.10", "at": "2026-01-01T00:00:00.000Z"}),
        ("INCL_END_BOUND", {"price": "1.10"}),
    ]


def test_rows_are_read_again_in_the_form_of_the_events(source: CassandraSource, tmp_path: Path) -> None:
    """Over TLS, with the password from a file."""
    names, literals = ", ".join(KINDS), ", ".join(kind.literal for kind in KINDS.values())
    source.execute(f"INSERT INTO {KEYSPACE}.kinds (id, {names}) VALUES (7, {literals}) USING TIMESTAMP 77 AND TTL 1000")
    baskets = f"{KEYSPACE}.baskets"
    source.execute(f"INSERT INTO {baskets} (id, owner, items, marks) VALUES (1, 'Ann', ['a', 'b', 'b'], {{3, 1}})")
    source.execute(f"UPDATE {baskets} SET items = items - ['b'], prices['x'] = 15, marks = marks + {{2}} WHERE id = 1")
    source.execute(f"UPDATE {KEYSPACE}.visits SET seen = seen + 3 WHERE id = 1")
    reader = rereader(source, tmp_path, source.server.ca)
    try:
        [kinds] = reader.read(KEYSPACE, "kinds", [{"id": 7}])
        gone, basket, same = reader.read(KEYSPACE, "baskets", [{"id": 2}, {"id": 1}, {"id": 1}])
        [visits] = reader.read(KEYSPACE, "visits", [{"id": 1}])
    finally:
        reader.close()
    assert kinds.values == {name: kind.event for name, kind in KINDS.items()} | {"t_nan": "NaN", "t_inet6": "/2001:db8::1"}
    assert {kinds.writetimes[name] for name in kinds.writetimes} == {77}
    assert set(kinds.writetimes) == {name for name in KINDS if not name.startswith("n_")}
    assert all(990_000_000 < end - kinds.read_at <= 1_000_000_000 for end in kinds.expiries.values())
    assert gone.values is None
    assert basket.values == {"owner": "Ann", "items": ["a"], "marks": [1, 2, 3], "prices": {"x": 15}}
    assert same == basket
    assert visits.values == {"seen": 3}


def test_a_node_that_is_not_there_or_not_the_right_one_is_waited_for(source: CassandraSource, tmp_path: Path) -> None:
    stranger = rereader(source, tmp_path, CertificateAuthority("another"))
    nowhere = Rereader(RereadSettings(hosts=["localhost"], port=free_port(), timeout_seconds=1), wait=lambda _: None)
    plain = Rereader(RereadSettings(hosts=["localhost"], port=source.server.port, timeout_seconds=1), wait=lambda _: None)
    for reader in (stranger, nowhere, plain):
        with pytest.raises(CassandraUnavailableError, match="localhost does not answer"):
            reader.read(KEYSPACE, "kinds", [{"id": 1}])


def rereader(source: CassandraSource, folder: Path, ca: CertificateAuthority) -> Rereader:
    """For the source's node, which it trusts by this authority."""
    return Rereader(RereadSettings.model_validate(reread_settings(source, folder, ca)), wait=lambda _: None)


def reread_settings(source: CassandraSource, folder: Path, ca: CertificateAuthority) -> dict[str, Any]:
    """TLS with this authority, and the password in a file."""
    (folder / "ca.pem").write_text(ca.certificate)
    (folder / "password").write_text(PASSWORD + "\n")
    return {
        "hosts": ["localhost"],
        "port": source.server.port,
        "username": USER,
        "password_file": str(folder / "password"),
        "ca_file": str(folder / "ca.pem"),
        "batch_keys": 2,
    }


LEDGER_STATEMENTS = 500
MOCK_CHANGES = 300
SEED = 20_261_122


def write_histories(source: CassandraSource, folder: Path) -> None:
    """All ways of writing and deleting on one table, and made-up users with their orders; the agent dies in between."""
    (folder / "ca.pem").write_text(source.server.ca.certificate)
    ledger = Ledger(f"{KEYSPACE}.ledger", SEED).statements(LEDGER_STATEMENTS)
    made = changes(Source.cassandra, SEED, TRADE)
    place = Place("localhost", source.server.port, USER, PASSWORD, folder / "ca.pem")
    with connected(Source.cassandra, place) as target:
        for half in range(2):
            for statement in islice(ledger, LEDGER_STATEMENTS // 2):
                source.execute(statement)
            load(target, islice(made, MOCK_CHANGES // 2), None, lambda _: None)
            if half == 0:
                source.agent.restart()


def test_postgresql_gets_what_cassandra_holds_whatever_the_order(
    source: CassandraSource, make_pipeline: Callable[[], Pipeline], tmp_path: Path
) -> None:
    """As the events come; and the same events three times each, shuffled over all partitions."""
    tables = column_types(source, COMPARED)
    pipeline, again = make_pipeline(), make_pipeline()
    bootstrap = source.stand.broker.bootstrap
    with worker(pipeline, map(source.topic, COMPARED), {"tables": tables}):
        write_histories(source, tmp_path)
        counts = wait_equal(source, pipeline)
    assert min(counts.values()) > 20
    pipeline.assert_dead_letters_are([])
    topics = [replay(bootstrap, table, again.name, SEED) for table in COMPARED]
    with worker(again, topics, {"tables": tables}, "again"):
        wait_consumed(again, topics)
        assert wait_equal(source, again) == counts
    again.assert_dead_letters_are([])


def write_baskets(source: CassandraSource, count: int) -> None:
    """Baskets whose collections are changed piece by piece, which no event tells."""
    random_source = random.Random(SEED)
    for number in range(count):
        basket, key = random_source.randrange(100, 112), random_source.choice("abc")
        statement = random_source.choice(
            (
                f"INSERT INTO baskets (id, owner, items) VALUES ({basket}, 'owner {number}', ['{key}'])",
                f"UPDATE baskets SET owner = 'changed {number}' WHERE id = {basket}",
                f"UPDATE baskets SET items = items + ['{key}'], marks = marks + {{{number}}} WHERE id = {basket}",
                f"UPDATE baskets SET items = items - ['{key}'] WHERE id = {basket}",
                f"UPDATE baskets SET prices['{key}'] = {number} WHERE id = {basket}",
                f"DELETE prices['{key}'], marks FROM baskets WHERE id = {basket}",
                f"DELETE FROM baskets WHERE id = {basket}",
            )
        )
        source.execute(statement.replace("baskets", f"{KEYSPACE}.baskets", 1))


def test_what_no_event_tells_is_read_again_or_every_row_of_it_is_listed(
    source: CassandraSource, make_pipeline: Callable[[], Pipeline], tmp_path: Path
) -> None:
    [(name, types)] = column_types(source, ["baskets"]).items()
    topic, read, listed = source.topic("baskets"), make_pipeline(), make_pipeline()
    again = {
        "tables": {name: {**types, "on_ambiguous": "reread"}},
        "reread": reread_settings(source, tmp_path, source.server.ca),
    }
    audit = {"tables": {name: {**types, "on_ambiguous": "audit"}}}
    with worker(read, [topic], again), worker(listed, [topic], audit, "listing"):
        write_baskets(source, 150)
        source.execute(f"INSERT INTO {KEYSPACE}.baskets (id, owner) VALUES (999, 'the last')")
        assert wait_equal(source, read, ["baskets"])["baskets"] > 5
        wait_until("the last row", lambda: (999,) in target_rows(listed, "baskets", ["id"], 1), SETTLED_SECONDS)
        wait_consumed(listed, [topic])
    wanted = source.rows("baskets")
    found = target_rows(listed, "baskets", ["id", "owner", "items", "marks", "prices"], 1)
    keys = listed.query("SELECT DISTINCT key FROM cdc_sink.cell_audit WHERE kind = 'ambiguous'")
    noted = {(json.loads(key)["id"],) for (key,) in keys}
    differing = {key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key)}
    assert differing
    assert differing <= noted
    owners = {key: row["owner"] for key, row in wanted.items() if row["owner"] is not None}
    assert {key: row["owner"] for key, row in found.items() if row["owner"] is not None} == owners, "what is told is right"


def test_a_table_without_cdc_has_no_events_until_it_is_altered_and_holds_nothing_up(source: CassandraSource) -> None:
    """Though a pipeline names it."""
    bootstrap, topic = source.stand.broker.bootstrap, source.topic("quiet")
    source.execute(f"INSERT INTO {KEYSPACE}.quiet (id, v) VALUES (0, 'unseen')")
    source.execute(f"INSERT INTO {KEYSPACE}.baskets (id, owner) VALUES (5000, 'seen')")
    source.events("baskets", lambda events: any(event["key"]["id"] == 5000 for event in events))
    assert recorded(bootstrap, topic) == []
    source.execute(f"ALTER TABLE {KEYSPACE}.quiet WITH cdc = true")
    numbers = count(1)

    def seen() -> bool:
        source.execute(f"INSERT INTO {KEYSPACE}.quiet (id, v) VALUES (%s, 'seen')", next(numbers))
        return bool(recorded(bootstrap, topic))

    wait_until("events of the altered table", seen, SETTLED_SECONDS, 0.5)
    keys = [json.loads(record.key() or b"")["payload"]["id"] for record in recorded(bootstrap, topic)]
    assert 0 not in keys, "what was there before needs a snapshot"
