"""Lineage as OpenLineage's run events, version 2-0-2 of its specification. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from components.lineage.graph import Flow, Lineage, Node

PRODUCER = "https://cdc.platform/lineage"
_SPEC = "https://openlineage.io/spec"
_EVENT = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = {
    "dataSource": f"{_SPEC}/facets/1-0-1/DatasourceDatasetFacet.json#/$defs/DatasourceDatasetFacet",
    "jobType": f"{_SPEC}/facets/2-0-3/JobTypeJobFacet.json#/$defs/JobTypeJobFacet",
    "ownership": f"{_SPEC}/facets/1-0-1/OwnershipJobFacet.json#/$defs/OwnershipJobFacet",
    "parent": f"{_SPEC}/facets/1-1-0/ParentRunFacet.json#/$defs/ParentRunFacet",
}
Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Step:
    """What one program does with one table. OpenLineage relates every input of a job to each of its outputs, so that a program
    with many tables is one job for each of them, and they have it for their parent."""

    program: Node
    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]


def events(lineage: Lineage, at: datetime) -> Iterator[Event]:
    """One ``COMPLETE`` for each program and table, in the order of the flows. ``at`` has a time zone.

    A run's id is made of what it does: the same lineage is the same run whenever it is told. What no declared program does is
    no run.
    """
    time = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    for flow in lineage.flows:
        yield from (_event(lineage.environment, flow, step, time) for step in _steps(flow))


def _steps(flow: Flow) -> Iterator[_Step]:
    if flow.reader is not None:
        yield _Step(flow.reader, (flow.table,), (flow.topic,))
    if flow.writer is not None:
        outputs = (node for node in (flow.sink_table, flow.dead_letters) if node is not None)
        yield _Step(flow.writer, (flow.topic,), tuple(outputs))


def _event(environment: str, flow: Flow, step: _Step, time: str) -> Event:
    job = {"namespace": environment, "name": f"{step.program.name}.{flow.table.name}"}
    parent = {"namespace": environment, "name": step.program.name}
    job_type = {"processingType": "STREAMING", "integration": "CDC", "jobType": step.program.kind.upper().replace(" ", "_")}
    facets = {"jobType": _facet("jobType", job_type)}
    if flow.owner:
        facets["ownership"] = _facet("ownership", {"owners": [{"name": flow.owner, "type": "OWNER"}]})
    parent_run = {"run": {"runId": str(_run_id(parent))}, "job": parent}
    return {
        "eventType": "COMPLETE",
        "eventTime": time,
        "producer": PRODUCER,
        "schemaURL": _EVENT,
        "run": {"runId": str(_run_id(job, *step.inputs, *step.outputs)), "facets": {"parent": _facet("parent", parent_run)}},
        "job": {**job, "facets": facets},
        "inputs": [_dataset(node) for node in step.inputs],
        "outputs": [_dataset(node) for node in step.outputs],
    }


def _run_id(job: dict[str, str], *datasets: Node) -> UUID:
    words = [job["namespace"], job["name"], *(f"{node.place}/{node.name}" for node in datasets)]
    return uuid5(uuid5(NAMESPACE_URL, PRODUCER), "\n".join(words))


def _dataset(node: Node) -> Event:
    source = {"name": node.place, "uri": node.place}
    return {"namespace": node.place, "name": node.name, "facets": {"dataSource": _facet("dataSource", source)}}


def _facet(name: str, content: dict[str, Any]) -> Event:
    return {"_producer": PRODUCER, "_schemaURL": _FACETS[name], **content}
