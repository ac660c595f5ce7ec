"""Events whose columns their table does not take, as the settings have it: kept, discarded, or dropped."""

from collections.abc import Mapping
from dataclasses import replace

from sink_worker.dlq import Rejection, rejection_of_row
from sink_worker.errors import TableError
from sink_worker.evolution.fitting import Evolution, Verdict
from sink_worker.work import Part


def refused_by_schema(part: Part, verdicts: Mapping[str, Verdict], evolution: Evolution) -> list[Rejection]:
    """The dead letters of a part's events of refused columns: each event by itself, since the writes are merged by rows and a
    release merges the events again, in any order. What the settings drop is counted."""
    refused = {columns: verdict for columns, verdict in verdicts.items() if verdict.refusal is not None}
    found: list[Rejection] = []
    dropped: list[TableError] = []
    for message in part.messages if refused else []:
        for writes in part.decode([message]).cells:
            verdict = refused.get(writes.fingerprint)
            if verdict is None or verdict.refusal is None:
                continue
            if verdict.skip:
                dropped.append(verdict.refusal)
                continue
            rejection = rejection_of_row(part.topic, message, None, verdict.refusal, superseded=False, attempts=1)
            found.append(replace(rejection, discarded=verdict.discard))
    if dropped:
        evolution.skipped(part.route, len(dropped), dropped[-1])
    return found
