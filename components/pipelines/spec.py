"""What the user writes about a pipeline. Topics, users, ACLs, quotas and the DLQ are derived from it."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Literal

from pydantic.alias_generators import to_camel

from components.core.errors import Problem
from components.core.model import (
    DnsLabel,
    SecretReference,
    SpecModel,
    TableName,
    TopicName,
    TopicPattern,
    duplicates,
    setting,
)
from components.core.paths import format_step
from components.core.quantities import Duration, MessageSize, Retention
from components.core.secrets import JAVA_STORES
from components.pipelines.alerts import PipelineAlertsSpec
from components.pipelines.cassandra import CassandraMergeSpec
from components.pipelines.personal import PersonalDataSpec
from components.pipelines.schema_changes import SchemaChangesSpec
from components.tenancy.spec import QuotaSpec

SourceKind = Literal["mysql", "mariadb", "cassandra"]


class SourceTlsSpec(SpecModel):
    """Encryption between Debezium and the source, whose certificate must be good for ``host``. Debezium reads Java's stores
    only: in Vault they lie as base64."""

    truststore: SecretReference | None = setting(
        None,
        help="Reference to a store (PKCS #12) of the CAs that may have signed the source's certificate; those that Java trusts "
        "by itself when left out.",
        becomes="database.ssl.truststore; the agent's ssl-engine-factory.truststore-path",
    )
    keystore: SecretReference | None = setting(
        None,
        help="Reference to a store (PKCS #12) with the certificate and key that Debezium shows, where the source asks for one.",
        becomes="database.ssl.keystore; the agent's ssl-engine-factory.keystore-path",
    )
    password: SecretReference | None = setting(
        None,
        help="Reference to the password of these stores.",
        becomes="database.ssl.truststore.password, database.ssl.keystore.password; references, never the value",
    )

    def problems(self) -> list[Problem]:
        stores = {"truststore": self.truststore, "keystore": self.keystore}
        named = {field: reference for field, reference in stores.items() if reference is not None}
        found = [
            Problem(field, "is not known for a store of Java's", "let its key end in .p12: keytool, openssl pkcs12 -export")
            for field, reference in named.items()
            if not reference.endswith(JAVA_STORES)
        ]
        if named and self.password is None:
            found.append(Problem("password", "is needed to open a store", "write a reference to it"))
        if self.password is not None and not named:
            found.append(Problem("password", "opens no store", "name a truststore or a keystore, or leave it out"))
        return found


class DatabaseSourceSpec(SpecModel):
    """A database whose changes are captured."""

    host: str = setting(help="Host name of the source.", becomes="database.hostname of the connector", min_length=1)
    port: int | None = setting(
        None,
        help="Port of the source; 3306 for MySQL and MariaDB, 9042 for Cassandra when left out.",
        becomes="database.port of the connector",
        ge=1,
        le=65535,
    )
    user: str = setting(
        "debezium", help="The user that Debezium reads with.", becomes="database.user of the connector", min_length=1
    )
    password: SecretReference = setting(
        help="Reference to that user's password.", becomes="a config-provider reference; the value is never rendered"
    )
    tls: SourceTlsSpec | None = setting(
        None,
        help="Encryption of the way to it, `{}` at the least; in plain text when left out.",
        becomes="database.ssl.mode that verifies the host's name; advanced.ssl-engine-factory of the agent",
    )
    rotate: bool = setting(
        False,
        help="Whether `cdc vault rotate` changes the password, which must lie in Vault. MySQL and MariaDB only, which keep two "
        "for one user; docs/runbooks/secret-rotation.md says which rights that takes.",
        becomes="what cdc vault rotate changes",
    )
    tables: tuple[TableName, ...] = setting(
        help="Captured tables as <database>.<table> (Cassandra: <keyspace>.<table>).",
        becomes="one change topic each; table.include.list",
        min_length=1,
    )


class SourceSpec(SpecModel):
    """Exactly one kind of source."""

    mysql: DatabaseSourceSpec | None = setting(
        None, help="A MySQL server.", becomes="a Debezium MySQL connector's topics and user"
    )
    mariadb: DatabaseSourceSpec | None = setting(
        None, help="A MariaDB server.", becomes="a Debezium MariaDB connector's topics and user"
    )
    cassandra: DatabaseSourceSpec | None = setting(
        None, help="A Cassandra cluster.", becomes="a Debezium Cassandra agent's topics and user"
    )

    @property
    def chosen(self) -> tuple[SourceKind, DatabaseSourceSpec] | None:
        """The one source that is set, with its kind; ``None`` while there is not exactly one."""
        kinds: tuple[SourceKind, ...] = ("mysql", "mariadb", "cassandra")
        found = [(kind, spec) for kind in kinds if (spec := getattr(self, kind)) is not None]
        return found[0] if len(found) == 1 else None

    def problems(self) -> list[Problem]:
        if self.chosen is None:
            return [Problem("", "needs exactly one source", "write one of mysql, mariadb or cassandra")]
        kind, source = self.chosen
        if source.rotate and kind == "cassandra":
            said = "a role of Cassandra has one password, and an agent that reads would be refused"
            return [Problem("cassandra.rotate", said, "leave it out, and see docs/adr/0010-passwords-in-threes.md")]
        if source.rotate and not source.password.startswith("vault:"):
            return [Problem(f"{kind}.password", "does not lie in Vault, where rotated ones do", "write vault:<path>#<key>")]
        if source.tls is not None and kind != "cassandra" and _is_address(source.host):
            said = "is an address: the reader of the binary log looks its name up, and compares the certificate with that"
            return [Problem(f"{kind}.host", said, "write the name that is in the certificate")]
        return []


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class PostgresSinkSpec(SpecModel):
    """Where the rows go."""

    host: str | None = setting(
        None,
        help="Host name of PostgreSQL; the environment's own (postgres) when left out.",
        becomes="settings of the sink worker",
        min_length=1,
    )
    port: int | None = setting(
        None, help="Port of PostgreSQL; 5432 when left out.", becomes="settings of the sink worker", ge=1, le=65535
    )
    database: str = setting(help="Target database.", becomes="settings of the sink worker", min_length=1)
    schema_name: str = setting(
        "public", alias="schema", help="Target schema.", becomes="settings of the sink worker", min_length=1
    )
    user: str | None = setting(
        None,
        help="The user that writes rows; when left out, a role of the pipeline's own on the environment's own PostgreSQL, "
        "and cdc_sink elsewhere.",
        becomes="connection.username of the JDBC sink connector",
        min_length=1,
    )
    password: SecretReference | None = setting(
        None,
        help="Reference to that user's password; our own server has Secret <pipeline>-sink-database when left out.",
        becomes="a config-provider reference; the value is never rendered",
    )


class SinkSpec(SpecModel):
    """How a pipeline ends."""

    postgres: PostgresSinkSpec = setting(help="The target PostgreSQL.", becomes="settings of the sink worker")
    deletes: bool = setting(
        True, help="Whether a deleted source row is deleted in PostgreSQL.", becomes="settings of the sink worker"
    )
    group: str | None = setting(
        None, help="Consumer group, when not the one that naming gives.", becomes="consumer group and its ACL", min_length=1
    )
    via: Literal["sink-worker", "jdbc"] = setting(
        "sink-worker",
        help="What writes the rows: the platform's worker, or Debezium's JDBC sink on Kafka Connect.",
        becomes="a sink worker, or a sink connector",
    )
    tasks: int = setting(
        3, help="Tasks of the JDBC sink connector; more than partitions are idle.", becomes="tasks.max", ge=1, le=1000
    )


class TopicOverridesSpec(SpecModel):
    """What a derived topic has that differs from the cluster's topic defaults."""

    name: TopicName | None = setting(
        None, help="The topic's name, when not the one that naming gives.", becomes="name of the topic"
    )
    partitions: int | None = setting(None, help="Number of partitions.", becomes="KafkaTopic.spec.partitions", ge=1, le=100_000)
    replicas: int | None = setting(None, help="Replication factor.", becomes="KafkaTopic.spec.replicas", ge=1, le=32_767)
    min_in_sync_replicas: int | None = setting(
        None, help="Replicas that must have a write before it is acknowledged.", becomes="min.insync.replicas", ge=1, le=32_767
    )
    retention: Retention | None = setting(None, help="How long records are kept.", becomes="retention.ms")
    max_message: MessageSize | None = setting(None, help="Largest record batch.", becomes="max.message.bytes")
    cleanup: Literal["delete", "compact", "compact,delete"] | None = setting(
        None, help="What happens to old records.", becomes="cleanup.policy"
    )


