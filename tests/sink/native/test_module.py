"""The module as the worker meets it: real messages, threads, its stub, and its lock file."""

from __future__ import annotations

import ast
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import confluent_kafka
import pytest
from sink_worker._native import Batch, TableHint

from sink_worker import _native
from tests.sink.native.kinds import BY_LABEL
from tests.sink.native.records import Field, Table, change, decoder, rows_of

TABLE = Table((Field("id", BY_LABEL["bigint"]), Field("v", BY_LABEL["string"], True)), ("id",))
RECORDS = [change(TABLE, "avro", "c", {"id": number, "v": "x" * 50}, at=(number % 3, number)) for number in range(2000)]
SINK_WORKER = Path(__file__).parents[3] / "sink_worker"


def test_kafka_messages_and_tuples_are_the_same() -> None:
    messages = [
        confluent_kafka.Message(topic="t", partition=partition, offset=offset, key=key, value=value)
        for partition, offset, key, value in RECORDS
    ]
    native = decoder(TABLE)
    taken, plain = native.decode(TableHint(), messages), native.decode(TableHint(), RECORDS)
    assert (taken.positions, taken.events) == (plain.positions, plain.events)
    assert taken.segments[0].copy_payload() == plain.segments[0].copy_payload()


def test_one_decoder_serves_several_threads() -> None:
    native = decoder(TABLE)
    with ThreadPoolExecutor(4) as threads:
        batches = list(threads.map(lambda _: native.decode(TableHint(), RECORDS), range(40)))
    assert {batch.segments[0].copy_payload() for batch in batches} == {batches[0].segments[0].copy_payload()}


def test_decoding_leaves_the_interpreter_to_others() -> None:
    """While one thread decodes, another one gets on with its work."""
    native = decoder(TABLE)
    many = RECORDS * 100
    finished = threading.Event()
    turns_during_decode = 0

    def decode() -> Batch:
        try:
            return native.decode(TableHint(), many)
        finally:
            finished.set()

    with ThreadPoolExecutor(1) as threads:
        result = threads.submit(decode)
        while not finished.is_set():
            turns_during_decode += 1
            finished.wait(0.001)
        assert result.result().events == len(many)
    assert turns_during_decode > 3


def test_segments_outlive_their_batch_and_decoder() -> None:
    segment = decoder(TABLE).decode(TableHint(), RECORDS).segments[0]
    assert len(rows_of(segment)) == len(RECORDS)


def public(tree: ast.Module) -> dict[str, set[str]]:
    """The stub's classes with their public members."""
    members: dict[str, set[str]] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            functions = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
            fields = {
                item.target.id for item in node.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
            }
            members[node.name] = {name for name in functions | fields if not name.startswith("_")}
    return members


def test_the_stub_says_what_the_module_has() -> None:
    stub = public(ast.parse((SINK_WORKER / "python" / "sink_worker" / "_native.pyi").read_text()))
    module: ModuleType = _native
    classes = {name for name, value in vars(module).items() if isinstance(value, type)}
    assert classes == set(stub)
    for name, members in stub.items():
        if name in {"UnknownSchema", "SchemaError"}:
            continue
        assert members == {member for member in dir(getattr(module, name)) if not member.startswith("_")}, name


def test_the_kept_lock_names_no_registry_and_every_dependency_has_its_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SINK_WORKER))
    import lock  # type: ignore[import-not-found]

    kept = (SINK_WORKER / "Cargo.lock.in").read_text()
    assert "registry" not in kept
    with_sources = kept.replace("checksum = ", 'source = "registry+somewhere"\nchecksum = ')
    assert lock.strip(with_sources) == kept != with_sources
    assert kept.count("checksum = ") == len(lock.versions(kept)) - 1
