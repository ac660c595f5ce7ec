"""The loop of one process: read, decode, hand over; and between that, whatever the writers and the group ask for."""

import queue
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
from confluent_kafka import KafkaException
from psycopg import Error as PostgresError

from sink_worker import faults
from sink_worker.consumer import GroupMember
from sink_worker.decoding import Decoded, Decoding
from sink_worker.errors import LOCKED, FatalError, RegistryUnavailableError, TableError, classify, public_message
from sink_worker.lane import Lane
from sink_worker.metrics import Metrics
from sink_worker.partitions import Partitions, State
from sink_worker.settings import Settings
from sink_worker.sizing import BatchSizer
from sink_worker.tracing import Tracing
from sink_worker.work import Event, Failed, Halted, Part, Stale, Work, Written

_log = structlog.get_logger("sink_worker.loop")
IDLE_SECONDS: Final = 0.25
HAND_OVER_SECONDS: Final = 0.2
# The writer being slower than this is met by pausing; a shorter wait is not worth the fetches that a pause throws away.
PAUSE_AFTER_SECONDS: Final = 5.0
ABORT_SECONDS: Final = 10.0
# A busy writer is no reason to wait for more messages for longer: the loop has other things to tend to.
LONGEST_GATHER_SECONDS: Final = 1.0


