"""The programs beside a pipeline's workers: the admin API and the DLQ processor, each a process of its own. Pure.

They have the worker's settings and secrets, so that they see what it sees, and a section of their own.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.core.kubernetes import Body, Service, config_map, http_probe, manifest, network_policy, opening
from components.core.rendered import HealthCheck, Manifest, Workload
from components.core.resources import ResourcesSpec
from components.core.secrets import SecretFile, mounted, projected, referenced
from components.environment import EnvironmentSpec
from components.kafka.network_policies import CLIENT_LABEL
from components.pipelines.spec import PipelineSpec
from components.sink.companion_spec import SESSIONS, DeadLettersSpec, SinkAdminSpec
from components.sink.derive import pipelines, worker_name
from components.sink.settings import PORT, SECRETS, SETTINGS, secrets, settings
from components.sink.spec import SinkWorkersSpec

COMPONENT = "sink"
ADMIN_PORT = 8443
ADMIN_CLIENT_LABEL = {"cdc.platform/admin-client": "true"}
"""Of pods that may reach the admin API."""

CERTIFICATE, KEY, CLIENT_CA, TOKENS = "admin.crt", "admin.key", "admin-clients.pem", "admin-tokens.json"
_GET = "import ssl, urllib.request as r; r.urlopen('{url}', timeout=4, context=ssl._create_unverified_context())"
_SECOND, _DAY = 1000, 86_400_000


@dataclass(frozen=True, slots=True)
class Companion:
    """One program. ``section`` is its part of the settings by the address it listens at; ``health`` the path of its probe;
    ``published`` its port on the machine, on docker."""

    name: str
    command: tuple[str, ...]
    port: int
    scheme: str
    health: str
    resources: ResourcesSpec
    secrets: tuple[SecretFile, ...]
    section: Callable[[str], dict[str, Any]]
    published: int | None = None


def companions(environment: EnvironmentSpec, sink: SinkWorkersSpec, pipeline: PipelineSpec) -> Iterator[Companion]:
    """Those that are declared."""
    base = secrets(environment, sink, pipeline)
    if sink.admin is not None:
        yield _admin(environment, sink, sink.admin, pipeline, base)
    if sink.dead_letters is not None:
        yield _processor(sink.dead_letters, pipeline, base)


def processor_name(pipeline: PipelineSpec) -> str:
    """The name of a pipeline's DLQ processor."""
    return f"{worker_name(pipeline)}-dlq"


def _admin(environment: EnvironmentSpec, sink: SinkWorkersSpec, spec: SinkAdminSpec, pipeline: PipelineSpec,
           base: tuple[SecretFile, ...]) -> Companion:  # fmt: skip
    name = f"{worker_name(pipeline)}-admin"
    files = [SecretFile(CERTIFICATE, f"{name}-tls", "tls.crt"), SecretFile(KEY, f"{name}-tls", "tls.key")]
    tls: dict[str, Any] = {"certificate_file": f"{SECRETS}/{CERTIFICATE}", "key_file": f"{SECRETS}/{KEY}"}
    own: dict[str, Any] = {"port": ADMIN_PORT, "tls": tls, "sessions": SESSIONS,
                           "requests_per_minute": spec.requests_per_minute, "import_max_bytes": spec.largest_sheet,
                           "workers": [f"{host}:{PORT}" for host in _workers(environment, sink, pipeline)]}  # fmt: skip
    if spec.clients:
        files.append(referenced(spec.client_ca, CLIENT_CA, "sink-admin-clients"))
        tls |= {"client_ca_file": f"{SECRETS}/{CLIENT_CA}", "subjects": dict(sorted(spec.clients.items()))}
    if spec.tokens is not None:
        files.append(referenced(spec.tokens, TOKENS, "sink-admin-tokens"))
        own["tokens_file"] = f"{SECRETS}/{TOKENS}"
    return Companion(
        name, ("sink-worker", "admin", "--config", SETTINGS), ADMIN_PORT, "HTTPS", "/health", spec.resources,
        tuple(sorted({*base, *files})), lambda host: {"admin": {**own, "host": host}}, _published(environment, spec, pipeline),
    )  # fmt: skip


def _published(environment: EnvironmentSpec, spec: SinkAdminSpec, pipeline: PipelineSpec) -> int | None:
    """Each pipeline's admin API has a port of its own, in the order of the pipelines."""
    names = [one.name for _, one in pipelines(environment)]
    return None if spec.host_port is None else spec.host_port + names.index(pipeline.name)


def _workers(environment: EnvironmentSpec, sink: SinkWorkersSpec, pipeline: PipelineSpec) -> list[str]:
    """Whom the admin API asks for partitions and breakers: a name of all pods, or each container."""
    name = worker_name(pipeline)
    return [name] if environment.target == "kubernetes" else [f"{name}-{number}" for number in range(sink.replicas)]


