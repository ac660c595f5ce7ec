"""How Connect and its connectors reach Kafka and the schema registry, and the secret files that this takes. Pure."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from components.connect.converters import RegistryAccess
from components.connect.derive import has_sink_connector, has_source_connector
from components.connect.names import Colour, database_secret, worker_user
from components.core.secrets import SecretFile, referenced
from components.kafka.clients import CLUSTER_CA, KafkaClient, kafka_client
from components.kafka.derive import pipeline_user
from components.schema_registry import derive as registry

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec

APICURIO_PATH = "/apis/registry/v2"
REGISTRY_CA = "haproxy-ca.pem"
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
    return tuple(file for file in secrets(environment, colour) if file.name in {CLUSTER_CA, REGISTRY_CA})


def worker_client(environment: "EnvironmentSpec", colour: Colour) -> KafkaClient:
    """How the workers of a colour reach Kafka as themselves."""
    return kafka_client(environment.kafka, environment.context, worker_user(colour))


def registry_access(environment: "EnvironmentSpec") -> RegistryAccess | None:
    """How the converters reach the schema registry; ``None`` where none do.

    Confluent's goes through HAProxy where there is one. Apicurio's speaks Apicurio's own API, which HAProxy does not serve, so
    it asks a registry itself.
    """
    spec, connect = environment.schema_registry, environment.connect
    if spec is None or connect is None or connect.converter == "json":
        return None
    if connect.converter == "apicurio":
        return RegistryAccess(f"http://{registry.host(environment, spec)}:{registry.PORT}{APICURIO_PATH}")
    url, haproxy = registry.registry_url(environment), environment.haproxy
    if haproxy is None:
        return RegistryAccess(url)
    ca = referenced(haproxy.tls.ca, REGISTRY_CA, "haproxy-tls") if haproxy.tls.enabled else None
    for user in haproxy.users_of(registry.NAME) if haproxy.authentication_of(registry.NAME) == "basic" else ():
        if user.password is not None:
            password = referenced(user.password, f"{user.name}.haproxy-password", "haproxy-users")
            return RegistryAccess(url, ca, user.name, password)
    return RegistryAccess(url, ca)


def secrets(environment: "EnvironmentSpec", colour: Colour) -> tuple[SecretFile, ...]:
    """Every file in the folder of a colour's workers: their own, and those of all connectors, which may run on any of them."""
    files = set(worker_client(environment, colour).secrets)
    registry = registry_access(environment)
    if registry is not None:
        files.update(registry.secrets)
    for pipeline in environment.pipelines:
        chosen = pipeline.source.chosen
        if has_source_connector(pipeline) and chosen is not None:
            files.update(kafka_client(environment.kafka, environment.context, pipeline_user(pipeline, "source")).secrets)
            file = database_secret(pipeline, "source")
            files.add(referenced(chosen[1].password, file, f"{pipeline.name}-source-database"))
        if has_sink_connector(pipeline) and pipeline.sink.postgres.password is not None:
            files.update(kafka_client(environment.kafka, environment.context, pipeline_user(pipeline, "sink")).secrets)
            file = database_secret(pipeline, "sink")
            files.add(referenced(pipeline.sink.postgres.password, file, f"{pipeline.name}-sink-database"))
    return tuple(sorted(files))