class Loop:
    """Runs in one thread until :meth:`stop`; every Kafka callback is served in it."""

    def __init__(self, settings: Settings, partitions: Partitions, decoding: Decoding, lanes: list[Lane],
                 events: "queue.SimpleQueue[Event]", metrics: Metrics, tracing: Tracing,
                 control_failed: Callable[[], None]) -> None:  # fmt: skip
        self._settings = settings
        self._partitions = partitions
        self._decoding = decoding
        self._lanes = lanes
        self._events = events
        self._metrics = metrics
        self._tracing = tracing
        self._control_failed = control_failed
        self._sizer = BatchSizer(settings.batch)
        self._stop = threading.Event()
        self._member: GroupMember | None = None
        self.turned_at = time.monotonic()

    def stop(self) -> None:
        """End the loop after its present step. From any thread or signal handler."""
        self._stop.set()

    def run(self, member: GroupMember) -> None:
        """Join the group, turn until told to stop, drain and leave."""
        self._member = member
        member.subscribe()
        try:
            while not self._stop.is_set():
                self._turn(member)
        finally:
            self._shut_down(member)

    def drain(self) -> bool:
        """Finish what the writers have, within the limit; give it up where it takes longer or waits for the environment."""
        limit = self._settings.shutdown_seconds if self._stop.is_set() else self._settings.drain_seconds
        deadline = time.monotonic() + limit
        for lane in self._lanes:
            while not lane.wait_idle(0.1):
                self.turned_at = time.monotonic()
                if lane.stuck or time.monotonic() > deadline:
                    self.lose()
                    return False
        return True

    def lose(self) -> None:
        """Void everything that was read; what is still assigned is claimed and read again."""
        for lane in self._lanes:
            lane.abort(ABORT_SECONDS)
        self._rewind()

    def _turn(self, member: GroupMember) -> None:
        self._tend(member)
        messages = self._gather(member)
        if not messages:
            return
        faults.reach(faults.CONSUMED)
        for lane, work in self._decoded(messages):
            faults.reach(faults.DECODED)
            if not self._hand_over(member, lane, work):
                return

    def _tend(self, member: GroupMember) -> None:
        """All that is due between batches."""
        self.turned_at = time.monotonic()
        self._on_events(member)
        if not any(lane.stuck for lane in self._lanes):
            member.heed_pauses()
        member.claim_due(self._decoding.forget)
        member.hint()
        member.look_ahead()

    def _gather(self, member: GroupMember) -> list[Any]:
        """Messages for a batch: until a limit is met; or, when no writer is busy, until they have lingered."""
        began = time.perf_counter()
        with self._tracing.span("kafka.consume") as span:
            messages = member.poll(IDLE_SECONDS)
            deadline = time.monotonic() + self._settings.batch.linger_ms / 1000
            latest = deadline + LONGEST_GATHER_SECONDS
            self._sizer.begin()
            while messages and not member.discard and not self._stop.is_set():
                most = self._sizer.room(messages)
                left = deadline - time.monotonic()
                awaited = any(lane.busy for lane in self._lanes) and time.monotonic() < latest
                if most <= 0 or (left <= 0 and not awaited):
                    break
                messages += self._decoding.slim(member.consume(most, min(max(left, 0.01), 0.05)))
            span.set_attribute("messages", len(messages))
        if member.discard:
            member.discard = False
            if messages:
                self._rewind()
            return []
        if messages:
            self._metrics.phase.labels("consume").observe(time.perf_counter() - began)
        return self._partitions.admitted(messages) if self._partitions.unsteady() else messages

    def _decoded(self, messages: list[Any]) -> list[tuple[Lane, Work]]:
        began = time.perf_counter()
        parts: dict[int, list[Part]] = defaultdict(list)
        for (topic, lane), share in self._shares(messages).items():
            if part := self._part(topic, share):
                parts[lane].append(part)
        self._metrics.phase.labels("decode").observe(time.perf_counter() - began)
        return [(self._lanes[lane], Work(found)) for lane, found in parts.items()]

    def _shares(self, messages: list[Any]) -> dict[tuple[str, int], list[Any]]:
        lanes = len(self._lanes)
        if lanes == 1 and len({partition.topic for partition in self._partitions.all()}) == 1:
            return {(messages[0].topic(), 0): messages}
        shares: dict[tuple[str, int], list[Any]] = defaultdict(list)
        for message in messages:
            shares[message.topic(), message.partition() % lanes].append(message)
        return shares

    def _part(self, topic: str, messages: Sequence[Any]) -> Part | None:
        """The topic's share, decoded and taken; None when it has to be read again, which is arranged for."""
        for _ in range(2):
            decoded = self._decode(topic, messages)
            if decoded is None:
                return None
            spans = self._partitions.take(topic, decoded.positions)
            if spans is not None:
                return Part(topic, decoded.route, decoded.batch, decoded.messages, spans, decoded.rejections, decoded.decode,
                            decoded.cells)  # fmt: skip
            messages = self._partitions.admitted(messages)
            if not messages:
                return None
        self._stop_topic(topic, State.WAITING, reason="order", detail="events came out of order")
        return None

    def _decode(self, topic: str, messages: Sequence[Any]) -> Decoded | None:
        try:
            with self._tracing.span("transformation", topic=topic, messages=len(messages)):
                return self._decoding.decode(topic, messages)
        except TableError as error:
            self._halt(Halted(error.topic, error.reason, str(error)))
        except (RegistryUnavailableError, PostgresError, KafkaException) as error:
            if isinstance(error, PostgresError):
                self._control_failed()
            _log.warning("decode_waits", topic=topic, error=public_message(error))
            self._metrics.error(topic, classify(error).error_type)
            self._stop_topic(
                topic, State.WAITING, delay=self._backoff(topic), reason="environment", detail=public_message(error)
            )
        return None

    def _hand_over(self, member: GroupMember, lane: Lane, work: Work) -> bool:
        """Offer the work until the lane has room, serving the group meanwhile. False: it is void."""
        began = time.monotonic()
        paused = False
        try:
            while not lane.offer(work, HAND_OVER_SECONDS):
                self.turned_at = time.monotonic()
                if not lane.is_alive():
                    self._on_events(member)  # one of them says why
                    raise FatalError(f"{lane.name} ended")
                if self._stop.is_set():
                    return False
                paused = paused or lane.stuck or time.monotonic() - began > PAUSE_AFTER_SECONDS
                if paused:  # again and again: others may have been assigned meanwhile
                    member.pause(p.key for p in self._partitions.all())
                if paused and self._serve(member):
                    return False
            return True
        finally:
            if paused:
                member.resume(p.key for p in self._partitions.running())

    def _serve(self, member: GroupMember) -> bool:
        """Keep the membership alive while nothing is read; whether what is in hand became void."""
        if member.poll(0) or member.discard:
            member.discard = False
            self._rewind()
            return True
        member.hint()
        member.look_ahead()
        return False

    def _on_events(self, member: GroupMember) -> None:
        while True:
            try:
                event = self._events.get_nowait()
            except queue.Empty:
                return
            self._on_event(member, event)

    def _on_event(self, member: GroupMember, event: Event) -> None:
        match event:
            case Halted():
                self._halt(event)
            case Stale(partitions, fenced):
                if fenced:
                    self._metrics.fenced.inc()
                delay = random.uniform(1.0, 5.0) if fenced else 0.0  # noqa: S311 (keeps two claimants apart, no secret)
                for key, incarnation in partitions:
                    self._partitions.stop(key, State.WAITING, delay=delay, reason="stale", incarnation=incarnation)
            case Written(messages, seconds):
                self._sizer.written(messages, seconds)
            case Failed(error):
                raise error if isinstance(error, FatalError) else FatalError(f"the writer ended: {error!r}") from error
        if not isinstance(event, Written):
            member.pause(p.key for p in self._partitions.all() if p.state is not State.RUNNING)

    def _halt(self, event: Halted) -> None:
        _log.error("topic_halted", topic=event.topic, reason=event.reason, detail=event.detail)
        self._metrics.error(event.topic, event.reason)
        failures = max((p.failures for p in self._partitions.of_topic(event.topic)), default=0)
        # The first time, the table may only have changed meanwhile: look again soon.
        delay = 0.5 if failures == 0 else self._settings.tables.mismatch_retry_seconds
        state = State.HALTED
        if event.reason == LOCKED:
            delay, state = self._backoff(event.topic), State.WAITING
        self._stop_topic(event.topic, state, delay=delay, reason=event.reason, detail=event.detail)

    def _stop_topic(self, topic: str, state: State, *, delay: float = 0.0, reason: str, detail: str) -> None:
        for partition in self._partitions.of_topic(topic):
            partition.failures += 1
            self._partitions.stop(partition.key, state, delay=delay, reason=reason, detail=detail)
        if self._member is not None:
            self._member.pause(partition.key for partition in self._partitions.of_topic(topic))

    def _backoff(self, topic: str) -> float:
        failures = max((p.failures for p in self._partitions.of_topic(topic)), default=0)
        retry = self._settings.retry
        return min(retry.first_seconds * 2.0 ** min(failures, 16), retry.longest_seconds) * random.uniform(0.5, 1.0)  # noqa: S311

    def _rewind(self) -> None:
        for partition in self._partitions.running():
            self._partitions.stop(partition.key, State.WAITING, reason="rewind")

    def _shut_down(self, member: GroupMember) -> None:
        self._stop.set()
        drained = self.drain()
        if drained:
            member.hint(at_once=True)
        member.close()
        for lane in self._lanes:
            lane.close(ABORT_SECONDS)
        _log.info("stopped", drained=drained)
