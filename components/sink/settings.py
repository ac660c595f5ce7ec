"""One pipeline's settings file, as sink_worker/settings.schema.json describes it, and the secrets that it names. Pure."""

import json
import re
from typing import Any

from components.core.secrets import SecretFile, referenced
from components.environment import EnvironmentSpec
from components.kafka.clients import CLUSTER_CA, KafkaClient, kafka_client, password_file
from components.kafka.derive import change_topic, dlq_topic, pipeline_user, sink_group, source_tables
from components.kafka.logins import FIRST
from components.pipelines.spec import PipelineSpec
from components.schema_registry.access import RegistryAccess, registry_access
from components.sink.cassandra import cassandra_secrets, cassandra_section
from components.sink.schema_changes import evolution_section
from components.sink.spec import SinkWorkersSpec
from components.sink.stores import postgres_secrets, postgres_section, redis_secrets, redis_section
from components.tracing.senders import certificate, endpoint

SECRETS = "/run/secrets/sink"
MASKING_KEY = "masking.key"
SETTINGS = "/etc/cdc/settings.json"
PORT = 8000
CLIENT = "sink"
"""What it is called among the users that HAProxy knows."""

Section = dict[str, Any]


def settings(environment: EnvironmentSpec, sink: SinkWorkersSpec, pipeline: PipelineSpec, host: str) -> str:
    """The file's text; probes and metrics are answered at ``host``. Every topic has a route of its own: its table's name, in
    the pipeline's schema."""
    topics = {change_topic(pipeline, environment.naming, table): table for table in source_tables(pipeline)}
    own = sink.settings
    document: Section = {
        "processes": sink.processes,
        "writers": sink.writers,
        "kafka": _kafka(environment, pipeline, sorted(topics)),
        "routing": {
            "schema": pipeline.sink.postgres.schema_name,
            "rules": [
                {"topics": re.escape(topic), "table": table.partition(".")[2], **_masks(pipeline, table)}
                for topic, table in sorted(topics.items())
            ],
        },
        "postgres": postgres_section(environment, sink, pipeline, SECRETS),
        "tables": {
            "create": own.create_tables,
            "evolve": "additive" if own.evolve_tables else "none",
            "on_mismatch": own.on_mismatch,
            "deletes": "apply" if pipeline.sink.deletes else "ignore",
        },
        "decode": {"geometry": own.geometry},
        "batch": {"max_rows": own.batch_rows, "max_bytes": own.batch_bytes},
        "dlq": {"topic": dlq_topic(pipeline, environment.naming)},
        "http": {"host": host, "port": PORT},
    }
    if evolution := evolution_section(pipeline, environment.naming):
        document["evolution"] = evolution
    cells = cassandra_section(environment, pipeline, SECRETS)
    if cells is not None:
        document["cassandra"] = cells
    if masks(pipeline):
        document["masking"] = {"key_file": f"{SECRETS}/{MASKING_KEY}"}
    access = registry_access(environment, CLIENT)
    if access is not None:
        document["registry"] = _registry(access)
    hints = redis_section(environment, pipeline, SECRETS)
    if hints is not None:
        document["redis"] = hints
    if environment.tracing is not None:
        document["tracing"] = {"enabled": True, "endpoint": f"{endpoint(environment)}/v1/traces"}
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def secrets(environment: EnvironmentSpec, sink: SinkWorkersSpec, pipeline: PipelineSpec) -> tuple[SecretFile, ...]:
    """Every file that the settings name."""
    files = list(_client(environment, pipeline).secrets)
    files += [
        *postgres_secrets(environment, sink, pipeline),
        *redis_secrets(environment, pipeline),
        *cassandra_secrets(pipeline),
    ]
    if masks(pipeline):
        files.append(referenced(sink.masking_key, MASKING_KEY, "masking"))
    access = registry_access(environment, CLIENT)
    if access is not None:
        files += access.secrets
    return tuple(sorted({*files, *certificate(environment)}))


def masks(pipeline: PipelineSpec) -> dict[str, dict[str, Section]]:
    """Columns that are masked, by table; tables without any are left out."""
    found = {
        table: {
            name: mask.model_dump(exclude_defaults=True)
            for name, mask in sorted(personal.columns.items())
            if mask.rule != "clear"
        }
        for table, personal in pipeline.personal_data.items()
    }
    return {table: columns for table, columns in found.items() if columns}


def _masks(pipeline: PipelineSpec, table: str) -> Section:
    columns = masks(pipeline).get(table)
    return {} if columns is None else {"masks": columns}


def _client(environment: EnvironmentSpec, pipeline: PipelineSpec) -> KafkaClient:
    return kafka_client(environment.kafka, environment.context, pipeline_user(pipeline, "sink"))


def _kafka(environment: EnvironmentSpec, pipeline: PipelineSpec, topics: list[str]) -> Section:
    client = _client(environment, pipeline)
    section: Section = {
        "bootstrap_servers": client.bootstrap,
        "group_id": sink_group(pipeline, environment.naming),
        "topics": topics,
        "security_protocol": client.protocol,
    }
    if client.tls:
        section["ca_file"] = f"{SECRETS}/{CLUSTER_CA}"
    if client.with_password:
        section["username"] = client.user
        if client.login is not None:
            section["login_file"] = f"{SECRETS}/{client.login}"
        else:
            section |= {"sasl_mechanism": FIRST, "password_file": f"{SECRETS}/{password_file(client.user)}"}
    return section


def _registry(access: RegistryAccess) -> Section:
    section: Section = {"urls": [access.url]}
    if access.ca is not None:
        section["ca_file"] = f"{SECRETS}/{access.ca.name}"
    if access.user is not None and access.password is not None:
        section |= {"username": access.user, "password_file": f"{SECRETS}/{access.password.name}"}
    return section
