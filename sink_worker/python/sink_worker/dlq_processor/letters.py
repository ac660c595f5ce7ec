"""Records of the topic of dead letters that this pipeline's control schema does not know, taken up.

They are there where the control schema was lost, or where somebody else wrote into the topic. A letter only names a place: the
event itself is read from there, so that nothing is applied on a letter's word. It is stored without a key, which makes a replay
ask the log whether anything newer of its row came later. What names no such event is kept aside, and counted.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition
from psycopg.types.json import Json

from sink_worker import faults
from sink_worker.control import Connection, Control
from sink_worker.dlq import headers_as_json, storable
from sink_worker.kafka_client import Cluster, consumer_properties, kafka_logger, transactional_id
from sink_worker.letter_topic import SEQUENCE_HEADER
from sink_worker.masking import Masking
from sink_worker.routing import Router
from sink_worker.settings import Settings

PAGE: Final = 200
POLL_SECONDS: Final = 2.0
EVENT_SECONDS: Final = 10.0
LARGEST_OFFSET: Final = 2**63 - 1
_HEADER: Final = "__connect.errors."
_POSITION = """
SELECT "partition", next_offset FROM {schema}.dlq_positions
WHERE pipeline = %s AND cluster_id = %s AND topic = %s AND topic_id = %s
"""
_BEGIN = """
INSERT INTO {schema}.dlq_positions VALUES (%(pipeline)s, %(cluster)s, %(topic)s, %(topic_id)s, %(partition)s, %(low)s)
ON CONFLICT DO NOTHING
"""
_MOVE = """
UPDATE {schema}.dlq_positions SET next_offset = %(next)s WHERE pipeline = %(pipeline)s AND cluster_id = %(cluster)s
  AND topic = %(topic)s AND topic_id = %(topic_id)s AND "partition" = %(partition)s AND next_offset = %(expected)s
"""
_STORED = """
SELECT max(next_offset) FROM {schema}.offsets
WHERE pipeline = %s AND cluster_id = %s AND topic = %s AND topic_id = %s AND "partition" = %s
"""
_KNOWN = """
SELECT FROM {schema}.rejected WHERE pipeline = %s AND cluster_id = %s AND topic = %s AND topic_id = %s AND "partition" = %s
  AND "offset" = %s
"""
_ADOPT = """
INSERT INTO {schema}.rejected (pipeline, cluster_id, topic, topic_id, "partition", "offset", table_schema, table_name, raw_key,
    raw_value, headers, event_ms, stage, error_class, error_message, status)
VALUES (%(pipeline)s, %(cluster)s, %(topic)s, %(topic_id)s, %(partition)s, %(offset)s, %(schema)s, %(table)s, %(raw_key)s,
    %(raw_value)s, %(headers)s, %(event_ms)s, 'TASK_PUT', %(class)s, %(message)s, 'open')
ON CONFLICT DO NOTHING
"""
_ASIDE = """
INSERT INTO {schema}.dlq_aside
    (pipeline, cluster_id, topic, topic_id, "partition", "offset", raw_key, raw_value, headers, problem)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the event is that a letter is about, and why it was refused as the letter has it."""

    topic: str
    partition: int
    offset: int
    error_class: str
    error_message: str


def place_of(value: bytes | None, headers: Mapping[str, bytes | None]) -> Place | str:
    """The place that a letter names, in its own members or in Connect's headers; or what is wrong with it. Pure."""
    members = _members(value, headers)
    if isinstance(members, str):
        return members
    topic, partition, offset = members["source_topic"], members["source_partition"], members["source_offset"]
    if not isinstance(topic, str) or not topic or "\0" in topic:
        return "source_topic is no name of a topic"
    if type(partition) is not int or not 0 <= partition < 2**31:
        return "source_partition is no number of a partition"
    if type(offset) is not int or not 0 <= offset <= LARGEST_OFFSET:
        return "source_offset is no offset"
    error_class, message = members.get("error_type"), members.get("error_message")
    return Place(topic, partition, offset, storable(error_class)[:200] if isinstance(error_class, str) else "Unknown",
                 storable(message) if isinstance(message, str) else "")  # fmt: skip