class AccessSpec(SpecModel):
    """Rights on top of the least that a pipeline's user needs; topics end in * for a prefix."""

    reads: tuple[TopicPattern, ...] = setting((), help="Further topics it may read.", becomes="Read and Describe ACLs")
    writes: tuple[TopicPattern, ...] = setting((), help="Further topics it may write.", becomes="Write and Describe ACLs")


class ConnectorSpec(SpecModel):
    """How a relational source is read."""

    snapshot: Literal["initial", "no_data", "when_needed", "always", "recovery"] = setting(
        "initial",
        help="Whether a connector that begins reads the rows that are there (initial), or only their tables (no_data). "
        "Debezium's own words.",
        becomes="snapshot.mode of the connector",
    )
    heartbeat: Duration = setting(
        10_000,
        help="How often it says that it lives; its position moves on also while its tables rest.",
        becomes="heartbeat.interval.ms of the connector",
    )
    config: Mapping[str, str | int | float | bool] = setting(
        dict,
        help="Further configuration in the connector's own keys; keys that the platform sets are refused.",
        becomes="KafkaConnector.spec.config; the connector's file",
    )


class PipelineUserSpec(SpecModel):
    """One of a pipeline's two users."""

    quota: QuotaSpec = setting(QuotaSpec, help="Its quota, when not the tenant's.", becomes="quotas of the user")
    access: AccessSpec = setting(AccessSpec, help="Rights beyond the derived ones.", becomes="further ACLs of the user")


