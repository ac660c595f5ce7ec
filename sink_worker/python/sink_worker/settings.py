"""What can be set. Every field is described where it stands; the JSON Schema is generated from here.

Values come from a file (``--config``, JSON or TOML) and from the environment (``SINK_KAFKA__GROUP_ID=…``: two underscores
between levels), which wins. Secrets are never values here: a ``…_file`` names the file that holds one.
"""

import socket
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, PositiveFloat, PositiveInt, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from sink_worker.admin.settings import AdminSettings
from sink_worker.cassandra.settings import CassandraSettings
from sink_worker.dlq_processor.settings import DlqProcessorSettings
from sink_worker.evolution.settings import EvolutionSettings
from sink_worker.masking_settings import MaskingSettings, MaskSettings
from sink_worker.section import Names, Port, Section, as_list

MIB = 1024 * 1024


def read_secret(path: Path | None) -> str | None:
    """The text of a secret's file without its last line break. OSError when it cannot be read."""
    return None if path is None else path.read_text(encoding="utf-8").rstrip("\r\n")


class KafkaSettings(Section):
    """Where the events come from."""

    bootstrap_servers: str
    """``host:port`` of some brokers, separated by commas."""
    group_id: Annotated[str, Field(min_length=1)]
    """The consumer group. It also names this pipeline in the control schema: another group starts from the beginning."""
    topics: Annotated[Names, Field(min_length=1)]
    """Topic names; an entry that begins with ``^`` is a regular expression."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str | None = None
    password_file: Path | None = None
    login_file: Path | None = None
    """In place of ``sasl_mechanism`` and ``password_file``: lines ``scram-mechanism=…`` and ``password=…``. Where a rotation
    changes both, whoever reads one file reads two that belong together."""
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    key_password_file: Path | None = None
    start: Literal["earliest", "latest"] = "earliest"
    """Where a partition begins that PostgreSQL knows nothing of."""
    on_lost_offsets: Literal["halt", "continue"] = "halt"
    """The log no longer has the next event (retention passed it, or the log was cut): stop that partition, or go on."""
    session_timeout_ms: PositiveInt = 45_000
    max_poll_interval_ms: PositiveInt = 300_000
    queue_kib: PositiveInt = 8192
    """Bound of what is fetched ahead, in KiB."""
    fetch_min_bytes: PositiveInt = 1
    commit_interval_seconds: PositiveFloat = 2.0
    """How often PostgreSQL's offsets are told to Kafka, as hints for lag monitors."""
    topic_check_seconds: PositiveFloat = 30.0
    """How often the topics' ids are compared: a topic that was deleted and made again starts from its beginning."""
    properties: dict[str, str] = {}
    """More librdkafka properties, for brokers with special needs. Those that the worker depends on are refused."""

    _split = field_validator("topics", mode="before")(as_list)

    @field_validator("properties")
    @classmethod
    def _leaves_guarantees_alone(cls, value: dict[str, str]) -> dict[str, str]:
        if taken := sorted(RESERVED_PROPERTIES & set(value)):
            raise ValueError(f"{', '.join(taken)}: the worker sets this itself, exactly-once effects depend on it")
        return value


RESERVED_PROPERTIES = frozenset({
    "enable.auto.commit", "enable.auto.offset.store", "auto.offset.reset", "isolation.level", "group.id",
    "partition.assignment.strategy", "bootstrap.servers", "transactional.id", "enable.idempotence", "group.protocol",
    "sasl.password", "ssl.key.password",
})  # fmt: skip


class RegistrySettings(Section):
    """A schema registry with Confluent's API."""

    urls: Names = []
    """Base addresses, tried in turn. None: no registry, and Avro records are refused."""
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    timeout_seconds: PositiveFloat = 5.0
    schema_cache_ttl_seconds: PositiveFloat = 60.0
    """How long an id that the registry does not know stays refused before it is asked for again."""

    _split = field_validator("urls", mode="before")(as_list)


