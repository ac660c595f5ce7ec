"""How Connect and its connectors reach Kafka and the schema registry, and the secret files that this takes. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from components.connect.derive import has_sink_connector, has_source_connector
from components.connect.names import COMPONENT, Colour, database_secret, worker_user
from components.connect.source_tls import store_files, tls_files
from components.core.secrets import SecretFile, referenced
from components.kafka.clients import CLUSTER_CA, KafkaClient, kafka_client
from components.kafka.derive import pipeline_user
from components.postgres.derive import CA_FILE as POSTGRES_CA
from components.postgres.derive import authority, destination
from components.schema_registry.access import CAS, RegistryAccess, registry_access
from components.tracing.names import CA as TRACING_CA
from components.tracing.senders import certificate

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec
    from components.pipelines.spec import DatabaseSourceSpec, PipelineSpec

FOLDER = "/run/secrets/connect"
"""Where a worker finds its secrets on docker. Configurations are made with it, and :func:`located` for the target."""

MOUNTS = "/mnt"
"""Strimzi mounts what its users want mounted below this only."""

_REFERENCE = re.compile(rf"\$\{{directory:{FOLDER}:([^}}]+)\}}")
_PATH = re.compile(rf"(?<!:){FOLDER}/([A-Za-z0-9._-]+)")
SECRETS_PROVIDER = {
    "config.providers": "secrets",
    "config.providers.secrets.class": "io.strimzi.kafka.KubernetesSecretConfigProvider",
}
"""On Kubernetes secrets are read from the API server: a pipeline more restarts no worker, and a new password is seen."""


def located(environment: "EnvironmentSpec", known: Mapping[str, SecretFile], settings: Mapping[str, str]) -> dict[str, str]:
    """``settings`` with their secrets where the target has them; ``known`` are all of them, by name.

    On Kubernetes a file is a key of a Secret, and only what must be a file, which is certificates, is mounted. What nobody
    knows, which the environment's check refuses, stays as it is.
    """
    if environment.target == "docker":
        return dict(settings)
    namespace = environment.kubernetes.namespace

    def reference(match: re.Match[str]) -> str:
        file = known.get(match[1])
        return match[0] if file is None else f"${{secrets:{namespace}/{file.secret}:{file.key}}}"

    def path(match: re.Match[str]) -> str:
        file = known.get(match[1])
        return match[0] if file is None else f"{MOUNTS}/{file.secret}/{match[1]}"

    return {key: _PATH.sub(path, _REFERENCE.sub(reference, value)) for key, value in settings.items()}


def certificates(environment: "EnvironmentSpec", colour: Colour) -> tuple[SecretFile, ...]:
    """The secrets that programs read as files."""
    stores = {file.name for pipeline, source in _sources(environment) for file in store_files(pipeline, source)}
    names = {CLUSTER_CA, TRACING_CA, POSTGRES_CA, *CAS, *stores}
    return tuple(file for file in secrets(environment, colour) if file.name in names)


def _sources(environment: "EnvironmentSpec") -> Iterator[tuple["PipelineSpec", "DatabaseSourceSpec"]]:
    """The pipelines whose sources Connect reads."""
    for pipeline in environment.pipelines:
        chosen = pipeline.source.chosen
        if has_source_connector(pipeline) and chosen is not None:
            yield pipeline, chosen[1]


def worker_client(environment: "EnvironmentSpec", colour: Colour) -> KafkaClient:
    """How the workers of a colour reach Kafka as themselves."""
    return kafka_client(environment.kafka, environment.context, worker_user(colour))


def registry(environment: "EnvironmentSpec") -> RegistryAccess | None:
    """How the converters reach the schema registry; ``None`` where none do."""
    connect = environment.connect
    if connect is None or connect.converter == "json":
        return None
    return registry_access(environment, COMPONENT, native=connect.converter == "apicurio")


def secrets(environment: "EnvironmentSpec", colour: Colour) -> tuple[SecretFile, ...]:
    """Every file in the folder of a colour's workers: their own, and those of all connectors, which may run on any of them."""
    files = {*worker_client(environment, colour).secrets, *certificate(environment)}
    access = registry(environment)
    if access is not None:
        files.update(access.secrets)
    for pipeline, source in _sources(environment):
        files.update(kafka_client(environment.kafka, environment.context, pipeline_user(pipeline, "source")).secrets)
        file = database_secret(pipeline, "source")
        files.add(referenced(source.password, file, f"{pipeline.name}-source-database"))
        files.update(tls_files(pipeline, source))
    for pipeline in environment.pipelines:
        file = database_secret(pipeline, "sink")
        target = destination(environment, pipeline, file)
        if has_sink_connector(pipeline) and target.password is not None:
            files.update(kafka_client(environment.kafka, environment.context, pipeline_user(pipeline, "sink")).secrets)
            files.add(target.password)
            if target.declared and target.tls and environment.postgres is not None:
                files.add(authority(environment, environment.postgres))
    return tuple(sorted(files))
