"""The sink workers, rendered for the environment's target. Pure."""

import hashlib
from collections.abc import Iterator, Mapping

from components.core.kubernetes import Body, Service, config_map, http_probe, opening
from components.core.rendered import HealthCheck, Manifest, Rendered, Workload
from components.core.secrets import mounted, projected
from components.development.derive import waits_for_kafka
from components.environment import EnvironmentSpec
from components.haproxy.derive import NAME as HAPROXY
from components.kafka.network_policies import CLIENT_LABEL
from components.pipelines.spec import PipelineSpec
from components.schema_registry import derive as registry
from components.sink.companions import companions
from components.sink.companions import manifests as companion_manifests
from components.sink.companions import workload as companion_workload
from components.sink.derive import pipelines, worker_name
from components.sink.scaling import opening as keda_opening
from components.sink.scaling import partitions, scaler
from components.sink.settings import PORT, SECRETS, SETTINGS, secrets, settings
from components.sink.spec import SinkWorkersSpec
from components.sink.stores import containers, openings
from components.tracing.senders import trusting

COMPONENT = "sink"
USER = 10001
"""``sink`` of the worker's image."""

COMMAND = ("sink-worker", "run", "--config", SETTINGS)
EVERYWHERE = "0.0.0.0"  # noqa: S104 - a pod's address is not known beforehand
CHECKSUM = "cdc.platform/configuration"
_TEMPORARY = "/tmp:mode=1777,size=16m"  # noqa: S108 - the container's own
_PROBE = "import urllib.request as r; r.urlopen('http://{host}:{port}/healthz/live', timeout=4)"


def render(spec: EnvironmentSpec) -> Rendered:
    """Nothing where none are declared. A standby has no workers: on Kubernetes all but their pods is there already."""
    sink = spec.sink
    if sink is None:
        return Rendered()
    if spec.target == "kubernetes":
        return Rendered(manifests=tuple(_all_manifests(spec, sink)))
    if spec.stands_by:
        return Rendered()
    workloads = tuple(made for _, pipeline in pipelines(spec) for made in _workloads(spec, sink, pipeline))
    files = {workload.tree_path(path): text for workload in workloads for path, text in workload.files.items()}
    return Rendered(workloads=workloads, files=files)


def _all_manifests(spec: EnvironmentSpec, sink: SinkWorkersSpec) -> Iterator[Manifest]:
    known = partitions(spec)
    for _, pipeline in pipelines(spec):
        yield from _manifests(spec, sink, pipeline, known)
    if sink.autoscaling is not None and sink.autoscaling.lag is not None and not spec.stands_by:
        yield keda_opening(spec, sink.autoscaling.lag)


def _manifests(
    spec: EnvironmentSpec, sink: SinkWorkersSpec, pipeline: PipelineSpec, known: Mapping[str, int]
) -> list[Manifest]:
    context, text = spec.context, settings(spec, sink, pipeline, EVERYWHERE)
    service = Service(
        component=COMPONENT,
        name=worker_name(pipeline),
        replicas=0 if spec.stands_by else sink.replicas,
        container=_container(spec, sink),
        resources=sink.resources,
        group=USER,
        user=USER,
        volumes=_volumes(spec, sink, pipeline),
        labels={**CLIENT_LABEL, "cdc.platform/pipeline": pipeline.name, "cdc.platform/tenant": pipeline.tenant},
        annotations={CHECKSUM: hashlib.sha256(text.encode()).hexdigest()},
    )
    made = [
        config_map(COMPONENT, worker_name(pipeline), context, {SETTINGS.rpartition("/")[2]: text}),
        service.deployment(context),
        service.disruption_budget(context),
        service.network_policy(context, egress=_egress(spec, pipeline)),
    ]
    if sink.autoscaling is not None and not spec.stands_by:
        made += scaler(spec, sink, pipeline, known)
    for beside in companions(spec, sink, pipeline):
        container, egress = _container(spec, sink), _egress(spec, pipeline)
        made += companion_manifests(spec, sink, pipeline, beside, container, egress, USER, EVERYWHERE)
    return made


def _environment(spec: EnvironmentSpec) -> dict[str, str]:
    return {"MALLOC_ARENA_MAX": "2", **trusting(spec, SECRETS)}


def _container(spec: EnvironmentSpec, sink: SinkWorkersSpec) -> Body:
    """The probes are the worker's own: alive while its loop turns, ready while it can write."""
    return {
        "image": sink.used_image,
        "command": list(COMMAND),
        "env": [{"name": name, "value": value} for name, value in _environment(spec).items()],
        "ports": [{"containerPort": PORT, "name": "http"}],
        "volumeMounts": [
            {"name": "settings", "mountPath": SETTINGS.rpartition("/")[0], "readOnly": True},
            {"name": "secrets", "mountPath": SECRETS, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's own
        ],
        "startupProbe": http_probe("/healthz/live", PORT) | {"failureThreshold": 30},
        "livenessProbe": http_probe("/healthz/live", PORT),
        "readinessProbe": http_probe("/healthz/ready", PORT),
    }


def _volumes(spec: EnvironmentSpec, sink: SinkWorkersSpec, pipeline: PipelineSpec) -> list[Body]:
    return [
        {"name": "settings", "configMap": {"name": worker_name(pipeline)}},
        {"name": "secrets", **projected(secrets(spec, sink, pipeline))},
        {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
    ]


def _egress(spec: EnvironmentSpec, pipeline: PipelineSpec) -> list[Body]:
    """Kafka is opened to all its clients by their label."""
    rules = openings(spec, pipeline)
    if spec.schema_registry is not None:
        name = registry.NAME if spec.haproxy is None else HAPROXY
        rules.append(opening("to", [{"app.kubernetes.io/name": name}], registry.PORT))
    return rules


def _workloads(spec: EnvironmentSpec, sink: SinkWorkersSpec, pipeline: PipelineSpec) -> Iterator[Workload]:
    workers = [_workload(spec, sink, pipeline, number) for number in range(sink.replicas)]
    yield from workers
    for beside in companions(spec, sink, pipeline):
        yield companion_workload(spec, sink, pipeline, beside, _environment(spec), workers[0])


def _workload(spec: EnvironmentSpec, sink: SinkWorkersSpec, pipeline: PipelineSpec, number: int) -> Workload:
    name = f"{worker_name(pipeline)}-{number}"
    brokers = waits_for_kafka(spec)
    registries = () if spec.schema_registry is None else registry.instances(spec.schema_registry)
    return Workload(
        component=COMPONENT,
        name=name,
        image=sink.used_image,
        build=sink.build,
        command=COMMAND,
        environment=_environment(spec),
        files={SETTINGS: settings(spec, sink, pipeline, name)},
        mounts=(mounted(name, SECRETS),),
        tmpfs=(_TEMPORARY,),
        user=f"{USER}:{USER}",
        memory_bytes=sink.resources.memory,
        cpu_millicores=sink.resources.cpu_limit_millicores,
        health=HealthCheck(("python", "-c", _PROBE.format(host=name, port=PORT))),
        depends_on=(*brokers, *registries, *containers(spec)),
    )