class DecodeSettings(Section):
    """How records are read; see the README for what each MySQL type becomes."""

    format: Literal["auto", "avro", "json"] = "auto"
    geometry: Literal["bytea", "postgis"] = "bytea"
    time: Literal["interval", "time"] = "interval"
    zero_dates: Literal["null", "epoch"] = "null"
    binary: Literal["bytes", "base64", "base64-url-safe", "hex"] = "bytes"
    schemaless_decimal: Literal["text", "base64"] = "text"
    unknown_fields: Literal["reject", "ignore"] = "reject"
    flat_metadata: Literal["keep", "drop"] = "keep"


class RouteRule(Section):
    """Where the topics go that match; the first rule that matches wins."""

    topics: str
    """A regular expression over the whole topic name. Its groups can be used as ``{1}`` or ``{name}``."""
    table: str = "{table}"
    db_schema: Annotated[str | None, Field(alias="schema")] = None
    key: list[str] | None = None
    """The key columns, where the records' own key is not the one to use."""
    append: bool = False
    """A table without key: every insert is appended, updates and deletes are refused."""
    masks: dict[str, MaskSettings] = {}
    """Columns with personal data, by their names in the events, and what becomes of them."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True)


class RoutingSettings(Section):
    """Topic → schema.table. Place-holders: {topic}, {prefix}, {database}, {table} (a Debezium topic's three parts)."""

    db_schema: Annotated[str, Field(alias="schema")] = "public"
    table: str = "{table}"
    rules: list[RouteRule] = []
    shared_tables: bool = False
    """Several topics may write one table (shards). Otherwise the second topic of a table is halted."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True)


class PostgresSettings(Section):
    """Where the rows go. Several hosts (comma separated) are tried for the one that takes writes."""

    host: str
    port: str = "5432"
    database: str
    user: str
    password_file: Path | None = None
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    control_schema: Annotated[str, Field(min_length=1, max_length=63)] = "cdc_sink"
    """Holds offsets, outbox and rejected events. It must be in the database of the tables: one transaction spans them."""
    synchronous_commit: Literal["on", "off", "local", "remote_write", "remote_apply"] = "on"
    """``off`` is safe here (rows and offsets are lost together, and read again); dead letters always wait for the disk."""
    connect_timeout_seconds: PositiveInt = 5
    statement_timeout_seconds: PositiveInt = 300
    ddl_lock_timeout_seconds: PositiveFloat = 3.0
    lock_timeout_seconds: PositiveFloat = 5.0
    """How long a write waits for somebody else's lock on its table. Then that topic waits, and the others go on."""
    zombie_seconds: PositiveInt = 30
    """A session of this pipeline that holds a transaction and sends nothing for so long is ended by who needs its locks."""


class TableSettings(Section):
    """What may be done to the tables."""

    create: bool = True
    evolve: Literal["additive", "none"] = "additive"
    """New nullable columns are added by ALTER TABLE under a lock timeout."""
    on_mismatch: Literal["halt", "reject", "coerce"] = "halt"
    """Columns that do not take the events' values without loss: stop the topic, refuse its rows, or let values be rounded."""
    on_dropped: Literal["halt", "recreate"] = "halt"
    """A table that was there is gone: stop the topic (a new one would miss the earlier rows), or make it anew."""
    mismatch_retry_seconds: PositiveFloat = 30.0
    """How often a halted topic is tried again."""
    truncate: Literal["single-partition", "apply", "reject", "ignore"] = "single-partition"
    """TRUNCATE events have no order with other partitions: by default they apply only where a topic has a single one."""
    deletes: Literal["apply", "ignore"] = "apply"
    fillfactor: Annotated[int, Field(ge=10, le=100)] = 90
    """Of tables that are created; room for HOT updates."""


class BatchSettings(Section):
    """A batch ends at the first of these limits; the row limit adapts between its bounds to the time a write takes."""

    min_rows: PositiveInt = 500
    max_rows: PositiveInt = 50_000
    max_bytes: PositiveInt = 32 * MIB
    """Of the whole worker: each of its processes has its share, of this as of ``max_rows`` and ``kafka.queue_kib``."""
    linger_ms: PositiveInt = 50
    """How long to wait for more events while the writer is idle."""
    target_ms: PositiveInt = 1000
    """Writes slower than this make batches smaller."""


class RetrySettings(Section):
    """Environment failures: exponential backoff with jitter."""

    attempts: PositiveInt = 10
    """After so many the breaker opens; the batch is kept and tried again for as long as it takes."""
    first_seconds: PositiveFloat = 1.0
    longest_seconds: PositiveFloat = 60.0


class BreakerSettings(Section):
    """The circuit breaker before PostgreSQL."""

    mode: Literal["rate", "consecutive"] = "rate"
    window: PositiveInt = 10
    failure_percent: Annotated[int, Field(ge=1, le=100)] = 50
    consecutive: PositiveInt = 5
    open_seconds: PositiveFloat = 30.0


class DlqSettings(Section):
    """Dead letters."""

    topic: str | None = None
    """None: refused events are only kept in the control schema."""
    max_bytes: PositiveInt = 900_000
    """A larger dead letter leaves its event out and names where it is kept."""
    poll_seconds: PositiveFloat = 1.0


class RedisSettings(Section):
    """Hints for people and other programs. Nothing here is needed: without Redis the worker does the same."""

    url: str | None = None
    """``redis://host:port/db`` or ``rediss://…``, without credentials."""
    sentinels: Names = []
    """``host:port`` of Sentinels, instead of ``url``."""
    master_name: str = "mymaster"
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    timeout_seconds: PositiveFloat = 1.0

    _split = field_validator("sentinels", mode="before")(as_list)


class HttpSettings(Section):
    """Liveness, readiness and metrics."""

    host: str = "127.0.0.1"
    port: Port = 8000
    """0 takes any free port and logs it."""
    stalled_seconds: PositiveFloat = 120.0
    """The loop not turning for so long means not alive."""


class TracingSettings(Section):
    """OpenTelemetry spans; needs the extra ``tracing``."""

    enabled: bool = False
    endpoint: str | None = None
    """OTLP over HTTP, for example ``http://collector:4318/v1/traces``."""
    links_per_batch: Annotated[int, Field(ge=0)] = 32
    """So many traced events of a batch are linked to its spans."""


class LogSettings(Section):
    """Structured logs on the standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class Settings(BaseSettings):
    """The sink worker's settings."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="SINK_", env_nested_delimiter="__", use_attribute_docstrings=True,
    )  # fmt: skip

    worker_id: Annotated[str, Field(default_factory=socket.gethostname)]
    """Names this worker in logs, metrics and the control schema. The host's name when unset."""
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    """Each is a consumer of its own with its own connections."""
    writers: Annotated[int, Field(ge=1, le=8)] = 1
    """Connections that write in each process; partitions are shared out among them."""
    shutdown_seconds: PositiveFloat = 25.0
    """SIGTERM: how long a batch in flight may take before it is given up."""
    drain_seconds: PositiveFloat = 20.0
    """The same for a partition that moves to another worker."""
    kafka: KafkaSettings
    registry: RegistrySettings = RegistrySettings()
    decode: DecodeSettings = DecodeSettings()
    routing: RoutingSettings = RoutingSettings()
    postgres: PostgresSettings
    tables: TableSettings = TableSettings()
    evolution: EvolutionSettings = EvolutionSettings()
    batch: BatchSettings = BatchSettings()
    retry: RetrySettings = RetrySettings()
    breaker: BreakerSettings = BreakerSettings()
    dlq: DlqSettings = DlqSettings()
    dlq_processor: DlqProcessorSettings = DlqProcessorSettings()
    cassandra: CassandraSettings = CassandraSettings()
    redis: RedisSettings = RedisSettings()
    http: HttpSettings = HttpSettings()
    admin: AdminSettings = AdminSettings()
    tracing: TracingSettings = TracingSettings()
    masking: MaskingSettings = MaskingSettings()
    log: LogSettings = LogSettings()

    def of_one_process(self) -> "Settings":
        """The same with one process's share of what bounds the worker's memory."""
        batch = {
            "max_bytes": self.batch.max_bytes // self.processes,
            "max_rows": max(self.batch.min_rows, self.batch.max_rows // self.processes),
        }
        kafka = {"queue_kib": max(1, self.kafka.queue_kib // self.processes)}
        return self.model_copy(
            update={"batch": self.batch.model_copy(update=batch), "kafka": self.kafka.model_copy(update=kafka)}
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, whose content is passed as arguments."""
        return env_settings, init_settings
