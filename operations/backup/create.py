"""Makes a backup of a live cluster: what it is first, then the records, the manifest last."""

import json
import re
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from operations.backup.chunks import encode
from operations.backup.contents import Contents
from operations.backup.errors import BackupError
from operations.backup.manifest import CONTENTS, NAME, File, Kind, Manifest, Span, fingerprint, read_manifest
from operations.backup.reading import Chunk, read_chunks
from operations.backup.sealing import PLAIN, Seal, new_salt, seal_of
from operations.backup.store import Store
from operations.live.kafka import Partition, Settings
from operations.live.kafka_admin import KafkaAdmin

_ID = re.compile(r"\d{8}T\d{6}Z")
_WRITERS = 2
"""Compressing, encrypting and writing go on beside the reading; more would only fight with it for the interpreter."""

Tell = Callable[[int, int], None]
"""How far it is: records read, and records there are to read at most."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a backup is to be. ``data`` are the topics whose records are in it."""

    environment: str
    kind: Kind
    data: Collection[str]
    key: bytes | None


@dataclass
class _Writing:
    """The files of one backup, as they come to be."""

    store: Store
    id: str
    seal: Seal
    files: list[File] = field(default_factory=list)
    _numbers: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def number(self) -> int:
        """The next nonce. It is taken before the work is handed out, by one thread."""
        self._numbers += 1
        return self._numbers

    def put(self, file: File, number: int, content: bytes) -> None:
        """Seal and store; ``file`` says what it is, but for size and checksum."""
        sealed = self.seal.close(file.name, number, content)
        self.store.put(f"{self.id}/{file.name}", sealed)
        with self._lock:
            self.files.append(replace(file, size=len(sealed), sha256=fingerprint(sealed)))


def is_id(name: str) -> bool:
    """Whether a folder's name is that of a backup."""
    return _ID.fullmatch(name) is not None


def new_id(store: Store) -> str:
    """The time of its beginning, UTC; a second that is taken already is passed."""
    taken = set(store.children())
    moment = datetime.now(UTC)
    while (name := moment.strftime("%Y%m%dT%H%M%SZ")) in taken:
        moment = moment.replace(microsecond=0) + (datetime.resolution * 1_000_000)
    return name


def drop_unfinished(store: Store) -> list[str]:
    """Take away what runs that died have left; the caller holds the lock, so nobody is writing them."""
    left = [child for child in store.children() if is_id(child) and read_manifest(store, child) is None]
    for child in left:
        store.drop(child)
    return left


def create(
    wanted: Wanted,
    store: Store,
    kafka: KafkaAdmin,
    settings: Settings,
    observe: Callable[[], Contents],
    tell: Tell,
) -> Manifest:
    """The whole of it; the caller holds the store's lock. Raises before anything is written where the cluster lacks a topic."""
    backup, salt = new_id(store), new_salt()
    began = _now()
    contents = observe()
    missing = sorted(set(wanted.data) - set(contents.topics))
    if missing:
        raise BackupError(
            f"{kafka.name}: there is no topic {', '.join(missing)}\n      → make it, or take it out of backup.data"
        )
    writing = _Writing(store, backup, seal_of(backup, salt, wanted.key))
    spans = _spans(kafka, contents, wanted.data)
    text = json.dumps(contents.record(), sort_keys=True, ensure_ascii=False).encode()
    writing.put(File(CONTENTS, 0, ""), writing.number(), text)
    with _pool() as hand_out:
        total, read = sum(span.end - span.begin for span in spans.values()), 0
        for chunk in read_chunks(kafka.name, settings, spans):
            hand_out(_work(writing, chunk))
            read += len(chunk.messages)
            tell(read, total)
    manifest = Manifest(
        id=backup,
        environment=wanted.environment,
        cluster=kafka.cluster_id(),
        kind=wanted.kind,
        began=began,
        ended=_now(),
        sealed=writing.seal.kind,
        salt="" if writing.seal.kind == PLAIN else salt.hex(),
        key=writing.seal.key_id,
        files=tuple(sorted(writing.files, key=lambda file: file.name)),
    )
    manifest = replace(manifest, spans=_counted(spans, manifest))
    store.put(f"{backup}/{NAME}", manifest.encoded(writing.seal))
    return manifest


def _spans(kafka: KafkaAdmin, contents: Contents, data: Collection[str]) -> dict[Partition, Span]:
    """From the first record that is there to the last that is committed now. The connectors' and groups' positions are
    older."""
    places = [(topic, number) for topic in sorted(data) for number in range(contents.topics[topic]["partitions"])]
    begins, ends = kafka.begins(places), kafka.ends(places)
    return {place: Span(begins[place], max(begins[place], ends[place]), 0) for place in places}


def _work(writing: _Writing, chunk: Chunk) -> Callable[[], None]:
    first, last = int(chunk.messages[0].offset() or 0), int(chunk.messages[-1].offset() or 0)
    topic, partition = chunk.place
    name = f"data/{topic}/{partition}/{first:020d}"
    file = File(name, 0, "", topic, partition, first, last, len(chunk.messages))
    number = writing.number()
    return lambda: writing.put(file, number, encode(chunk.messages))


def _counted(spans: Mapping[Partition, Span], manifest: Manifest) -> dict[str, dict[str, Span]]:
    counts = manifest.counted()
    found: dict[str, dict[str, Span]] = {}
    for (topic, partition), span in spans.items():
        found.setdefault(topic, {})[str(partition)] = replace(span, records=counts[topic, partition])
    return found


@contextmanager
def _pool() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Work that is done beside the caller's, a bounded amount of it at a time; its first error is raised here."""
    running: deque[Future[None]] = deque()
    with ThreadPoolExecutor(_WRITERS) as pool:

        def hand_out(work: Callable[[], None]) -> None:
            while len(running) > _WRITERS:
                running.popleft().result()
            running.append(pool.submit(work))

        yield hand_out
        for each in running:
            each.result()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
