"""One pipeline's settings file, as sink_worker/settings.schema.json describes it, and the secrets that it names. Pure."""

import json
import re
from typing import Any

from components.core.secrets import SecretFile, referenced
from components.environment import EnvironmentSpec
from components.haproxy.spec import HaproxyUserSpec
from components.kafka.clients import CLUSTER_CA, KafkaClient, kafka_client, password_file
from components.kafka.derive import change_topic, dlq_topic, pipeline_user, sink_group, source_tables
from components.pipelines.spec import PipelineSpec
from components.schema_registry import derive as registry
from components.sink.spec import SinkWorkersSpec

SECRETS = "/run/secrets/sink"
SETTINGS = "/etc/cdc/settings.json"
PORT = 8000
POSTGRES_PASSWORD, POSTGRES_CA, REGISTRY_CA = "postgres.password", "postgres-ca.pem", "haproxy-ca.pem"

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
                {"topics": re.escape(topic), "table": table.partition(".")[2]} for topic, table in sorted(topics.items())
            ],
        },
        "postgres": _postgres(sink, pipeline),
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
    if environment.schema_registry is not None:
        document["registry"] = _registry(environment)
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def secrets(environment: EnvironmentSpec, sink: SinkWorkersSpec, pipeline: PipelineSpec) -> tuple[SecretFile, ...]:
    """Every file that the settings name."""
    files = list(_client(environment, pipeline).secrets)
    if pipeline.sink.postgres.password is not None:
        files.append(referenced(pipeline.sink.postgres.password, POSTGRES_PASSWORD, f"{pipeline.name}-sink-database"))
    if sink.postgres_tls != "disable":
        files.append(referenced(sink.postgres_ca, POSTGRES_CA, "postgres-ca"))
    if environment.schema_registry is not None and environment.haproxy is not None:
        if environment.haproxy.tls.enabled:
            files.append(referenced(environment.haproxy.tls.ca, REGISTRY_CA, "haproxy-tls"))
        user = _registry_user(environment)
        if user is not None and user.password is not None:
            files.append(referenced(user.password, _registry_password(user), "haproxy-users"))
    return tuple(sorted(files))


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
        section |= {
            "sasl_mechanism": "SCRAM-SHA-512",
            "username": client.user,
            "password_file": f"{SECRETS}/{password_file(client.user)}",
        }
    return section


def _postgres(sink: SinkWorkersSpec, pipeline: PipelineSpec) -> Section:
    target = pipeline.sink.postgres
    section: Section = {
        "host": target.host,
        "port": str(target.port),
        "database": target.database,
        "user": target.user,
        "password_file": f"{SECRETS}/{POSTGRES_PASSWORD}",
        "sslmode": sink.postgres_tls,
    }
    return section if sink.postgres_tls == "disable" else {**section, "ca_file": f"{SECRETS}/{POSTGRES_CA}"}


def _registry(environment: EnvironmentSpec) -> Section:
    section: Section = {"urls": [registry.registry_url(environment)]}
    if environment.haproxy is not None and environment.haproxy.tls.enabled:
        section["ca_file"] = f"{SECRETS}/{REGISTRY_CA}"
    user = _registry_user(environment)
    if user is not None:
        section |= {"username": user.name, "password_file": f"{SECRETS}/{_registry_password(user)}"}
    return section


def _registry_user(environment: EnvironmentSpec) -> HaproxyUserSpec | None:
    """Whoever is called ``sink`` among those whose password the platform knows, or else the first of them."""
    haproxy = environment.haproxy
    if haproxy is None or haproxy.authentication_of(registry.NAME) != "basic":
        return None
    known = [user for user in haproxy.users_of(registry.NAME) if user.password is not None]
    return next((user for user in known if user.name == "sink"), known[0] if known else None)


def _registry_password(user: HaproxyUserSpec) -> str:
    return f"{user.name}.haproxy-password"
