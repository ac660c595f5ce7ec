"""What Prometheus is told of brokers and of Kafka Connect: rules of the JMX exporter. MirrorMaker's are its own. Pure.

Names are those of Strimzi's examples, so that dashboards made for those work.
"""

from components.core.jmx import Rule, exporter_rules

_TOPICS = "kafka_server_brokertopicmetrics"
_REPLICAS = "kafka_server_replicamanager"
_CONTROLLER = "kafka_controller_kafkacontroller"
_REQUESTS = "kafka_network_requestmetrics"
_CONNECT = "kafka_connect"

UNDER_MIN_ISR = f"{_REPLICAS}_underminisrpartitioncount"
UNDER_REPLICATED = f"{_REPLICAS}_underreplicatedpartitions"
ACTIVE_CONTROLLERS = f"{_CONTROLLER}_activecontrollercount"
OFFLINE_PARTITIONS = f"{_CONTROLLER}_offlinepartitionscount"
BYTES_IN, BYTES_OUT = f"{_TOPICS}_bytesin_total", f"{_TOPICS}_bytesout_total"
REQUEST_SECONDS = f"{_REQUESTS}_totaltime_seconds"
HANDLERS_IDLE = "kafka_server_requesthandler_idle_ratio"

CONNECTOR_STATUS = f"{_CONNECT}_connector_status"
TASKS_FAILED = f"{_CONNECT}_worker_connector_failed_task_count"
TASKS_RUNNING = f"{_CONNECT}_worker_connector_running_task_count"
SOURCE_LAG = "debezium_streaming_behind_source_seconds"
SOURCE_CONNECTED = "debezium_streaming_connected"


def kafka_rules() -> str:
    """For brokers and controllers."""
    server, controller = r"kafka\.server<type=", r"kafka\.controller<type=KafkaController, name="
    requests = r"kafka\.network<type=RequestMetrics, name=TotalTimeMs, request=(Produce|FetchConsumer)><>99thPercentile"
    handlers = f"{server}KafkaRequestHandlerPool, name=RequestHandlerAvgIdlePercent><>OneMinuteRate"
    replicas, traffic = f"{server}ReplicaManager, name=", f"{server}BrokerTopicMetrics, name="
    return exporter_rules(
        [
            Rule(f"{replicas}UnderReplicatedPartitions><>Value", UNDER_REPLICATED, "Led here, short of replicas."),
            Rule(f"{replicas}UnderMinIsrPartitionCount><>Value", UNDER_MIN_ISR, "Led here, refusing writes."),
            Rule(f"{controller}ActiveControllerCount><>Value", ACTIVE_CONTROLLERS, "1 where it leads."),
            Rule(f"{controller}OfflinePartitionsCount><>Value", OFFLINE_PARTITIONS, "Without a leader."),
            Rule(f"{traffic}BytesInPerSec><>Count", BYTES_IN, "Bytes produced.", kind="COUNTER"),
            Rule(f"{traffic}BytesOutPerSec><>Count", BYTES_OUT, "Bytes that clients fetched.", kind="COUNTER"),
            Rule(requests, REQUEST_SECONDS, "99th percentile of requests' time.", {"request": "$1"}, factor=0.001),
            Rule(handlers, HANDLERS_IDLE, "Share of time that request handlers rest."),
        ]
    )


def connect_rules() -> str:
    """For Connect's workers: connectors, their tasks, and how far Debezium is behind its source."""
    of_connector, of_server = {"connector": "$1"}, {"server": "$1"}
    connector = r"kafka\.connect<type=connector-metrics, connector=([^,]+)><>"
    worker = r"kafka\.connect<type=connect-worker-metrics, connector=([^,]+)><>connector-"
    debezium = r"debezium\.(?:mysql|mariadb)<type=connector-metrics, context=streaming, server=([^,>]+)><>"
    status = {**of_connector, "status": "$2"}
    return exporter_rules(
        [
            Rule(f"{connector}status: (.+)", CONNECTOR_STATUS, "1 for the status that it has.", status, value="1"),
            Rule(f"{worker}failed-task-count", TASKS_FAILED, "Tasks that have failed.", of_connector),
            Rule(f"{worker}running-task-count", TASKS_RUNNING, "Tasks that run.", of_connector),
            Rule(f"{debezium}MilliSecondsBehindSource", SOURCE_LAG, "Age of changes when read.", of_server, factor=0.001),
            Rule(f"{debezium}Connected", SOURCE_CONNECTED, "1 while it is connected to its source.", of_server),
        ]
    )
