"""The named steps of the loop, and a hook for crash tests to end or freeze the process at one of them.

``SINK_TEST_CRASH_AT=STEP[:N]`` kills the process (SIGKILL) when it reaches STEP for the N-th time (first: 1);
``SINK_TEST_STOP_AT`` freezes it (SIGSTOP) there. Inert unless set; nothing else reads these variables.
"""

import os
import signal
from typing import Final

CONSUMED: Final = "consumed"  # messages in hand, not decoded
DECODED: Final = "decoded"  # decoded, not handed to the writer
BEGUN: Final = "begun"  # transaction open
FENCED: Final = "fenced"  # offsets moved inside the open transaction
STAGED: Final = "staged"  # rows in the staging table
DELETED: Final = "deleted"  # deletes of a segment done
UPSERTED: Final = "upserted"  # upserts of a segment done
OUTBOXED: Final = "outboxed"  # dead letters in the outbox, same transaction
COMMITTING: Final = "committing"  # everything written, COMMIT not sent
COMMITTED: Final = "committed"  # COMMIT acknowledged, no hint given yet
HINTED: Final = "hinted"  # Redis and Kafka told
DDL: Final = "ddl"  # table created or altered, not committed
CLAIMED: Final = "claimed"  # epochs raised, partition not yet assigned
ASSIGNED: Final = "assigned"  # partition assigned
REVOKED: Final = "revoked"  # drained, partition not yet given up
RELAY_SEQUENCED: Final = "relay-sequenced"  # outbox rows numbered
RELAY_PRODUCED: Final = "relay-produced"  # dead letters produced, Kafka transaction open
RELAY_COMMITTED: Final = "relay-committed"  # Kafka transaction committed, outbox rows still there
RELAY_CLEARED: Final = "relay-cleared"  # outbox rows gone
REPLAY_APPLIED: Final = "replay-applied"  # rejected rows applied, COMMIT not sent
REPLAY_COMMITTED: Final = "replay-committed"
DLQ_ADOPTED: Final = "dlq-adopted"  # a page of dead letters taken up, COMMIT not sent
DLQ_ATTEMPTED: Final = "dlq-attempted"  # a failed try noted
DLQ_ARCHIVED: Final = "dlq-archived"  # an event archived, COMMIT acknowledged
SCHEMA_DDL: Final = "schema-ddl"  # a change applied to a table, committed, its rows not written
SCHEMA_APPROVED: Final = "schema-approved"  # a review approved, what waited for it not released
SCHEMA_PUBLISHED: Final = "schema-published"  # audit records in Kafka, not marked

STEPS: Final = (
    CONSUMED, DECODED, BEGUN, FENCED, STAGED, DELETED, UPSERTED, OUTBOXED, COMMITTING, COMMITTED, HINTED, DDL, CLAIMED,
    ASSIGNED, REVOKED, RELAY_SEQUENCED, RELAY_PRODUCED, RELAY_COMMITTED, RELAY_CLEARED, REPLAY_APPLIED, REPLAY_COMMITTED,
    DLQ_ADOPTED, DLQ_ATTEMPTED, DLQ_ARCHIVED,
    SCHEMA_DDL, SCHEMA_APPROVED, SCHEMA_PUBLISHED,
)  # fmt: skip
VARIABLES: Final = ("SINK_TEST_CRASH_AT", "SINK_TEST_STOP_AT")
_SIGNALS = {"SINK_TEST_CRASH_AT": signal.SIGKILL, "SINK_TEST_STOP_AT": signal.SIGSTOP}


def parse(text: str) -> tuple[str, int]:
    """``step`` or ``step:n`` as (step, n). ValueError for an unknown step or an n below 1."""
    step, _, count = text.partition(":")
    number = int(count or 1)
    if step not in STEPS or number < 1:
        raise ValueError(f"{text!r} names no step of the loop; there are: {', '.join(STEPS)}")
    return step, number


def _armed() -> dict[str, list[tuple[int, signal.Signals]]]:
    found: dict[str, list[tuple[int, signal.Signals]]] = {}
    for variable in VARIABLES:
        if text := os.environ.get(variable):
            step, number = parse(text)
            found.setdefault(step, []).append((number, _SIGNALS[variable]))
    return found


_left = _armed()


def reach(step: str) -> None:
    """Called at each named step; costs a dictionary's truth value when no test asked for anything."""
    if not _left or step not in _left:
        return
    waiting = [(number - 1, number_of_signal) for number, number_of_signal in _left.pop(step)]
    _left[step] = [item for item in waiting if item[0] > 0]
    for number, signal_number in waiting:
        if number == 0:
            os.kill(os.getpid(), signal_number)
