"""What must be restarted because logins of Kafka's users change. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from components.environment import EnvironmentSpec
from operations.vault_rotate import Finding


@dataclass(frozen=True, slots=True)
class Restart:
    """A login's readers know what it was when they started. What has run since before ``since`` must be started again before
    ``by``, when the rotation takes away what it enters with; ``None`` stands for the rotation that is about to be made. Whether
    it has been, Kafka tells nobody."""

    readers: tuple[str, ...]
    since: datetime
    by: datetime | None

    def __str__(self) -> str:
        when = "first" if self.by is None else f"by {_minute(self.by)}"
        return f"{when} restart what has run since before {_minute(self.since)}: {', '.join(self.readers)}"

    def record(self) -> Mapping[str, Any]:
        """For a machine."""
        by = None if self.by is None else self.by.isoformat()
        return {"restart": {"readers": list(self.readers), "since": self.since.isoformat(), "by": by}}


def restarts(spec: EnvironmentSpec, found: Iterable[Finding], done: Iterable[str], now: datetime) -> dict[str, Restart]:
    """By path, for logins of Kafka's users. ``done`` are those that were just rotated."""
    every = timedelta(milliseconds=0 if spec.vault is None else spec.vault.rotation.every)
    told = {}
    for finding in found:
        if finding.rotated.kafka is not None and finding.since is not None:
            since = now if finding.path in done else finding.since
            by = None if finding.state == "due" and finding.path not in done else since + every
            told[finding.path] = Restart(finding.rotated.kafka.readers, since, by)
    return told


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
