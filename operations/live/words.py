"""What a user says beside the spec on the command line, and plans that were saved."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from components.core.errors import CdcError
from components.core.quantities import parse_byte_rate
from operations.errors import cannot_write
from operations.live.changes import Object
from operations.live.plan import Words
from operations.live.report import record
from operations.live.session import Look

VERSION = 1
KINDS = "topic, user, subject or connector"

DeleteOption = Annotated[
    list[str] | None,
    typer.Option("--delete", metavar="KIND/NAME", help=f"Delete what is ours and no longer in the spec: {KINDS}."),
]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the audit log.")]
RemapKeys = Annotated[
    list[str] | None,
    typer.Option("--remap-keys", metavar="TOPIC", help="Let this topic have more partitions, although its keys move."),
]
Throttle = Annotated[
    str | None,
    typer.Option("--throttle", metavar="RATE", help="Say how long replicas take to move at this rate, such as 50MiB/s."),
]


def read_words(delete: list[str] | None, reason: str | None, remap: list[str] | None) -> Words:
    """From the options. Each deletion needs the reason."""
    found: dict[Object, str] = {}
    for text in delete or ():
        thing = Object.of(text)
        if thing is None or thing.kind == "quota":
            raise CdcError(f"--delete {text}: names nothing\n      → write it as topic/NAME: {KINDS}")
        if not (reason or "").strip():
            raise CdcError(f"--delete {text}: needs a reason\n      → say why with --reason TEXT")
        found[thing] = str(reason).strip()
    return Words(found, frozenset(remap or ()))


def read_throttle(text: str | None) -> int | None:
    """Bytes per second."""
    if text is None:
        return None
    try:
        return parse_byte_rate(text)
    except (ValueError, CdcError) as error:
        raise CdcError(f"--throttle {text}: {error}\n      → write it as 50MiB/s") from None


def save(file: Path, look: Look) -> None:
    """A plan for a later ``cdc apply``."""
    made = datetime.now(UTC).isoformat(timespec="seconds")
    text = json.dumps({"version": VERSION, "made": made, **record(look)}, indent=2, ensure_ascii=False)
    try:
        file.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise cannot_write(file, error) from None


def load_saved(file: Path, stack: str) -> tuple[Words, Mapping[str, Any]]:
    """A saved plan's words and fingerprints."""
    try:
        saved = json.loads(file.read_text(encoding="utf-8"))
        words, prints = saved["words"], saved["fingerprints"]
        delete = {thing: reason for text, reason in words["delete"].items() if (thing := Object.of(text)) is not None}
        found = Words(delete, frozenset(words["remap"]))
        version, of = saved["version"], saved["stack"]
    except OSError as error:
        raise CdcError(
            f"{file}: cannot be read: {error.strerror}\n      → name a plan that cdc plan --out has written"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CdcError(f"{file}: is no plan\n      → name one that cdc plan --out has written") from None
    if version != VERSION:
        raise CdcError(f"{file}: is of another version of cdc\n      → plan again")
    if of != stack:
        raise CdcError(f"{file}: is a plan of {of}, not of {stack}\n      → name the stack that it was made for")
    return found, prints


def check_same(file: Path, prints: Mapping[str, Any], look: Look) -> None:
    """Refuses a plan whose spec or system has moved since."""
    moved = [
        what
        for what, before, now in (
            ("the spec has changed", prints.get("spec"), look.spec_fingerprint),
            ("the system has changed", prints.get("system"), look.system_fingerprint),
        )
        if before != now
    ]
    if moved:
        raise CdcError(f"{file}: {' and '.join(moved)} since it was made; nothing was changed\n      → plan again, and look")
