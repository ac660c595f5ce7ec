"""One process of a worker: everything wired together, run until told to stop."""

import queue
import time
from typing import Any

import structlog
from confluent_kafka import KafkaException
from prometheus_client import generate_latest
from psycopg import Error as PostgresError

from sink_worker import faults
from sink_worker._native import TableHint
from sink_worker.breaker import CircuitBreaker
from sink_worker.breaker import State as BreakerState
from sink_worker.cassandra.cells import CellMetrics, Cells
from sink_worker.cassandra.images import make_rereader
from sink_worker.cassandra.sweeper import Sweeper
from sink_worker.claiming import Claimer, ControlSession
from sink_worker.consumer import GroupMember
from sink_worker.control import Control
from sink_worker.decoding import Decoding
from sink_worker.errors import classify
from sink_worker.evolution.fitting import make_evolution
from sink_worker.evolution.metrics import EvolutionMetrics
from sink_worker.evolution.steward import Steward
from sink_worker.evolution.store import EvolutionStore
from sink_worker.health import Probes, Report
from sink_worker.kafka_client import Cluster
from sink_worker.lane import Lane
from sink_worker.loop import Loop
from sink_worker.masking import Masking
from sink_worker.metrics import Metrics
from sink_worker.monitor import Monitor
from sink_worker.offsets import OffsetStore
from sink_worker.open_keys import OpenKeys
from sink_worker.outbox import Relay
from sink_worker.partitions import Key, Partitions, State
from sink_worker.redis_hints import RedisHints
from sink_worker.registry import Registry
from sink_worker.rejected import RejectedStore
from sink_worker.retry import Patience
from sink_worker.routing import Route, Router
from sink_worker.settings import Settings
from sink_worker.tables import Tables, hint_of, look_up
from sink_worker.tracing import Tracing
from sink_worker.work import Event, Work, Written
from sink_worker.writer import Outcome, Stores, Writer

_log = structlog.get_logger("sink_worker.process")


