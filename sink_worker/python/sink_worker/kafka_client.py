"""librdkafka's dotted properties, and the few questions asked of the cluster. The only place that knows either."""

import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from sink_worker.settings import KafkaSettings, Settings, read_secret

REQUEST_SECONDS: Final = 10.0
# What a partition's fetch may bring at once. A larger batch of the log is still fetched, alone.
PARTITION_FETCH_BYTES: Final = 1024 * 1024
# A partition whose queue is full waits this long before it fetches again. librdkafka's own second lets the queue run dry.
QUEUE_BACKOFF_MS: Final = 10
REPEAT_SECONDS: Final = 10.0
MOST_SHAPES: Final = 200
_NUMBERS: Final = re.compile(r"[0-9]+")
_log = structlog.get_logger("sink_worker.kafka")

Properties = dict[str, str | int | float | bool]


def connection_properties(kafka: KafkaSettings, client_id: str) -> Properties:
    """What every client of the cluster needs."""
    files = {"ssl.ca.location": kafka.ca_file, "ssl.certificate.location": kafka.certificate_file,
             "ssl.key.location": kafka.key_file}  # fmt: skip
    properties: Properties = {
        "bootstrap.servers": kafka.bootstrap_servers, "client.id": client_id, "security.protocol": kafka.security_protocol,
        "reconnect.backoff.max.ms": 5000, "log.connection.close": False, "topic.metadata.refresh.interval.ms": 30_000,
    }  # fmt: skip
    properties.update({name: str(path) for name, path in files.items() if path is not None})
    if (secret := read_secret(kafka.key_password_file)) is not None:
        properties["ssl.key.password"] = secret
    if kafka.security_protocol.startswith("SASL"):
        properties["sasl.username"] = kafka.username or ""
        properties["sasl.mechanism"], properties["sasl.password"] = _login(kafka)
    return {**properties, **kafka.properties}


def _login(kafka: KafkaSettings) -> tuple[str, str]:
    """Mechanism and password, read anew for each client: the file is replaced as a whole when the login is rotated."""
    if kafka.login_file is None:
        return kafka.sasl_mechanism, read_secret(kafka.password_file) or ""
    lines = dict(line.partition("=")[::2] for line in (read_secret(kafka.login_file) or "").splitlines())
    return lines.get("scram-mechanism", kafka.sasl_mechanism), lines.get("password", "")


