"""The group member: assignment and revocation, reading, pausing and seeking. Used by the loop's thread only."""

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import structlog
from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from sink_worker import faults
from sink_worker.claiming import Claimer, ClaimError, Taken
from sink_worker.errors import FatalError
from sink_worker.kafka_client import consumer_properties, kafka_logger
from sink_worker.partitions import Key, Partition, Partitions, State
from sink_worker.pauses import REASON, RETRY_SECONDS
from sink_worker.settings import Settings

_log = structlog.get_logger("sink_worker.consumer")
CLAIM_RETRY_SECONDS: Final = 2.0
GONE_RETRY_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 1.0
_PARTITION_ERRORS: Final = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError.UNKNOWN_TOPIC_OR_PART,
                            KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}  # fmt: skip


class GroupMember:
    """``drain(keep)`` finishes or gives up what was read (True: all of it is in PostgreSQL); ``lose`` gives it up."""

    def __init__(self, settings: Settings, client_id: str, partitions: Partitions, claimer: Claimer,
                 drain: Callable[[], bool], lose: Callable[[], None], removed: Callable[[Key], None],
                 failed: Callable[[str, str], None]) -> None:  # fmt: skip
        self._settings = settings
        self._partitions = partitions
        self._claimer = claimer
        self._drain, self._lose, self._removed, self._failed = drain, lose, removed, failed
        self._consumer = Consumer(consumer_properties(settings, client_id), logger=kafka_logger())
        self._hinted_at = 0.0
        self._looked_at = 0.0
        self._heeded_at = 0.0
        self.discard = False  # something was revoked: what is in hand is void
        self.joined = False

    def subscribe(self) -> None:
        """Join the group."""
        self._consumer.subscribe(self._settings.kafka.topics, on_assign=self._on_assign, on_revoke=self._on_revoke,
                                 on_lost=self._on_lost)  # fmt: skip

    def poll(self, timeout: float) -> list[Any]:
        """At most one message, as soon as there is one."""
        message = self._consumer.poll(timeout)
        return [] if message is None else self._without_errors([message])

    def consume(self, most: int, timeout: float) -> list[Any]:
        """Up to ``most`` messages, waiting for them ``timeout`` seconds. Errors are handled here."""
        return self._without_errors(self._consumer.consume(most, timeout))

    def pause(self, keys: Iterable[Key]) -> None:
        """Read nothing of them until they are resumed."""
        self._each(self._consumer.pause, keys)

    def resume(self, keys: Iterable[Key]) -> None:
        """Read on where reading stopped, or where a seek said."""
        self._each(self._consumer.resume, keys)

    def claim_due(self, forget: Callable[[str], None]) -> None:
        """Claim what waits to be claimed, and read it from the stored offset on."""
        due = self._partitions.due()
        if not due:
            return
        self.pause(partition.key for partition in due)
        for topic in {partition.topic for partition in due}:
            forget(topic)
        taken = self._take(due)
        if taken is None:
            return
        for claim in taken.claims:
            try:
                self._seek(TopicPartition(claim.topic, claim.number, claim.next_offset))
            except KafkaException as error:
                _log.warning("seek_failed", topic=claim.topic, partition=claim.number, error=str(error))
                self._partitions.stop((claim.topic, claim.number), State.WAITING, delay=0.5, reason="seek", detail=str(error))
                continue
            if self._partitions.start(claim):
                self.resume([(claim.topic, claim.number)])

    def hint(self, *, at_once: bool = False) -> None:
        """Tell Kafka how far PostgreSQL is: for lag monitors, nobody reads it to go on."""
        now = time.monotonic()
        if not at_once and now - self._hinted_at < self._settings.kafka.commit_interval_seconds:
            return
        self._hinted_at = now
        moved = [p for p in self._partitions.running() if p.stored != p.hinted]
        if not moved:
            return
        offsets = [TopicPartition(p.topic, p.number, p.stored) for p in moved]
        try:
            if at_once:
                self._consumer.commit(offsets=offsets, asynchronous=False)
            else:
                self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            _log.info("offset_hint_failed", error=str(error))
            return
        for partition, offset in zip(moved, offsets, strict=True):
            partition.hinted = offset.offset

    def heed_pauses(self) -> None:
        """Read no more of tables that were paused. What is in hand of them is fenced."""
        now = time.monotonic()
        if now - self._heeded_at < RETRY_SECONDS:
            return
        self._heeded_at = now
        running = self._partitions.running()
        paused = self._claimer.paused(sorted({partition.topic for partition in running})) if running else set()
        stopped = [partition.key for partition in running if partition.topic in paused]
        self._pause_tables(stopped)
        self.pause(stopped)

    def look_ahead(self) -> None:
        """Note now and then how long each log was at its last fetch. The client serves one caller at a time, and this thread
        is nearly always in it: another one would wait for long."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        for partition in self._partitions.running():
            with contextlib.suppress(KafkaException):  # not known yet
                known = self._consumer.get_watermark_offsets(TopicPartition(*partition.key), cached=True)
                partition.end = None if known is None or known[1] < 0 else int(known[1])

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _on_assign(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        keys = [(tp.topic, tp.partition) for tp in assigned]
        self.joined = True
        self._partitions.add(keys)
        added = [partition for key in keys if (partition := self._partitions.get(key)) is not None]
        taken = self._take(added) if added else None
        faults.reach(faults.CLAIMED)
        starts = {(c.topic, c.number): c for c in taken.claims} if taken else {}
        consumer.incremental_assign([
            TopicPartition(*key, starts[key].next_offset if key in starts else OFFSET_END) for key in keys
        ])  # fmt: skip
        self.pause(key for key in keys if key not in starts)
        self.resume(starts)  # librdkafka keeps a partition paused over its loss and its return
        for claim in starts.values():
            self._partitions.start(claim)
        faults.reach(faults.ASSIGNED)
        _log.info("partitions_assigned", partitions=_named(keys), claimed=len(starts))

    def _on_revoke(self, consumer: Consumer, revoked: list[TopicPartition]) -> None:
        keys = [(tp.topic, tp.partition) for tp in revoked]
        self.discard = True
        drained = self._drain()
        if drained:
            self.hint(at_once=True)
        faults.reach(faults.REVOKED)
        self._give_up(consumer, keys, revoked)
        _log.info("partitions_revoked", partitions=_named(keys), drained=drained)

    def _on_lost(self, consumer: Consumer, lost: list[TopicPartition]) -> None:
        keys = [(tp.topic, tp.partition) for tp in lost]
        self.discard = True
        self._partitions.remove(keys)
        self._lose()
        self._give_up(consumer, keys, lost)
        _log.warning("partitions_lost", partitions=_named(keys))

    def _give_up(self, consumer: Consumer, keys: list[Key], given: list[TopicPartition]) -> None:
        self._partitions.remove(keys)
        consumer.incremental_unassign(given)
        for key in keys:
            self._removed(key)

    def _seek(self, place: TopicPartition) -> None:
        """Read on at the offset. The partition is assigned anew: a seek is lost where its fetching has ended, as it has after
        an offset out of range or a topic that was made again."""
        self._consumer.incremental_unassign([TopicPartition(place.topic, place.partition)])
        self._consumer.incremental_assign([place])

    def _take(self, partitions: Sequence[Partition]) -> Taken | None:
        try:
            taken = self._claimer.take([partition.key for partition in partitions])
        except ClaimError as error:
            _log.warning("claim_failed", error=str(error))
            self._failed("", "claim")
            for partition in partitions:
                self._partitions.stop(
                    partition.key, State.WAITING, delay=CLAIM_RETRY_SECONDS, reason="claim", detail=str(error)
                )
            return None
        for problem in taken.lost:
            _log.error("offsets_lost", detail=str(problem))
            self._failed(problem.key[0], "offsets_lost")
            delay = self._settings.tables.mismatch_retry_seconds
            self._partitions.stop(problem.key, State.HALTED, delay=delay, reason="offsets_lost", detail=str(problem))
        for key in taken.gone:
            self._partitions.stop(
                key, State.WAITING, delay=GONE_RETRY_SECONDS, reason="no_topic", detail=f"{key[0]} is not there"
            )
        self._pause_tables(taken.paused)
        return taken

    def _pause_tables(self, keys: Iterable[Key]) -> None:
        for key in keys:
            detail = "its table is paused; resume it through the admin API"
            self._partitions.stop(key, State.PAUSED, delay=RETRY_SECONDS, reason=REASON, detail=detail)

    def _without_errors(self, messages: list[Any]) -> list[Any]:
        failed = [message for message in messages if message.error() is not None]
        if not failed:
            return messages
        for message in failed:
            self._on_error(message)
        return [message for message in messages if message.error() is None]

    def _on_error(self, message: Any) -> None:
        error, topic, number = message.error(), message.topic(), message.partition()
        if error.fatal():
            raise FatalError(f"Kafka's client cannot go on: {error.str()}")
        _log.warning("consume_failed", topic=topic, partition=number, error=error.str(), code=error.name())
        self._failed(topic or "", error.name())
        if error.code() in _PARTITION_ERRORS and topic is not None:
            for partition in self._partitions.of_topic(topic):
                if number in {partition.number, -1} and partition.state is State.RUNNING:
                    self._partitions.stop(partition.key, State.WAITING, delay=1.0, reason="log", detail=error.str())

    @staticmethod
    def _each(change: Callable[[list[TopicPartition]], None], keys: Iterable[Key]) -> None:
        for key in keys:
            try:
                change([TopicPartition(*key)])
            except KafkaException as error:  # not assigned any more; its messages are not admitted anyway
                _log.debug("not_changed", topic=key[0], partition=key[1], error=str(error))


def _named(keys: Iterable[Key]) -> list[str]:
    return [f"{topic}[{number}]" for topic, number in sorted(keys)]
