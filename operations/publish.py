"""Writes a rendered tree to a folder, whole or not at all. Only input and output; :mod:`operations.tree` says what is written.

The new tree is written beside the old one, takes over the files that are not ours, and then the two change places in one
step. A run that fails or is killed leaves the old tree or the new one, and at most a hidden folder beside it, which the next
run clears.

A killed process loses nothing: the kernel holds what was written. Against a power cut only the ledger and the folders are
synced, since syncing 11,000 files costs minutes and the tree can be rendered again at any time: a file lost that way no longer
has the fingerprint in the ledger, so the next run writes it anew.
"""

import errno
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.core.errors import RenderError
from operations.beside import aside_of, clear_leftovers, exclusive, new_staging
from operations.exchange import Progress, put_in_place
from operations.ledger import LEDGER, ledger_of
from operations.survey import Survey, collisions, folders_of, survey
from operations.terminal import count, listed

_SHOWN = 10
_MOUNTED = "it is a mount point, which cannot be replaced: name a folder inside it with --out"
_MODE = 0o666
"""Before the user's umask, as for any new file."""


@dataclass(frozen=True, slots=True)
class Published:
    """What a run did to ``folder``. ``edited`` are files of ours that somebody had changed since, and that were overwritten or
    removed; ``kept`` files that are not ours; ``notes`` are for the user."""

    folder: Path
    files: int
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    edited: tuple[str, ...]
    kept: int
    notes: tuple[str, ...] = ()


def silent(_step: str) -> None:
    """Tells nobody."""


def publish(files: Mapping[str, str], stack: str, folder: Path, progress: Progress = silent) -> Published:
    """Makes ``folder`` hold exactly ``files``, the ledger, and whatever else there was. ``progress`` hears of each step.

    Raises :class:`RenderError`, and changes nothing, where a file that is not ours is in the way, where the folder is
    another stack's, or where it cannot be written.
    """
    destination = Path(os.path.realpath(folder))
    contents = {path: text.encode() for path, text in files.items()}
    try:
        if os.path.lexists(destination) and not destination.is_dir():
            raise RenderError(f"{folder}: is a file, not a folder\n      → name a folder with --out")
        destination.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(destination, progress):
            progress("locked")
            notes = clear_leftovers(destination)
            return _publish(contents, stack, destination, progress, notes)
    except OSError as error:
        raise RenderError(_explain(error, folder)) from error


def _publish(
    contents: Mapping[str, bytes], stack: str, destination: Path, progress: Progress, notes: tuple[str, ...]
) -> Published:
    before = survey(destination)
    _refuse(before, contents, stack, destination)
    progress("surveyed")
    ledger = ledger_of(stack, contents).encode()
    if ledger == before.ledger_bytes and before.own == contents:
        return _published(before, contents, destination, notes)
    staging = new_staging(destination)
    try:
        progress("staged")
        _write(staging, {LEDGER: ledger, **contents})
        progress("written")
        _carry_over(destination, staging, before, contents)
        progress("carried over")
        _sync(staging / LEDGER)
        _sync(staging)
        progress("synced")
        put_in_place(staging, destination, aside_of(staging), progress)
        progress("in place")
        _sync(destination.parent)
    finally:
        notes += clear_leftovers(destination)
    progress("cleared")
    return _published(before, contents, destination, notes)


def _refuse(before: Survey, contents: Mapping[str, bytes], stack: str, destination: Path) -> None:
    if before.ledger.stack not in {"", stack}:
        raise RenderError(
            f"{destination}: holds the rendered tree of stack {before.ledger.stack}, not of {stack}; nothing was changed"
            "\n      → render into another folder"
        )
    found = collisions(before, contents, destination)
    if found:
        shown = "".join(f"\n  {path}" for path in found[:_SHOWN])
        more = f"\n  … and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
        raise RenderError(
            f"{destination}: {len(found):,} of its files stand where the tree must go, and cdc did not write them; "
            f"nothing was changed{shown}{more}\n      → move them away, or render into another folder"
        )


def _published(before: Survey, contents: Mapping[str, bytes], destination: Path, notes: tuple[str, ...]) -> Published:
    there, wanted = before.own.keys(), contents.keys()
    adopted = before.foreign & wanted
    return Published(
        folder=destination,
        files=len(contents),
        added=tuple(sorted(wanted - there - adopted)),
        changed=tuple(sorted(path for path in wanted & there if before.own[path] != contents[path])),
        removed=tuple(sorted(there - wanted)),
        edited=tuple(sorted(path for path in before.edited if before.own[path] != contents.get(path))),
        kept=len(before.foreign - adopted),
        notes=notes,
    )


def _write(staging: Path, contents: Mapping[str, bytes]) -> None:
    """Plain system calls: with thousands of files, path objects and buffers would take most of the time."""
    base = str(staging)
    for folder in sorted(folders_of(contents)):
        os.mkdir(f"{base}/{folder}")
    for path, content in contents.items():
        descriptor = os.open(f"{base}/{path}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        try:
            rest = content
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        finally:
            os.close(descriptor)


def _carry_over(destination: Path, staging: Path, before: Survey, contents: Mapping[str, bytes]) -> None:
    """Everything that is not ours goes along: files as second names of themselves, empty folders, and the folders' modes."""
    carried = before.foreign - contents.keys()
    ours = folders_of([*before.own, *before.ledger.files])
    for folder in sorted((before.folders - ours) | folders_of(carried)):
        os.makedirs(staging / folder, exist_ok=True)
    for path in sorted(carried):
        _link_or_copy(destination / path, staging / path)
    for folder in sorted(before.folders | ({"."} if destination.is_dir() else set()), reverse=True):
        if (staging / folder).is_dir():
            shutil.copymode(destination / folder, staging / folder)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP}:
            raise
        shutil.copy2(source, target, follow_symlinks=False)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _explain(error: OSError, folder: Path) -> str:
    reason = error.strerror or str(error)
    remedies = {
        errno.ENOSPC: "make room on that disk, or render elsewhere with --out",
        errno.EDQUOT: "make room in your quota, or render elsewhere with --out",
        errno.EBUSY: _MOUNTED,
        errno.EXDEV: _MOUNTED,
        errno.ENAMETOOLONG: "render into a folder with a shorter path",
    }
    remedy = remedies.get(error.errno or 0, "make it and the folder around it writable, or render elsewhere with --out")
    where = f" ({error.filename})" if error.filename and str(error.filename) != str(folder) else ""
    return f"{folder}: cannot be written: {reason}{where}; what was there before is unchanged\n      → {remedy}"


def summary(outcome: Published) -> list[str]:
    """Lines for a person: what changed, and what deserves a look."""
    if not (outcome.added or outcome.changed or outcome.removed):
        lines = ["unchanged"]
    else:
        lines = [f"{len(outcome.added):,} added, {len(outcome.changed):,} changed, {len(outcome.removed):,} removed"]
    if outcome.edited:
        lines.append(
            f"{count(len(outcome.edited), 'file')} had been edited by hand; as rendered again: {listed(outcome.edited)}"
        )
    if outcome.kept:
        lines.append(f"{count(outcome.kept, 'file')} of yours kept")
    return [*lines, *outcome.notes]
