"""Takes partitions: topic ids and log bounds from Kafka, epochs and offsets from PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import psycopg
import structlog
from confluent_kafka import KafkaException

from sink_worker.control import Connection, Control, connect
from sink_worker.errors import SinkError, public_message
from sink_worker.kafka_client import Cluster, LogBounds
from sink_worker.offsets import Claim, OffsetStore, Start, is_lock_timeout
from sink_worker.open_keys import OpenKeys
from sink_worker.partitions import Key
from sink_worker.pauses import Pauses
from sink_worker.rejected import RejectedStore
from sink_worker.routing import Router
from sink_worker.settings import Settings

_log = structlog.get_logger("sink_worker.claiming")
LOCK_SECONDS = 5.0


class ControlSession:
    """The loop's own connection: claims, look-ups. Dialled when needed; dropped after an error."""

    def __init__(self, settings: Settings, control: Control) -> None:
        self._settings = settings
        self.control = control
        self._connection: Connection | None = None

    def open(self) -> Connection:
        """The connection, with the control schema in place."""
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._settings.postgres, "control", self._settings.kafka.group_id)
            self.control.install(self._connection)
        return self._connection

    def drop(self) -> None:
        """Close it; the next use dials anew."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@dataclass(frozen=True, slots=True)
class LostOffsets:
    """The log does not have the stored offset any more (or not yet)."""

    key: Key
    stored: int
    bounds: LogBounds

    def __str__(self) -> str:
        topic, number = self.key
        return (f"{topic}[{number}]: the next offset is {self.stored}, the log has {self.bounds.low} to {self.bounds.high}: "
                "events are lost. Take a new snapshot of the table, then set kafka.on_lost_offsets to continue")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the partitions that were asked for. ``gone`` are of topics that are not there, ``paused`` of tables that
    somebody paused."""

    claims: list[Claim]
    lost: list[LostOffsets]
    gone: list[Key]
    paused: list[Key] = field(default_factory=list)


class Claimer:
    """Used by the loop's thread only. :class:`ClaimError` when the environment does not let it claim."""

    def __init__(self, settings: Settings, session: ControlSession, cluster: Cluster, offsets: OffsetStore,
                 rejected: RejectedStore, open_keys: OpenKeys) -> None:  # fmt: skip
        self._settings = settings
        self._session = session
        self._cluster = cluster
        self._offsets = offsets
        self._rejected = rejected
        self._open_keys = open_keys
        self._pauses = Pauses(session.control, settings.kafka.group_id, Router(settings.routing))
        self.topic_sizes: dict[str, int] = {}

    def take(self, keys: Sequence[Key]) -> Taken:
        """Claim the partitions and find where each goes on."""
        try:
            return self._take(keys)
        except (psycopg.Error, KafkaException, OSError) as error:
            if is_lock_timeout(error):
                self._offsets.end_zombies(self._session.open(), self._settings.postgres.zombie_seconds)
            elif isinstance(error, psycopg.Error):
                self._session.drop()
            raise ClaimError(public_message(error)) from error

    def paused(self, topics: Sequence[str]) -> set[str]:
        """Those of the topics whose table is paused; none where PostgreSQL does not tell. For haste only: a pause fences."""
        try:
            return self._pauses.topics(self._session.open(), topics)
        except (psycopg.Error, OSError):
            self._session.drop()
            return set()

    def _take(self, keys: Sequence[Key]) -> Taken:
        topics = self._cluster.topics(topic for topic, _ in keys)
        self.topic_sizes.update({topic: size for topic, (_, size) in topics.items()})
        there = [key for key in keys if key[0] in topics and key[1] < topics[key[0]][1]]
        gone = [key for key in keys if key not in there]
        if not there:
            return Taken([], [], gone)
        bounds = self._cluster.bounds(there)
        latest = self._settings.kafka.start == "latest"
        starts = [Start(topic, topics[topic][0], number, bounds[topic, number].high if latest else bounds[topic, number].low)
                  for topic, number in there]  # fmt: skip
        connection = self._session.open()
        claims = self._offsets.claim(connection, starts, LOCK_SECONDS)
        self._open_keys.add(self._rejected.open_keys(connection, sorted({topic for topic, _ in there})))
        # Asked for behind the claim: a pause that is not seen here comes later, and fences it.
        paused = self._pauses.topics(connection, sorted({topic for topic, _ in there}))
        kept, lost = self._within_log(connection, [claim for claim in claims if claim.topic not in paused], bounds)
        return Taken(kept, lost, gone, [key for key in there if key[0] in paused])

    def _within_log(
        self, connection: Connection, claims: list[Claim], bounds: dict[Key, LogBounds]
    ) -> tuple[list[Claim], list[LostOffsets]]:
        kept: list[Claim] = []
        lost: list[LostOffsets] = []
        for claim in claims:
            log = bounds[claim.topic, claim.number]
            # An old bound can only be too low: the log may have grown since it was asked for, and the offset with it.
            high = max(log.high, log.low)
            if log.low <= claim.next_offset <= high:
                kept.append(claim)
                continue
            if claim.next_offset > high:
                log = self._cluster.bounds([(claim.topic, claim.number)])[claim.topic, claim.number]
                if claim.next_offset <= log.high:
                    kept.append(claim)
                    continue
            problem = LostOffsets((claim.topic, claim.number), claim.next_offset, log)
            moved = self._jump(connection, claim, problem)
            kept += [moved] if moved else []
            lost += [] if moved else [problem]
        return kept, lost

    def _jump(self, connection: Connection, claim: Claim, problem: LostOffsets) -> Claim | None:
        if self._settings.kafka.on_lost_offsets == "halt":
            return None
        target = problem.bounds.low if claim.next_offset < problem.bounds.low else problem.bounds.high
        _log.error("events_lost", topic=claim.topic, partition=claim.number, stored=claim.next_offset, continued_at=target)
        return replace(claim, next_offset=target) if self._offsets.move(connection, claim, target) else None


class ClaimError(SinkError):
    """The environment does not let partitions be claimed now."""
