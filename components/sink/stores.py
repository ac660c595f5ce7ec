"""How a pipeline's workers reach PostgreSQL and Redis: sections of their settings, and the secrets that those name. Pure."""

from typing import Any

from components.core.kubernetes import Body, opening
from components.core.secrets import SecretFile, overlapping, referenced
from components.environment import EnvironmentSpec
from components.pipelines.spec import PipelineSpec
from components.postgres import derive as postgres
from components.redis import derive as redis
from components.sink.cassandra import PORT as CQL_PORT
from components.sink.spec import SinkWorkersSpec

POSTGRES_PASSWORD, POSTGRES_CA = "postgres.password", postgres.CA_FILE

Section = dict[str, Any]


def postgres_section(environment: EnvironmentSpec, sink: SinkWorkersSpec, pipeline: PipelineSpec, folder: str) -> Section:
    """The environment's own server is always checked, name and all, where it encrypts; ``sink`` says it of any other."""
    target = postgres.destination(environment, pipeline, POSTGRES_PASSWORD)
    section: Section = {
        "host": target.host,
        "port": str(target.port),
        "database": target.database,
        "user": target.user,
        "sslmode": _mode(sink, target),
    }
    if target.control_schema != postgres.CONTROL_SCHEMA:
        section["control_schema"] = target.control_schema
    if target.password is not None:
        section["password_file"] = f"{folder}/{target.password.name}"
    if target.certificate:
        certificate, key = target.certificate
        section |= {"certificate_file": f"{folder}/{certificate.name}", "key_file": f"{folder}/{key.name}"}
    return section if section["sslmode"] == "disable" else {**section, "ca_file": f"{folder}/{POSTGRES_CA}"}


def _mode(sink: SinkWorkersSpec, target: postgres.Destination) -> str:
    if not target.declared:
        return sink.postgres_tls
    return "verify-full" if target.tls else "disable"


def postgres_secrets(environment: EnvironmentSpec, sink: SinkWorkersSpec, pipeline: PipelineSpec) -> list[SecretFile]:
    """Every file that :func:`postgres_section` names."""
    target = postgres.destination(environment, pipeline, POSTGRES_PASSWORD)
    files = [*target.certificate] if target.password is None else [target.password, *target.certificate]
    if environment.vault is not None and target.password is not None and target.password.vault:
        files += overlapping(target.password)
    if _mode(sink, target) != "disable":
        own = environment.postgres if target.declared else None
        ca = referenced(sink.postgres_ca, POSTGRES_CA, "postgres-ca") if own is None else postgres.authority(environment, own)
        files.append(ca)
    return files


def redis_section(environment: EnvironmentSpec, pipeline: PipelineSpec, folder: str) -> Section | None:
    """``None`` where no Redis is declared: the worker does the same without."""
    spec = environment.redis
    if spec is None:
        return None
    section: Section = {
        "username": redis.sink_user(pipeline),
        "password_file": f"{folder}/{redis.sink_password(pipeline).name}",
    }
    if spec.tls.enabled:
        section["ca_file"] = f"{folder}/{redis.CA_FILE}"
    if spec.sentinels:
        hosts = redis.sentinel_hosts(environment, spec)
        return {**section, "sentinels": [f"{host}:{redis.SENTINEL_PORT}" for host in hosts], "master_name": redis.MASTER}
    [host] = redis.node_hosts(environment, spec)
    return {**section, "url": f"redis{'s' if spec.tls.enabled else ''}://{host}:{redis.PORT}/0"}


def redis_secrets(environment: EnvironmentSpec, pipeline: PipelineSpec) -> list[SecretFile]:
    """Every file that :func:`redis_section` names."""
    spec = environment.redis
    if spec is None:
        return []
    ca = [referenced(spec.tls.ca, redis.CA_FILE, "redis-tls")] if spec.tls.enabled else []
    return [redis.sink_password(pipeline), *ca]


def openings(environment: EnvironmentSpec, pipeline: PipelineSpec) -> list[Body]:
    """Towards PostgreSQL, which is anywhere unless it is our own, and Redis with its Sentinels."""
    target, own = postgres.destination(environment, pipeline), environment.postgres
    inside = own is not None and own.external is None and target.declared
    rules = [opening("to", [postgres.PODS] if inside else [], target.port)]
    if pipeline.source.cassandra is not None and pipeline.cassandra.rereads:
        rules.append(opening("to", [], pipeline.source.cassandra.port or CQL_PORT))
    if environment.redis is not None:
        rules.append(opening("to", [redis.pods(redis.NAME)], redis.PORT))
        if environment.redis.sentinels:
            rules.append(opening("to", [redis.pods(redis.SENTINEL)], redis.SENTINEL_PORT))
    return rules


def containers(environment: EnvironmentSpec) -> tuple[str, ...]:
    """On docker, what a worker waits for."""
    own = environment.postgres
    access = () if own is None or own.external is not None else (postgres.ACCESS,)
    return access if environment.redis is None else (*access, *redis.node_hosts(environment, environment.redis))
