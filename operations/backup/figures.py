"""How old and large the newest backups are, left beside them in Prometheus' text form for whoever watches (docker)."""

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from components.backup.names import metrics_folder
from components.backup.plan import BackupPlan
from components.observability.scraping import watched_backups
from operations.backup.manifest import Manifest

ENDED, SIZE, RECORDS = "cdc_backup_ended_timestamp_seconds", "cdc_backup_size_bytes", "cdc_backup_records"
_KINDS = ("daily", "weekly")
_KNOWN = re.compile(rf'^{ENDED}\{{.*kind="([a-z]+)"\}} ([0-9.]+)$', re.MULTILINE)
_TOLD = {
    ENDED: "When the newest backup of its kind was whole; of a kind that was never made, since when that is known.",
    SIZE: "Bytes of the newest backup of its kind.",
    RECORDS: "Records in the newest backup of its kind.",
}


def tell_whoever_watches(plan: BackupPlan, folder: Path | None, manifests: Iterable[Manifest]) -> None:
    """At the end of a run, with all backups that are there. Where it cannot be told the backup is whole all the same."""
    if plan.environment is None or not watched_backups(plan.environment):
        return
    path = Path(metrics_folder(str(folder or plan.backup.directory))) / f"{plan.name}.prom"
    try:
        before = path.read_text() if path.is_file() else ""
        _replace(path, "\n".join(lines(plan.name, manifests, known(before), time.time())) + "\n")
    except OSError as error:
        sys.stderr.write(f"{error.filename or path}: {error.strerror}; nobody is told how old backups are\n")


def known(text: str) -> dict[str, float]:
    """What an earlier run said of each kind."""
    return {kind: float(seconds) for kind, seconds in _KNOWN.findall(text)}


def lines(stack: str, manifests: Iterable[Manifest], before: Mapping[str, float], now: float) -> Iterator[str]:
    """Of each kind the newest. Of one that there is none of, what was said ``before`` still holds: nobody takes backups that
    were deleted for new ones."""
    newest = {manifest.kind: manifest for manifest in sorted(manifests, key=lambda manifest: manifest.id)}
    ended = {kind: before.get(kind, now) for kind in _KINDS}
    ended |= {kind: datetime.fromisoformat(manifest.ended).timestamp() for kind, manifest in newest.items()}
    figures: dict[str, dict[str, float]] = {
        ENDED: ended,
        SIZE: {kind: manifest.size for kind, manifest in newest.items()},
        RECORDS: {kind: manifest.records for kind, manifest in newest.items()},
    }
    for name, values in figures.items():
        yield f"# HELP {name} {_TOLD[name]}"
        yield f"# TYPE {name} gauge"
        yield from (f'{name}{{stack="{stack}",kind="{kind}"}} {value:.0f}' for kind, value in sorted(values.items()))


def _replace(path: Path, text: str) -> None:
    """Whole or not at all, and for anybody to read: there is no secret in it."""
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True)
        path.parent.chmod(0o755)
    partial = path.with_suffix(".partial")
    partial.write_text(text)
    partial.chmod(0o644)
    os.replace(partial, path)
