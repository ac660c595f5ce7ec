"""What a backup consists of. It is written last, so a backup without one was never finished."""

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from operations.backup.errors import BackupError, DamagedError
from operations.backup.sealing import PLAIN, Seal, seal_of
from operations.backup.store import Store

NAME, CONTENTS = "manifest.json", "contents"
FORMAT = 1
Kind = Literal["daily", "weekly", "manual"]


@dataclass(frozen=True, slots=True)
class File:
    """One file; ``sha256`` is of its bytes as they lie there. What holds records says which: offsets ``first`` to ``last``."""

    name: str
    size: int
    sha256: str
    topic: str = ""
    partition: int = -1
    first: int = -1
    last: int = -1
    records: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """What there was to read of one partition when the backup began, and how many records it held for a reader of committed
    ones. ``end`` is the offset behind the last."""

    begin: int
    end: int
    records: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """Times are UTC in ISO 8601; ``salt`` and ``key`` (an identification, not the key) are empty where nothing is encrypted."""

    id: str
    environment: str
    cluster: str
    kind: Kind
    began: str
    ended: str
    sealed: str
    salt: str
    key: str
    files: tuple[File, ...]
    spans: Mapping[str, Mapping[str, Span]] = field(default_factory=dict)

    @property
    def records(self) -> int:
        return sum(file.records for file in self.files)

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    def counted(self) -> Counter[tuple[str, int]]:
        """Records in its files, by partition."""
        found: Counter[tuple[str, int]] = Counter()
        for file in self.files:
            if file.topic:
                found[file.topic, file.partition] += file.records
        return found

    def encoded(self, seal: Seal) -> bytes:
        """Its file."""
        body = {"format": FORMAT, **asdict(self)}
        return _text({**body, "proof": seal.proof(_text(body))})


def fingerprint(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def read_manifest(store: Store, backup: str) -> Manifest | None:
    """What the manifest says, not proven yet; ``None`` where there is none. Raises :class:`DamagedError` for one that is
    none."""
    try:
        content = store.get(f"{backup}/{NAME}")
    except FileNotFoundError:
        return None
    return _parsed(content, backup)[0]


def proven_manifest(store: Store, backup: str, key: bytes | None) -> tuple[Manifest, Seal]:
    """The manifest, and the seal of its files. Raises :class:`BackupError` for another key than the backup's, or none, and
    :class:`DamagedError` for one that was changed."""
    try:
        content = store.get(f"{backup}/{NAME}")
    except FileNotFoundError:
        raise BackupError(f"{backup}: is no whole backup\n      → choose one that cdc backup list calls whole") from None
    manifest, body, proof = _parsed(content, backup)
    if manifest.sealed != PLAIN and key is None:
        raise BackupError(f"{backup}: is encrypted\n      → name the file of its key with --key-file")
    seal = seal_of(backup, bytes.fromhex(manifest.salt), None if manifest.sealed == PLAIN else key)
    if key is not None and manifest.sealed == PLAIN:
        raise BackupError(
            f"{backup}: is not encrypted, and a key was given\n      → leave --key-file out if that is how it was made"
        )
    if seal.key_id != manifest.key:
        raise BackupError(f"{backup}: was made with another key\n      → name the file of key {manifest.key} with --key-file")
    if not hmac.compare_digest(seal.proof(_text(body)), proof):
        raise DamagedError(f"{backup}/{NAME}: was changed\n      → use another backup")
    return manifest, seal


def _parsed(content: bytes, backup: str) -> tuple[Manifest, dict[str, Any], str]:
    try:
        body = json.loads(content)
        proof = str(body.pop("proof"))
        if body["format"] != FORMAT:
            raise BackupError(f"{backup}: has format {body['format']}\n      → use the version of cdc that made it")
        values = {key: value for key, value in body.items() if key != "format"}
        files = tuple(File(**file) for file in values.pop("files"))
        spans = {
            topic: {number: Span(**span) for number, span in partitions.items()}
            for topic, partitions in values.pop("spans").items()
        }
        manifest = Manifest(**values, files=files, spans=spans)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DamagedError(f"{backup}/{NAME}: is no manifest\n      → use another backup") from None
    if manifest.id != backup:
        raise DamagedError(f"{backup}/{NAME}: is that of {manifest.id}\n      → use another backup")
    return manifest, body, proof


def _text(value: Any) -> bytes:
    return (json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n").encode()
