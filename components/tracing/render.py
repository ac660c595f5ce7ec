"""Collector and Jaeger, rendered for the environment's target. Pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from components.core import versions
from components.core.kubernetes import Body, Service, config_map, http_probe, network_policy, opening
from components.core.rendered import HealthCheck, Manifest, Rendered, Workload
from components.core.resources import ResourcesSpec
from components.core.secrets import SecretFile, mounted, projected
from components.environment import EnvironmentSpec
from components.kafka.network_policies import CLIENT_LABEL
from components.tracing import configuration
from components.tracing.configuration import HEALTH_PATH, SECRETS
from components.tracing.names import COLLECTOR, COMPONENT, GRPC_PORT, HEALTH_PORT, HTTP_PORT, JAEGER, METRICS_PORT, UI_PORT
from components.tracing.spec import TracingSpec
from components.tracing.uses import collector_files, jaeger_files

PROGRAM = "/cmd/jaeger/jaeger-linux"
CONFIGURATION = "/etc/cdc/config.yaml"
USER = 10001
"""``jaeger`` of Jaeger's image."""

CHECKSUM = "cdc.platform/configuration"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - a pod's address is not known beforehand
REPLICAS = 2


@dataclass(frozen=True)
class _Program:
    """One of the two, on either target. ``text`` is its configuration, in which ``HOST`` is what it listens on."""

    name: str
    image: str
    text: str
    resources: ResourcesSpec
    secrets: tuple[SecretFile, ...]
    replicas: int
    ports: tuple[int, ...]
    published: tuple[int, ...] = ()


def render(spec: EnvironmentSpec) -> Rendered:
    """Nothing where tracing is not declared."""
    tracing = spec.tracing
    if tracing is None:
        return Rendered()
    if spec.target == "docker":
        workloads = tuple(_workload(program) for program in _programs(tracing, None))
        files = {workload.tree_path(path): text for workload in workloads for path, text in workload.files.items()}
        return Rendered(workloads=workloads, files=files)
    manifests = [made for program in _programs(tracing, EVERYWHERE) for made in _manifests(spec, tracing, program)]
    out = opening("to", [{"app.kubernetes.io/name": COLLECTOR}], GRPC_PORT, HTTP_PORT)
    clients = network_policy(COMPONENT, f"{COLLECTOR}-clients", CLIENT_LABEL, spec.context, egress=[out])
    return Rendered(manifests=(*manifests, clients))


def _programs(tracing: TracingSpec, host: str | None) -> list[_Program]:
    """``host`` is what they listen on; their own names when there is none."""
    jaeger = tracing.jaeger
    found = [
        _Program(
            COLLECTOR,
            tracing.image or versions.JAEGER_IMAGE,
            configuration.collector(tracing, host or COLLECTOR),
            tracing.resources,
            collector_files(tracing),
            tracing.replicas or REPLICAS,
            (GRPC_PORT, HTTP_PORT),
        )
    ]
    if tracing.backend is None:
        text = configuration.jaeger(jaeger, host or JAEGER)
        image, published = jaeger.image or versions.JAEGER_IMAGE, (UI_PORT,) if jaeger.publish else ()
        secrets, ports = jaeger_files(jaeger), (GRPC_PORT, UI_PORT)
        found.append(_Program(JAEGER, image, text, jaeger.resources, secrets, 1, ports, published))
    return found


def _workload(program: _Program) -> Workload:
    health = f"http://{program.name}:{HEALTH_PORT}{HEALTH_PATH}"
    return Workload(
        component=COMPONENT,
        name=program.name,
        image=program.image,
        command=(PROGRAM, "--config", CONFIGURATION),
        files={CONFIGURATION: program.text},
        mounts=(mounted(program.name, SECRETS),) if program.secrets else (),
        ports=tuple((port, port) for port in program.published),
        user=f"{USER}:{USER}",
        memory_bytes=program.resources.memory,
        cpu_millicores=program.resources.cpu_limit_millicores,
        health=HealthCheck(("wget", "-q", "-O", "/dev/null", health)),
    )


def _manifests(spec: EnvironmentSpec, tracing: TracingSpec, program: _Program) -> list[Manifest]:
    context = spec.context
    service = Service(
        component=COMPONENT,
        name=program.name,
        replicas=program.replicas,
        container=_container(program),
        resources=program.resources,
        group=USER,
        user=USER,
        volumes=_volumes(program),
        annotations={CHECKSUM: hashlib.sha256(program.text.encode()).hexdigest()},
    )
    ingress, egress = _openings(tracing, program.name)
    return [
        config_map(COMPONENT, program.name, context, {CONFIGURATION.rpartition("/")[2]: program.text}),
        service.deployment(context),
        service.service(context, {f"p{port}": port for port in program.ports}),
        service.disruption_budget(context),
        service.network_policy(context, ingress, egress),
    ]


def _container(program: _Program) -> Body:
    mounts: list[Body] = [{"name": "configuration", "mountPath": CONFIGURATION.rpartition("/")[0], "readOnly": True}]
    if program.secrets:
        mounts.append({"name": "secrets", "mountPath": SECRETS, "readOnly": True})
    probe = http_probe(HEALTH_PATH, HEALTH_PORT)
    return {
        "image": program.image,
        "command": [PROGRAM, "--config", CONFIGURATION],
        "ports": [{"containerPort": port} for port in (*program.ports, METRICS_PORT)],
        "volumeMounts": mounts,
        "livenessProbe": probe,
        "readinessProbe": probe,
    }


def _volumes(program: _Program) -> list[Body]:
    volumes: list[Body] = [{"name": "configuration", "configMap": {"name": program.name}}]
    return [*volumes, {"name": "secrets", **projected(program.secrets)}] if program.secrets else volumes


def _openings(tracing: TracingSpec, name: str) -> tuple[Sequence[Body], Sequence[Body]]:
    """In and out: Kafka's clients, who are those that have spans, to the collector; it to Jaeger, or to its backend, which is
    no pod, so that only its port can be named. Jaeger's pages are reached by ``kubectl port-forward`` alone."""
    collector = {"app.kubernetes.io/name": COLLECTOR}
    if name == JAEGER:
        return [opening("from", [collector], GRPC_PORT)], []
    if tracing.backend is not None:
        onward = opening("to", [], int(tracing.backend.endpoint.rpartition(":")[2]))
    else:
        onward = opening("to", [{"app.kubernetes.io/name": JAEGER}], GRPC_PORT)
    return [opening("from", [CLIENT_LABEL], GRPC_PORT, HTTP_PORT)], [onward]
