"""What is recorded of ownership, and who may change the system now: a compacted topic in the cluster that it is about.

Whoever applies keeps a transaction open under the environment's own transactional id for as long as it works. The broker knows
that it is open, ends it when its owner is silent, and refuses the commit of whoever was fenced in the meantime: so two never
write the ledger, and nobody has to trust a clock (ADR 12).
"""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from components.core.errors import CdcError
from operations.live import requests
from operations.live.changes import Object
from operations.live.kafka import ANSWER_SECONDS, Cluster, Settings, UnreachableError
from operations.live.kafka_admin import QUIET, KafkaAdmin
from operations.live.ownership import Mark, Ownership
from operations.live.rights import needed
from operations.live.wire import UnsupportedError

LEASE_SECONDS = 20
"""How long a silent owner keeps others away; the broker looks every 10 s (``transaction.abort.timed.out…interval.ms``)."""

_RENEW_SECONDS = 5
_LOOKS, _BETWEEN_LOOKS_SECONDS = 3, 0.1
_UNKNOWN_SECONDS = 10
"""How long a transaction may be open that nobody has said to hold."""

_REPLICAS = 3
_HOLDER = "lease"
_CONFIG = {"cleanup.policy": "compact", "retention.ms": "-1"}


class BusyError(CdcError):
    """Somebody else applies this environment now."""

    exit_code = 2


class FencedError(BusyError):
    """Somebody else has begun to apply this environment since."""


def topic_name(environment: str) -> str:
    """Where an environment's ownership is recorded. Its beginning keeps mirrors, backups and people away."""
    return f"__cdc_ownership_{environment}"


def lease_name(environment: str) -> str:
    """The transactional id of whoever applies it."""
    return f"cdc-apply-{environment}"


def read_ledger(name: str, settings: Settings, environment: str) -> tuple[Ownership, Mapping[str, Any] | None]:
    """What is recorded, and who applied last, if that did not end. Nothing is where nobody has applied yet."""
    topic = topic_name(environment)
    with Cluster(name, settings) as cluster:
        if topic not in cluster.partitions():
            return Ownership(), None
        found = cluster.newest(topic, 1)
    holder = found.pop(_HOLDER, None)
    marks: dict[Object, Mark] = {}
    for key, value in found.items():
        thing = Object.of(key)
        if thing is not None and value is not None:
            marks[thing] = "managed" if value.get("mark") == "managed" else "adopted"
    return Ownership(marks), holder