class PipelineSpec(SpecModel):
    """Source tables → change topics → PostgreSQL, owned by one tenant."""

    name: DnsLabel = setting(help="The pipeline's name, unique in the environment.", becomes="part of derived names")
    tenant: DnsLabel = setting(help="The tenant it belongs to.", becomes="prefix of derived names; quotas")
    application: DnsLabel | None = setting(
        None, help="The application in topic names; the pipeline's name when left out.", becomes="part of topic names"
    )
    owner: str | None = setting(
        None, help="Who answers for it, when not the tenant's owner.", becomes="annotation cdc.platform/owner", min_length=1
    )
    source: SourceSpec = setting(
        help="Where changes come from.", becomes="change topics, the connector's own topics, the source user"
    )
    sink: SinkSpec = setting(help="Where rows go.", becomes="the sink user and its group")
    connector: ConnectorSpec = setting(
        ConnectorSpec, help="How a relational source is read.", becomes="settings of the Debezium connector"
    )
    topic: TopicOverridesSpec = setting(
        TopicOverridesSpec, help="Overrides for all its change topics.", becomes="configuration of the change topics"
    )
    tables: Mapping[str, TopicOverridesSpec] = setting(
        dict, help="Overrides for single tables' topics, by table.", becomes="configuration of one change topic"
    )
    cassandra: CassandraMergeSpec = setting(
        CassandraMergeSpec,
        help="How the changes of a Cassandra source become rows.",
        becomes="cassandra of the sink worker",
    )
    personal_data: Mapping[str, PersonalDataSpec] = setting(
        dict,
        help="Tables with personal data, and what becomes of it before it is written.",
        becomes="routing.rules[].masks of the sink worker",
    )
    schema_changes: SchemaChangesSpec = setting(
        SchemaChangesSpec,
        help="What happens when tables of the source change their columns.",
        becomes="evolution of the sink worker; the topic of schema changes",
    )
    dlq: TopicOverridesSpec = setting(
        TopicOverridesSpec, help="Overrides for its dead letter queue.", becomes="configuration of the DLQ topic"
    )
    source_user: PipelineUserSpec = setting(
        PipelineUserSpec, help="Overrides for the user that produces.", becomes="KafkaUser <tenant>-<pipeline>-source"
    )
    sink_user: PipelineUserSpec = setting(
        PipelineUserSpec, help="Overrides for the user that consumes.", becomes="KafkaUser <tenant>-<pipeline>-sink"
    )

    alerts: PipelineAlertsSpec = setting(
        PipelineAlertsSpec, help="From where on it is not well, when not as others are.", becomes="thresholds of its alerts"
    )

    def problems(self) -> list[Problem]:
        found = self.source.problems()
        found = [problem.under("source") for problem in found]
        if self.topic.name is not None:
            found.append(
                Problem("topic.name", "one name cannot serve all tables", "name single topics under tables.<table>.name")
            )
        if self.sink.via == "jdbc" and self.personal_data:
            found.append(Problem("personalData", "the JDBC sink masks nothing", "leave sink.via at sink-worker"))
        if self.sink.via == "jdbc" and self.schema_changes != SchemaChangesSpec():
            found.append(Problem("schemaChanges", "the JDBC sink reviews nothing", "leave sink.via at sink-worker"))
        if self.source.chosen is None:
            return found
        kind, source = self.source.chosen
        for table, places in duplicates(list(source.tables)).items():
            found.append(Problem(f"source.{kind}.tables[{places[1]}]", f"{table} is listed twice", "keep one"))
        named = [
            (f"{to_camel(field)}{format_step(table)}", table)
            for field in ("tables", "personal_data") for table in sorted(getattr(self, field))
        ]  # fmt: skip
        if kind != "cassandra" and self.cassandra != CassandraMergeSpec():
            found.append(Problem("cassandra", f"is about sources of Cassandra, and this one is of {kind}", "leave it out"))
        found += self.cassandra.mask_problems(self.personal_data) if kind == "cassandra" else []
        named += [(f"cassandra.tables{format_step(table)}", table) for table in sorted(self.cassandra.tables)]
        named += [(f"schemaChanges.tables{format_step(table)}", table) for table in sorted(self.schema_changes.tables)]
        named += [(f"schemaChanges.indexes[{place}].table", index.table)
                  for place, index in enumerate(self.schema_changes.indexes)]  # fmt: skip
        for path, table in named:
            if table in source.tables:
                continue
            found.append(
                Problem(
                    path,
                    "is not one of the captured tables",
                    f"use one of {', '.join(source.tables[:5])}",
                )
            )
        return found