def _processor(spec: DeadLettersSpec, pipeline: PipelineSpec, base: tuple[SecretFile, ...]) -> Companion:
    own = {
        "port": PORT, "attempts": spec.attempts, "first_seconds": spec.first_wait / _SECOND,
        "longest_seconds": spec.longest_wait / _SECOND, "retention_days": spec.retention // _DAY,
        "transient": list(spec.transient), "validation": list(spec.validation), "permanent": list(spec.permanent),
    }  # fmt: skip
    return Companion(
        processor_name(pipeline), ("sink-worker", "dlq", "run", "--config", SETTINGS), PORT, "HTTP", "/healthz/live",
        spec.resources, base, lambda host: {"dlq_processor": {**own, "host": host}},
    )  # fmt: skip


def companion_settings(
    environment: EnvironmentSpec, sink: SinkWorkersSpec, pipeline: PipelineSpec, companion: Companion, host: str
) -> str:
    """The worker's settings with the companion's section; probes that it does not have stay at its own loopback address."""
    document = json.loads(settings(environment, sink, pipeline, "127.0.0.1"))
    return json.dumps(document | companion.section(host), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def workload(environment: EnvironmentSpec, sink: SinkWorkersSpec, pipeline: PipelineSpec, companion: Companion,
             variables: Mapping[str, str], like: Workload) -> Workload:  # fmt: skip
    """On docker: one container, which waits for what the worker ``like`` waits for."""
    name = companion.name
    url = f"{companion.scheme.lower()}://{name}:{companion.port}{companion.health}"
    return Workload(
        component=COMPONENT,
        name=name,
        image=like.image,
        build=like.build,
        command=companion.command,
        environment=variables,
        files={SETTINGS: companion_settings(environment, sink, pipeline, companion, name)},
        mounts=(mounted(name, SECRETS),),
        ports=() if companion.published is None else ((companion.published, companion.port),),
        tmpfs=like.tmpfs,
        user=like.user,
        memory_bytes=companion.resources.memory,
        cpu_millicores=companion.resources.cpu_limit_millicores,
        health=HealthCheck(("python", "-c", _GET.format(url=url))),
        depends_on=like.depends_on,
    )


def manifests(environment: EnvironmentSpec, sink: SinkWorkersSpec, pipeline: PipelineSpec, companion: Companion,
              container: Body, egress: list[Body], user: int, host: str) -> Iterator[Manifest]:  # fmt: skip
    """On Kubernetes: one pod, of which a second waits while the first works. ``container`` and ``egress`` are the worker's."""
    context = environment.context
    text = companion_settings(environment, sink, pipeline, companion, host)
    service = Service(
        component=COMPONENT,
        name=companion.name,
        replicas=0 if environment.stands_by else 1,
        container=_container(container, companion),
        resources=companion.resources,
        group=user,
        user=user,
        volumes=_volumes(companion),
        labels={**CLIENT_LABEL, "cdc.platform/pipeline": pipeline.name, "cdc.platform/tenant": pipeline.tenant},
        annotations={"cdc.platform/configuration": hashlib.sha256(text.encode()).hexdigest()},
    )
    yield config_map(COMPONENT, companion.name, context, {SETTINGS.rpartition("/")[2]: text})
    yield service.deployment(context)
    yield service.disruption_budget(context)
    if companion.scheme != "HTTPS":
        yield service.network_policy(context, egress=egress)
        return
    yield service.service(context, {"https": companion.port})
    name = worker_name(pipeline)
    workers = {"app.kubernetes.io/name": name}
    ingress = [opening("from", [ADMIN_CLIENT_LABEL], companion.port)]
    yield service.network_policy(context, ingress=ingress, egress=[*egress, opening("to", [workers], PORT)])
    probes = [opening("from", [service.selector], PORT)]
    yield network_policy(COMPONENT, f"{name}-probes", workers, context, ingress=probes)
    # Without an address of its own the name has every pod's, the unready ones included: those are who is asked about.
    body = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": workers,
            "ports": [{"name": "http", "port": PORT, "targetPort": PORT}]}  # fmt: skip
    yield manifest(COMPONENT, context, "v1", "Service", name, labels=workers, spec=body)


def _container(worker: Body, companion: Companion) -> Body:
    probe = http_probe(companion.health, companion.port, companion.scheme)
    return {
        **worker,
        "command": list(companion.command),
        "ports": [{"containerPort": companion.port, "name": "http" if companion.scheme == "HTTP" else "https"}],
        "startupProbe": probe | {"failureThreshold": 30},
        "livenessProbe": probe,
        "readinessProbe": probe,
    }


def _volumes(companion: Companion) -> list[Body]:
    return [
        {"name": "settings", "configMap": {"name": companion.name}},
        {"name": "secrets", **projected(companion.secrets)},
        {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
    ]