@dataclass
class Ledger:
    """The open ledger of one environment, which nobody else may write meanwhile."""

    environment: str
    producer: Producer
    holder: Mapping[str, Any]

    def __post_init__(self) -> None:
        self._lock, self._ended, self._lost = threading.Lock(), threading.Event(), ""
        self._renewing = threading.Thread(target=self._renew, daemon=True)

    def check(self) -> None:
        """Raises :class:`FencedError` where the lease is lost: nothing more may be changed."""
        if self._lost:
            raise FencedError(f"{self._lost}\n      → run it again once the other one has ended")

    def write(self, marks: Mapping[Object, Mark | None]) -> None:
        """Record ownership; ``None`` lets go of an object."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        values = {
            str(thing): None if mark is None else json.dumps({"mark": mark, "at": at, "by": self.holder.get("user", "")})
            for thing, mark in marks.items()
        }
        self.check()
        with self._lock:
            self._turn(values)
        self.check()

    def begin(self) -> None:
        """Fence whoever was before, and say who works now."""
        try:
            self.producer.init_transactions(ANSWER_SECONDS)
        except KafkaException as error:
            raise _refused(error.args[0], self.environment) from None
        self._begin_turn()
        self._turn({_HOLDER: json.dumps(dict(self.holder))})
        self.check()
        self._renewing.start()

    def end(self) -> None:
        """Let go."""
        self._ended.set()
        self._renewing.join()
        if not self._lost:
            with suppress(KafkaException, BufferError), self._lock:
                self._produce({_HOLDER: None})
                self.producer.commit_transaction(ANSWER_SECONDS)

    def _renew(self) -> None:
        while not self._ended.wait(_RENEW_SECONDS):
            with self._lock:
                self._turn({})

    def _turn(self, values: Mapping[str, str | None]) -> None:
        """Commit ``values`` and open the next transaction at once."""
        if self._lost:
            return
        try:
            self._produce(values)
            self.producer.commit_transaction(ANSWER_SECONDS)
            self._begin_turn()
        except KafkaException as error:
            self._lost = f"another run has taken over applying {self.environment} ({error.args[0].str()})"

    def _begin_turn(self) -> None:
        """A transaction counts as open once something was written in it."""
        self.producer.begin_transaction()
        self._produce({_HOLDER: json.dumps(dict(self.holder))})

    def _produce(self, values: Mapping[str, str | None]) -> None:
        for key, value in values.items():
            self.producer.produce(topic_name(self.environment), value, key)
            self.producer.poll(0)
        if self.producer.flush(ANSWER_SECONDS):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the ledger's topic takes nothing"))


@contextmanager
def leased(admin: KafkaAdmin, settings: Settings, environment: str, who: Mapping[str, str]) -> Iterator[Ledger]:
    """The ledger, for writing. Raises :class:`BusyError` where somebody else has it."""
    _make_topic(admin, environment)
    holder = {**who, **_process(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
    _wait_for_nobody(admin.name, settings, environment)
    ledger = Ledger(environment, Producer(_producer_settings(settings, environment), logger=QUIET), holder)
    ledger.begin()
    try:
        yield ledger
    finally:
        ledger.end()


def _producer_settings(settings: Settings, environment: str) -> dict[str, Any]:
    own = {"transactional.id": lease_name(environment), "transaction.timeout.ms": LEASE_SECONDS * 1000, "linger.ms": 0}
    return {**settings, **own, "enable.idempotence": True}


def _make_topic(admin: KafkaAdmin, environment: str) -> None:
    cluster = admin.cluster()
    if topic_name(environment) not in cluster.topics:
        admin.create_topic(topic_name(environment), 1, min(_REPLICAS, len(cluster.brokers)), _CONFIG)


def _wait_for_nobody(name: str, settings: Settings, environment: str) -> None:
    """A holder that is known to be dead is not waited for. One that has just let go, or is about to say who it is, is looked at
    again."""
    deadline = time.monotonic() + _UNKNOWN_SECONDS
    while _is_held(settings, environment):
        holder = read_ledger(name, settings, environment)[1]
        if holder is not None and _is_dead(holder):
            return
        if holder is not None or time.monotonic() > deadline:
            raise _busy(environment, holder or {})
        time.sleep(_BETWEEN_LOOKS_SECONDS)


def _busy(environment: str, holder: Mapping[str, Any]) -> BusyError:
    who = f"{holder.get('user', 'somebody')} on {holder.get('host', 'another machine')}"
    return BusyError(
        f"{environment}: is being applied by {who}, process {holder.get('pid', '?')}, since {holder.get('since', '?')}; "
        f"nothing was changed\n      → wait until it has ended; one that was killed is forgotten within {LEASE_SECONDS + 10} s"
    )


def _is_held(settings: Settings, environment: str) -> bool:
    """One that commits just now has no open transaction for a moment, so that one look is not enough."""
    try:
        with requests.connect(settings) as connection:
            for look in range(_LOOKS):
                if look:
                    time.sleep(_BETWEEN_LOOKS_SECONDS)
                if requests.open_transaction(connection, settings, lease_name(environment)):
                    return True
    except UnsupportedError:  # who comes later then fences who came first, which stops at its next step
        return False
    except requests.AnswerError as error:
        if not error.forbidden:
            raise
        raise UnreachableError(needed(settings, "Describe and Write", f"transactional id {lease_name(environment)}")) from None
    return False


def _process() -> dict[str, Any]:
    """Which process this is, on which machine, since that last started."""
    return {"machine": _machine(), "host": socket.gethostname(), "pid": os.getpid(), "started": _started(os.getpid())}


def _is_dead(holder: Mapping[str, Any]) -> bool:
    """Whether the holder was a process of this machine, and is none any more. Nothing is known of other machines'."""
    if holder.get("machine") != _machine() or not holder.get("machine"):
        return False
    return _started(int(holder["pid"])) != holder.get("started")


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """When a process began, in ticks since the machine did; ``None`` of one that is not, or is only waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else fields[19]


def _refused(error: KafkaError, environment: str) -> UnreachableError:
    if error.code() in {KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED}:
        return UnreachableError(needed({}, "Describe and Write", f"transactional id {lease_name(environment)}"))
    return UnreachableError(f"{environment}: the lease is not to be had: {error.str()}\n      → look at its brokers")