def consumer_properties(settings: Settings, client_id: str) -> Properties:
    """The group member. Offsets are PostgreSQL's: nothing is stored or committed behind the worker's back."""
    kafka = settings.kafka
    # Fetched bytes are compressed, and JSON with schemas grows tenfold: a fetch is kept well under the queue's bound.
    fetch = kafka.queue_kib * 1024 // 4
    return {
        **connection_properties(kafka, client_id),
        "group.id": kafka.group_id,
        "enable.auto.commit": False, "enable.auto.offset.store": False, "auto.offset.reset": "error",
        "isolation.level": "read_committed", "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": kafka.session_timeout_ms,
        "heartbeat.interval.ms": min(3000, kafka.session_timeout_ms // 3),  # Kafka's own rule: a third at most
        "max.poll.interval.ms": kafka.max_poll_interval_ms,
        "queued.max.messages.kbytes": kafka.queue_kib, "queued.min.messages": 20_000,
        "fetch.queue.backoff.ms": QUEUE_BACKOFF_MS,
        "fetch.min.bytes": kafka.fetch_min_bytes, "fetch.wait.max.ms": 100, "fetch.max.bytes": fetch,
        "fetch.message.max.bytes": min(PARTITION_FETCH_BYTES, fetch), "message.max.bytes": min(fetch, 1_000_000),
    }  # fmt: skip


def relay_properties(settings: Settings, client_id: str) -> Properties:
    """The producer of dead letters: one transactional id for the pipeline, so that a new relay fences an old one."""
    return {
        **connection_properties(settings.kafka, client_id),
        "transactional.id": transactional_id(settings), "enable.idempotence": True, "compression.type": "lz4",
        "message.max.bytes": max(1_000_000, settings.dlq.max_bytes + 65_536), "transaction.timeout.ms": 60_000, "linger.ms": 5,
    }  # fmt: skip


def transactional_id(settings: Settings) -> str:
    """Of the relay, which is one for each pipeline."""
    return f"{settings.kafka.group_id}.outbox"


@dataclass(frozen=True, slots=True)
class LogBounds:
    """The first offset a partition's log still has, and the next that will be written."""

    low: int
    high: int


class Cluster:
    """Answers about the cluster. KafkaException when it cannot tell; that is an environment failure."""

    def __init__(self, settings: Settings, client_id: str) -> None:
        self._admin = AdminClient(connection_properties(settings.kafka, client_id), logger=_Logger())
        self._cluster_id: str | None = None

    def cluster_id(self) -> str:
        """The cluster's id: part of the key of every offset, since a DR cluster counts differently."""
        if self._cluster_id is None:
            found = self._admin.list_topics(timeout=REQUEST_SECONDS).cluster_id
            if not found:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the brokers did not tell the cluster's id"))
            self._cluster_id = str(found)
        return self._cluster_id

    def topics(self, names: Iterable[str]) -> dict[str, tuple[str, int]]:
        """Topic → (topic id, number of partitions), of those that exist."""
        wanted = sorted(set(names))
        if not wanted:
            return {}
        found: dict[str, tuple[str, int]] = {}
        futures = self._admin.describe_topics(TopicCollection(wanted), request_timeout=REQUEST_SECONDS)
        for name, future in futures.items():
            try:
                description = future.result(REQUEST_SECONDS + 1)
            except KafkaException as error:
                if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                raise
            found[name] = (str(description.topic_id), len(description.partitions))
        return found

    def bounds(self, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], LogBounds]:
        """The log's bounds of each partition."""
        keys = sorted(set(partitions))
        low = self._offsets(keys, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        high = self._offsets(keys, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        return {key: LogBounds(low[key], high[key]) for key in keys}

    def _offsets(self, keys: list[tuple[str, int]], spec: OffsetSpec) -> dict[tuple[str, int], int]:
        if not keys:
            return {}
        futures = self._admin.list_offsets({TopicPartition(*key): spec for key in keys}, request_timeout=REQUEST_SECONDS)
        return {(tp.topic, tp.partition): future.result(REQUEST_SECONDS + 1).offset for tp, future in futures.items()}


class _Logger:
    """librdkafka's own lines, as structured logs. It repeats itself while a broker is away: a line that differs from a recent
    one only in its numbers is left out for 10 s, and then tells how many were."""

    _recent: ClassVar[dict[str, tuple[float, int]]] = {}  # shared by all clients of the process
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def log(self, level: int, text: str, *arguments: object) -> None:
        """The method of ``logging.Logger`` that confluent-kafka calls."""
        line = text % arguments if arguments else text
        left_out = self._left_out(_NUMBERS.sub("#", line))
        if left_out is None:
            return
        method = _log.error if level >= 40 else _log.warning if level >= 30 else _log.info
        method("librdkafka", detail=line, **({"left_out": left_out} if left_out else {}))

    def _left_out(self, shape: str) -> int | None:
        """How many such lines were left out since the last one; None when this one is, too."""
        now = time.monotonic()
        with self._lock:
            said_at, left_out = self._recent.get(shape, (-REPEAT_SECONDS, 0))
            if now - said_at < REPEAT_SECONDS:
                self._recent[shape] = (said_at, left_out + 1)
                return None
            if len(self._recent) >= MOST_SHAPES:
                self._recent.clear()
            self._recent[shape] = (now, 0)
            return left_out


def kafka_logger() -> _Logger:
    """For clients made elsewhere."""
    return _Logger()
