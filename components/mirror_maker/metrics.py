"""What Prometheus is told of the mirror: rules of the JMX exporter, and the names that they give. Pure.

MirrorMaker has one bean for each mirrored partition, and one for each partition of each followed group (KIP-382). Times become
seconds. What no rule names is not exported: a Connect worker has thousands of beans.
"""

from typing import Any

from components.core import yaml_text

RECORD_AGE = "cdc_mirror_record_age_seconds"
"""How old records were when they arrived, the oldest since MirrorMaker last had to say: the RPO as it is being kept."""

LATENCY = "cdc_mirror_replication_latency_seconds"
CHECKPOINT_LATENCY = "cdc_mirror_checkpoint_latency_seconds"
RECORDS, BYTES = "cdc_mirror_records_total", "cdc_mirror_bytes_total"
TASKS_FAILED = "cdc_mirror_tasks_failed"

_TAGS = {"source": "$1", "target": "$2"}
_PARTITION = (
    r"kafka\.connect\.mirror<type=MirrorSourceConnector, source=([^,]+), target=([^,]+), topic=([^,]+), partition=(\d+)><>"
)
_GROUP = (
    r"kafka\.connect\.mirror<type=MirrorCheckpointConnector, source=([^,]+), target=([^,]+), group=([^,]+), topic=([^,]+), "
    r"partition=(\d+)><>"
)
_WORKER = r"kafka\.connect<type=connect-worker-metrics, connector=([^,]+)><>"


def exporter_rules() -> str:
    """The JMX exporter's configuration file."""
    by_partition = {**_TAGS, "topic": "$3", "partition": "$4"}
    by_group = {**_TAGS, "group": "$3", "topic": "$4", "partition": "$5"}
    rules = [
        _rule(_PARTITION + "record-age-ms-max", RECORD_AGE, by_partition, "Age of the oldest record mirrored of late.", 0.001),
        _rule(_PARTITION + "replication-latency-ms-max", LATENCY, by_partition, "Longest way of a record of late.", 0.001),
        _rule(_PARTITION + "record-count", RECORDS, by_partition, "Records mirrored.", kind="COUNTER"),
        _rule(_PARTITION + "byte-count", BYTES, by_partition, "Bytes mirrored.", kind="COUNTER"),
        _rule(_GROUP + "checkpoint-latency-ms-max", CHECKPOINT_LATENCY, by_group, "Age of a translated position.", 0.001),
        _rule(_WORKER + "connector-failed-task-count", TASKS_FAILED, {"connector": "$1"}, "Tasks that have failed."),
    ]
    return yaml_text.dump({"rules": rules})


def _rule(
    pattern: str, name: str, labels: dict[str, str], text: str, factor: float | None = None, kind: str = "GAUGE"
) -> dict[str, Any]:
    """A factor other than 1 is said; whoever makes 0.001 of a number of milliseconds has seconds."""
    rule: dict[str, Any] = {"pattern": pattern, "name": name, "type": kind, "labels": labels, "help": text}
    return rule if factor is None else {**rule, "valueFactor": factor}
