"""What Prometheus is told of the mirror: rules of the JMX exporter, and the names that they give. Pure.

MirrorMaker has one bean for each mirrored partition, and one for each partition of each followed group (KIP-382). Times become
seconds. What no rule names is not exported: a Connect worker has thousands of beans.
"""

from components.core import jmx
from components.core.jmx import Rule

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
    return jmx.exporter_rules(
        [
            Rule(
                _PARTITION + "record-age-ms-max",
                RECORD_AGE,
                "Age of the oldest record mirrored of late.",
                by_partition,
                factor=0.001,
            ),
            Rule(
                _PARTITION + "replication-latency-ms-max",
                LATENCY,
                "Longest way of a record of late.",
                by_partition,
                factor=0.001,
            ),
            Rule(_PARTITION + "record-count", RECORDS, "Records mirrored.", by_partition, "COUNTER"),
            Rule(_PARTITION + "byte-count", BYTES, "Bytes mirrored.", by_partition, "COUNTER"),
            Rule(
                _GROUP + "checkpoint-latency-ms-max",
                CHECKPOINT_LATENCY,
                "Age of a translated position.",
                by_group,
                factor=0.001,
            ),
            Rule(_WORKER + "connector-failed-task-count", TASKS_FAILED, "Tasks that have failed.", {"connector": "$1"}),
        ]
    )