def _members(value: bytes | None, headers: Mapping[str, bytes | None]) -> dict[str, Any] | str:
    if f"{_HEADER}topic" in headers:
        try:
            named = {name: (headers.get(f"{_HEADER}{name}") or b"").decode() for name in ("topic", "partition", "offset",
                     "exception.class.name", "exception.message")}  # fmt: skip
            return {"source_topic": named["topic"], "source_partition": int(named["partition"]),
                    "source_offset": int(named["offset"]), "error_type": named["exception.class.name"] or None,
                    "error_message": named["exception.message"]}  # fmt: skip
        except ValueError:
            return "its headers __connect.errors.topic, .partition and .offset name no place"
    try:
        parsed = json.loads(value or b"")
    except (ValueError, RecursionError):
        return "its value is no JSON, and it has no headers __connect.errors.…"
    if not isinstance(parsed, dict):
        return "its value is no JSON object"
    missing = [name for name in ("source_topic", "source_partition", "source_offset") if name not in parsed]
    return f"its value has no {', '.join(missing)}" if missing else parsed


class LetterReader:
    """Used by the processor's thread. KafkaException when Kafka does not do its part; nothing was moved then."""

    def __init__(self, settings: Settings, control: Control) -> None:
        self._settings = settings
        self._topic = settings.dlq.topic or ""
        self._pipeline = settings.kafka.group_id
        self._router = Router(settings.routing)
        self._masking = Masking(settings.masking)
        self._sql = {name: control.statement(text) for name, text in (
            ("position", _POSITION), ("begin", _BEGIN), ("move", _MOVE), ("stored", _STORED), ("known", _KNOWN),
            ("adopt", _ADOPT), ("aside", _ASIDE))}  # fmt: skip
        self._clients: tuple[Cluster, Consumer, Consumer] | None = None

    def close(self) -> None:
        """Let the clients go."""
        if self._clients is not None:
            for consumer in self._clients[1:]:
                consumer.close()
            self._clients = None

    def take_up(self, connection: Connection) -> Counter[str]:
        """One page of each partition: ``adopted`` and ``malformed`` letters, and those that were ``known``."""
        cluster, _, _ = self._open()
        counts: Counter[str] = Counter()
        found = cluster.topics([self._topic]).get(self._topic)
        if found is None:
            return counts
        topic_id, size = found
        bounds = cluster.bounds([(self._topic, number) for number in range(size)])
        base = {"pipeline": self._pipeline, "cluster": cluster.cluster_id(), "topic": self._topic, "topic_id": topic_id}
        positions: dict[int, int] = dict(connection.execute(self._sql["position"], list(base.values())).fetchall())
        for number in range(size):
            log = bounds[self._topic, number]
            if number not in positions:
                connection.execute(self._sql["begin"], {**base, "partition": number, "low": log.low})
            at = positions.get(number, log.low)
            if at < log.high:
                counts += self._page(connection, {**base, "partition": number}, at, log.low, log.high)
        return counts

    def _page(self, connection: Connection, where: dict[str, Any], expected: int, low: int, high: int) -> Counter[str]:
        """Take up some records of one partition, and move its position, in one transaction."""
        messages, following = self._read(where["partition"], max(expected, low), high)
        counts: Counter[str] = Counter()
        with connection.transaction():
            for message in messages:
                counts[self._one(connection, where, message)] += 1
            moved = connection.execute(self._sql["move"], {**where, "next": following, "expected": expected}).rowcount
            if moved != 1:
                raise KafkaPositionMoved(f"the position in {self._topic}[{where['partition']}] was moved by somebody else")
            faults.reach(faults.DLQ_ADOPTED)
        return counts

    def _read(self, number: int, start: int, high: int) -> tuple[list[Any], int]:
        _, letters, _ = self._open()
        letters.assign([TopicPartition(self._topic, number, start)])
        messages = [message for message in letters.consume(PAGE, POLL_SECONDS) if message.error() is None]
        if messages:
            return messages, int(messages[-1].offset() or 0) + 1
        # Control records have no message; the position passes them.
        position = letters.position([TopicPartition(self._topic, number)])[0].offset
        return [], position if start < position <= high else start

    def _one(self, connection: Connection, where: dict[str, Any], message: Any) -> str:
        headers = {name: value if value is None else bytes(value) for name, value in message.headers() or ()}
        mark = (headers.get(SEQUENCE_HEADER) or b"").decode(errors="replace").rpartition("/")[0]
        if mark and mark != transactional_id(self._settings):
            return "foreign"  # another pipeline's, which has it in its own control schema
        place = place_of(message.value(), headers)
        verdict = place if isinstance(place, str) else self._adopt(connection, where["cluster"], place)
        if verdict in {"known", "adopted"}:
            return verdict
        values = [self._pipeline, where["cluster"], self._topic, where["topic_id"], message.partition(), message.offset(),
                  message.key(), message.value(), Json(headers_as_json(list(headers.items()))), storable(verdict)]  # fmt: skip
        connection.execute(self._sql["aside"], values)
        return "malformed"

    def _adopt(self, connection: Connection, cluster_id: str, place: Place) -> str:
        cluster, _, _ = self._open()
        topic_id = cluster.topics([place.topic]).get(place.topic, ("", 0))[0]
        values = [self._pipeline, cluster_id, place.topic, topic_id, place.partition]
        row = connection.execute(self._sql["stored"], values).fetchone()
        if row is None or row[0] is None:
            return f"this pipeline has read nothing of {place.topic}[{place.partition}]"
        if connection.execute(self._sql["known"], [*values, place.offset]).fetchone() is not None:
            return "known"
        if place.offset >= row[0]:
            return f"this pipeline has not come to {place.topic}[{place.partition}]@{place.offset} yet"
        event = self._event(place)
        if event is None:
            return f"the log has no record at {place.topic}[{place.partition}]@{place.offset} any more"
        route = self._router.route(place.topic)
        kind, milliseconds = event.timestamp()
        connection.execute(self._sql["adopt"], {
            "pipeline": self._pipeline, "cluster": cluster_id, "topic": place.topic, "topic_id": topic_id,
            "partition": place.partition, "offset": place.offset, "schema": route.schema, "table": route.table,
            "raw_key": self._masking.sealed(event.key(), route), "raw_value": self._masking.sealed(event.value(), route),
            "headers": Json(headers_as_json(list(event.headers() or []))),
            "event_ms": milliseconds if kind else None, "class": place.error_class, "message": place.error_message,
        })  # fmt: skip
        return "adopted"

    def _event(self, place: Place) -> Any:
        """The record at exactly that place, or None."""
        cluster, _, events = self._open()
        log = cluster.bounds([(place.topic, place.partition)])[place.topic, place.partition]
        if not log.low <= place.offset < log.high:
            return None
        events.assign([TopicPartition(place.topic, place.partition, place.offset)])
        found = [message for message in events.consume(1, EVENT_SECONDS) if message.error() is None]
        return found[0] if found and found[0].offset() == place.offset else None

    def _open(self) -> tuple[Cluster, Consumer, Consumer]:
        if self._clients is None:
            name = f"{self._settings.worker_id}-dlq"
            properties = consumer_properties(self._settings, name)  # assigned partitions; it never joins the group
            letters, events = (Consumer(properties, logger=kafka_logger()) for _ in range(2))
            self._clients = Cluster(self._settings, name), letters, events
        return self._clients


class KafkaPositionMoved(KafkaException):
    """Another processor read on; the page is void."""