class WorkerProcess:
    """Call :meth:`run` in the main thread; :meth:`stop` from a signal handler. ``name`` tells processes apart."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._stopping = False
        self.metrics = Metrics(name)
        self._evolution_metrics = EvolutionMetrics(self.metrics.registry)
        self._cell_metrics = CellMetrics(self.metrics.registry)
        self._rereader = make_rereader(settings.cassandra)
        self._partitions = Partitions()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._control = Control(settings.postgres.control_schema)
        self._session = ControlSession(settings, self._control)
        self._cluster = Cluster(settings, name)
        self._registry = Registry(settings.registry)
        self._redis = RedisHints(settings.redis, self.metrics, name)
        self._tracing = Tracing()
        self._masking = Masking(settings.masking)
        self._breaker = CircuitBreaker(settings.breaker, self._breaker_changed)
        self._loop: Loop | None = None
        self._member: GroupMember | None = None
        self._lanes: list[Lane] = []
        self._breaker_changed(BreakerState.CLOSED)

    def stop(self) -> None:
        """Drain and leave. Safe in a signal handler."""
        self._stopping = True
        if self._loop is not None:
            self._loop.stop()

    def probes(self) -> Probes:
        """For the HTTP server."""
        return Probes(self._live, self._ready, lambda: generate_latest(self.metrics.registry))

    def run(self) -> None:
        """Until stopped. FatalError when it cannot go on."""
        self._tracing.set_up(self._settings.tracing, self._name)
        cluster_id = self._first_contact()
        if cluster_id is None:
            return
        offsets = OffsetStore(self._control, self._settings.kafka.group_id, cluster_id, self._name)
        rejected = RejectedStore(self._control, self._settings.kafka.group_id, cluster_id, self._settings.dlq, self._masking)
        stores = Stores(offsets, rejected, self._partitions, OpenKeys())
        claimer = Claimer(self._settings, self._session, self._cluster, offsets, rejected, stores.open_keys)
        seen = EvolutionStore(self._control, self._settings.kafka.group_id, self._name)
        decoding = Decoding(self._settings.decode, self._settings.tables, Router(self._settings.routing), self._registry,
                            self._hint,
                            lambda topic: claimer.topic_sizes.get(topic, 0),
                            lambda route: seen.natural(self._session.open(), route))  # fmt: skip
        decoding.read_cells(self._settings.cassandra, self._masking.of)
        self._lanes = [Lane(f"writer-{n}", self._writer(stores), self._finished, self._events.put)
                       for n in range(self._settings.writers)]  # fmt: skip
        loop = Loop(
            self._settings,
            self._partitions,
            decoding,
            self._lanes,
            self._events,
            self.metrics,
            self._tracing,
            self._session.drop,
        )

        def label(topic: str) -> str:
            return decoding.route(topic).label

        member = GroupMember(self._settings, self._name, self._partitions, claimer, loop.drain, loop.lose,
                             lambda key: self._removed(label(key[0]), key), self.metrics.error)  # fmt: skip
        self._loop, self._member = loop, member
        monitor = Monitor(self._partitions, self._cluster, self.metrics, label, self._events.put,
                          self._settings.kafka.topic_check_seconds)  # fmt: skip
        relay = Relay(self._settings, self._control, rejected, self._cluster, self.metrics, self._name,
                      lambda: {label(partition.topic) for partition in self._partitions.all()})  # fmt: skip
        steward = Steward(self._settings, self._control, self._evolution_metrics, self._name)
        helpers = [*self._lanes, monitor, relay, steward, *([self._redis] if self._redis.enabled else [])]
        sweeper = Sweeper(self._settings, self._control, self._cell_metrics)
        helpers += [sweeper] if self._settings.cassandra.topics else []
        for helper in helpers:
            helper.start()
        try:
            if not self._stopping:
                loop.run(member)
        finally:
            monitor.close()
            relay.close()
            steward.close()
            sweeper.close()
            self._redis.close()
            self._registry.close()
            self._session.drop()

    def _first_contact(self) -> str | None:
        """The cluster's id, waited for; None when stopped before it was known."""
        while not self._stopping:
            try:
                cluster_id = self._cluster.cluster_id()
                self._session.open()
                return cluster_id
            except (KafkaException, PostgresError, OSError) as error:
                self._session.drop()
                verdict = classify(error)
                self.metrics.error("", verdict.error_type)
                _log.warning("not_reachable", error_type=verdict.error_type, error=str(error).strip())
                time.sleep(self._settings.retry.first_seconds)
        return None

    def _writer(self, stores: Stores) -> Writer:
        settings = self._settings
        evolution = make_evolution(settings, self._control, self._name, self._evolution_metrics, self._redis)
        tables = Tables(settings.tables, settings.postgres, self._control, settings.kafka.group_id,
                        settings.routing.shared_tables, self._redis, evolution)  # fmt: skip
        patience = Patience(settings.retry, self._breaker, lambda error: self.metrics.error("", classify(error).error_type))
        cells = Cells(settings, self._control, self._cell_metrics, self._rereader, evolution)
        return Writer(settings, stores, tables, patience, self._name, self._events.put, self._tracing, cells)

    def _hint(self, route: Route, without: frozenset[str] = frozenset()) -> TableHint:
        return self._masking.onto(hint_of(look_up(self._session.open(), route), route, without), route)

    def _finished(self, work: Work, outcome: Outcome) -> None:
        """A batch is committed: in the writer's thread."""
        faults.reach(faults.COMMITTED)
        now = time.time()
        newest = {part.topic: part.batch.source_ts_ms[1] if part.batch.source_ts_ms else None for part in outcome.parts}
        self._partitions.advanced(outcome.steps, newest)
        for part in outcome.parts:
            table = part.route.label
            rows = sum(segment.upserts + segment.deletes for segment in part.batch.segments) + sum(map(len, part.batch.cells))
            latencies = [now - ms / 1000 for ms in part.batch.source_ts_ms or ()]
            self.metrics.written(table, part.batch.events + part.batch.tombstones, rows, latencies)
            for rejection in outcome.rejections[part.topic]:
                self.metrics.error(table, rejection.error_class)
                _log.error("event_refused", table=table, topic=rejection.topic, partition=rejection.partition,
                           offset=rejection.offset, stage=rejection.stage, error_type=rejection.error_class)  # fmt: skip
            _log.debug("batch_written", table=table, events=part.batch.events, rows=rows)
        with self._tracing.span("checkpoint.commit"):
            for step in outcome.steps:
                self._redis.checkpoint(self._label_of(outcome, step.topic), step.number, step.next_offset)
        faults.reach(faults.HINTED)
        self.metrics.phase.labels("write").observe(outcome.seconds)
        self._events.put(Written(work.messages, outcome.seconds))

    @staticmethod
    def _label_of(outcome: Outcome, topic: str) -> str:
        return next(part.route.label for part in outcome.parts if part.topic == topic)

    def _removed(self, table: str, key: Key) -> None:
        try:
            self.metrics.forget(table, key[1])
        except KeyError:
            return  # never measured

    def _breaker_changed(self, state: BreakerState) -> None:
        self.metrics.breaker.labels("postgres").set(int(state))
        if state is not BreakerState.CLOSED:
            _log.warning("circuit_breaker", service="postgres", state=state.name.lower())

    def _live(self) -> Report:
        if self._loop is None:
            return Report(details={"phase": "starting"})
        stalled = time.monotonic() - self._loop.turned_at
        problems = [f"the loop has not turned for {stalled:.0f} s"] if stalled > self._settings.http.stalled_seconds else []
        problems += [
            f"thread {lane.name} ended"
            for lane in self._lanes
            if lane.ident is not None and not lane.is_alive() and not self._stopping
        ]
        return Report(problems)

    def _ready(self) -> Report:
        present = self._partitions.all()
        states: dict[str, int] = {}
        for partition in present:
            states[partition.state] = states.get(partition.state, 0) + 1
        halted: list[dict[str, Any]] = [
            {"topic": p.topic, "partition": p.number, "state": p.state, "reason": p.reason, "detail": p.detail}
            for p in present if p.state is not State.RUNNING and p.reason
        ]  # fmt: skip
        problems = []
        if self._member is None or not self._member.joined:
            problems.append("not a member of the group yet")
        if self._breaker.state is not BreakerState.CLOSED or any(lane.stuck for lane in self._lanes):
            problems.append("PostgreSQL does not take writes")
        if self._stopping:
            problems.append("stopping")
        return Report(problems, {"partitions": states, "waiting": halted, "breaker": self._breaker.state.name.lower()})
