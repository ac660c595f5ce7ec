"""The exporters of Redis, PostgreSQL and backups, rendered for either target. Pure."""

from collections.abc import Iterator

from components.core.kubernetes import Body, Service, http_probe, network_policy, opening
from components.core.rendered import HealthCheck, Manifest, Mount, Workload
from components.core.secrets import mounted, projected
from components.environment import EnvironmentSpec
from components.observability.companions import METRICS, TEMPORARY, Companion, companions
from components.observability.names import COMPONENT

_TMPFS = f"{TEMPORARY}:mode=1777,size=1m"


def workloads(spec: EnvironmentSpec) -> Iterator[Workload]:
    """A container each."""
    for one in companions(spec):
        mounts = [mounted(one.name, one.secrets_folder)] if one.secrets else []
        if one.folder is not None:
            mounts.append(Mount(METRICS, host_path=one.folder, read_only=True, made=True))
        yield Workload(
            component=COMPONENT,
            name=one.name,
            image=one.image,
            command=one.listening(one.name),
            environment=one.environment,
            mounts=tuple(mounts),
            tmpfs=(_TMPFS,),
            user=f"{one.user}:{one.user}",
            memory_bytes=one.resources.memory,
            cpu_millicores=one.resources.cpu_limit_millicores,
            health=HealthCheck(("wget", "-q", "-O", "/dev/null", f"http://{one.name}:{one.port}{one.health}")),
            depends_on=one.waits_for,
        )


def manifests(spec: EnvironmentSpec) -> Iterator[Manifest]:
    """A pod each, its Service, and its way to what it asks. Prometheus' way to it is opened where it is scraped."""
    context = spec.context
    for one in companions(spec):
        service = _service(one)
        yield service.deployment(context)
        yield service.service(context, {"http": one.port})
        yield service.disruption_budget(context)
        yield service.network_policy(context, egress=[opening("to", [pods] if pods else [], port) for pods, port in one.asks])
        for pods, port in one.asks:
            if pods:
                ingress = [opening("from", [service.selector], port)]
                name = f"{one.name}-{pods['app.kubernetes.io/name']}"
                yield network_policy(COMPONENT, name, pods, context, ingress=ingress)


def _service(one: Companion) -> Service:
    probe = http_probe(one.health, one.port)
    mounts: list[Body] = [{"name": "temporary", "mountPath": TEMPORARY}]
    volumes: list[Body] = [{"name": "temporary", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]
    environment = [{"name": name, "value": value} for name, value in sorted(one.environment.items())]
    if one.secrets:
        mounts.append({"name": "secrets", "mountPath": one.secrets_folder, "readOnly": True})
        volumes.append({"name": "secrets", **projected(one.secrets)})
    return Service(
        component=COMPONENT,
        name=one.name,
        replicas=1,
        container={
            "image": one.image,
            "command": list(one.listening("")),
            **({"env": environment} if environment else {}),
            "ports": [{"containerPort": one.port, "name": "http"}],
            "volumeMounts": mounts,
            "livenessProbe": probe,
            "readinessProbe": probe,
        },
        resources=one.resources,
        group=one.user,
        user=one.user,
        volumes=volumes,
    )
