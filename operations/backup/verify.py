"""Judges a backup: every file is there, none besides, each is what it was, opens, and holds the records that it should."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from operations.backup.chunks import decode
from operations.backup.errors import DamagedError
from operations.backup.manifest import CONTENTS, NAME, File, Manifest, fingerprint, proven_manifest
from operations.backup.sealing import Seal
from operations.backup.store import Store

_READERS = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """``problems`` begin with the file's name; none of a whole backup."""

    manifest: Manifest
    problems: tuple[str, ...]


def verify(store: Store, backup: str, key: bytes | None, tell: Callable[[int, int], None]) -> Verdict:
    """Reads all of it. Raises :class:`DamagedError` where even the manifest is not what it was."""
    manifest, seal = proven_manifest(store, backup, key)
    problems = list(stray_files(store, manifest))
    read = 0
    counted: Counter[tuple[str, int]] = Counter()
    with ThreadPoolExecutor(_READERS) as pool:
        for file, problem in zip(manifest.files, pool.map(lambda each: _judged(store, manifest, seal, each), manifest.files)):  # noqa: B905
            problems += [problem] if problem else []
            if file.topic and not problem:
                counted[file.topic, file.partition] += file.records
            read += file.size
            tell(read, manifest.size)
    if not problems:
        for topic, partitions in manifest.spans.items():
            for number, span in partitions.items():
                if counted[topic, int(number)] != span.records:
                    problems.append(f"{topic}/{number}: holds {counted[topic, int(number)]} records, not {span.records}")
    return Verdict(manifest, tuple(sorted(problems)))


def stray_files(store: Store, manifest: Manifest) -> Iterator[str]:
    """What is missing, of another size, or none of the backup's."""
    there = store.sizes(f"{manifest.id}/")
    wanted = {file.name: file.size for file in manifest.files}
    for name, size in sorted(wanted.items()):
        if name not in there:
            yield f"{name}: is missing"
        elif there[name] != size:
            yield f"{name}: has {there[name]:,} bytes, not {size:,}"
    for name in sorted(set(there) - set(wanted) - {NAME}):
        yield f"{name}: is none of the backup's files"


def is_whole(store: Store, manifest: Manifest) -> bool:
    """As far as names and sizes tell."""
    return next(stray_files(store, manifest), None) is None


def refuse_damaged(store: Store, manifest: Manifest, tell: Callable[[int, int], None]) -> None:
    """Before anything of it is used: names, sizes and checksums. Raises :class:`DamagedError` with every file that differs."""
    problems = list(stray_files(store, manifest))
    read = 0

    def differs(file: File) -> str:
        content = _content(store, manifest, file)
        same = content is not None and fingerprint(content) == file.sha256
        return "" if same else f"{file.name}: was changed"

    if not problems:
        with ThreadPoolExecutor(_READERS) as pool:
            for file, problem in zip(manifest.files, pool.map(differs, manifest.files), strict=True):
                problems += [problem] if problem else []
                read += file.size
                tell(read, manifest.size)
    if problems:
        raise DamagedError(
            "\n".join([f"{manifest.id}: is damaged; nothing was restored", *problems, "      → use another backup"])
        )


def read_file(store: Store, manifest: Manifest, seal: Seal, file: File) -> bytes:
    """What was put into ``file``. Raises :class:`DamagedError` where it is not that."""
    content = _content(store, manifest, file)
    if content is None or fingerprint(content) != file.sha256:
        raise DamagedError(f"{manifest.id}/{file.name}: was changed\n      → use another backup")
    return seal.open(file.name, content)


def read_contents(store: Store, manifest: Manifest, seal: Seal) -> bytes:
    """The JSON of everything but records."""
    found = next((file for file in manifest.files if file.name == CONTENTS), None)
    if found is None:
        raise DamagedError(f"{manifest.id}/{CONTENTS}: is missing\n      → use another backup")
    return read_file(store, manifest, seal, found)


def _content(store: Store, manifest: Manifest, file: File) -> bytes | None:
    try:
        return store.get(f"{manifest.id}/{file.name}")
    except FileNotFoundError:
        return None


def _judged(store: Store, manifest: Manifest, seal: Seal, file: File) -> str:
    """What is wrong with one file, if it is there: :func:`stray_files` tells of those that are not."""
    content = _content(store, manifest, file)
    if content is None or len(content) != file.size:
        return ""
    if fingerprint(content) != file.sha256:
        return f"{file.name}: was changed"
    try:
        plain = seal.open(file.name, content)
    except DamagedError as error:
        return str(error).partition("\n")[0]
    if not file.topic:
        return ""
    offsets = decode(plain).offsets
    if (len(offsets), offsets[0], offsets[-1]) != (file.records, file.first, file.last):
        return (
            f"{file.name}: holds {len(offsets)} records from {offsets[0]} to {offsets[-1]}, which is not what the manifest says"
        )
    return ""
