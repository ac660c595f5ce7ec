"""HAProxy as Kubernetes objects. Pure."""

import hashlib
from collections.abc import Mapping

from components.core.kubernetes import Body, Service, config_map, http_probe, network_policy, opening
from components.core.rendered import Manifest
from components.core.secrets import SecretFile, projected
from components.environment import EnvironmentSpec
from components.haproxy.backend import Backend
from components.haproxy.configuration import LIVE, READY, SECRETS
from components.haproxy.derive import NAME
from components.haproxy.spec import ENDPOINT_SECONDS, HaproxySpec
from components.haproxy.start import RUN, USER, image

COMPONENT = "haproxy"
REPLICAS = 2
CHECKSUM = "cdc.platform/configuration"
_DRAIN = f"sleep {ENDPOINT_SECONDS}; kill -USR1 1; sleep 3600"
"""New connections still come while Kubernetes tells everybody; then HAProxy takes no more, and ends when the last request is
answered, at the latest after hard-stop-after. The last sleep ends with it: until then nobody sends it SIGTERM, which would
cut requests off."""


def manifests(
    spec: EnvironmentSpec,
    haproxy: HaproxySpec,
    fronted: tuple[Backend, ...],
    files: Mapping[str, str],
    secrets: tuple[SecretFile, ...],
) -> tuple[Manifest, ...]:
    """Its configuration, a Deployment that is rolled out when that changes, a Service and what the network lets through.

    ``files`` are by their path in the container, all in one folder.
    """
    context = spec.context
    names = {path.rpartition("/")[2]: text for path, text in files.items()}
    service = _service(haproxy, fronted, files, secrets)
    ports = {"stats": haproxy.stats_port, **{backend.name[:15].rstrip("-"): backend.port for backend in fronted}}
    return (
        config_map(COMPONENT, NAME, context, names),
        service.deployment(context),
        service.service(context, ports),
        service.disruption_budget(context),
        *_network_policies(spec, service, fronted),
    )


def _service(
    haproxy: HaproxySpec, fronted: tuple[Backend, ...], files: Mapping[str, str], secrets: tuple[SecretFile, ...]
) -> Service:
    volumes: list[Body] = [
        {"name": "configuration", "configMap": {"name": NAME}},
        {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
    ]
    if secrets:
        volumes.append({"name": "secrets", **projected(secrets)})
    digest = hashlib.sha256("\0".join(text for _, text in sorted(files.items())).encode()).hexdigest()
    return Service(
        component=COMPONENT,
        name=NAME,
        replicas=haproxy.replicas or REPLICAS,
        container=_container(haproxy, fronted, files, bool(secrets)),
        resources=haproxy.resources,
        group=USER,
        user=USER,
        volumes=volumes,
        annotations={CHECKSUM: digest},
    )


def _container(haproxy: HaproxySpec, fronted: tuple[Backend, ...], files: Mapping[str, str], secrets: bool) -> Body:
    folder = next(iter(files)).rpartition("/")[0]
    mounts: list[Body] = [
        {"name": "configuration", "mountPath": folder, "readOnly": True},
        {"name": "run", "mountPath": RUN},
    ]
    if secrets:
        mounts.append({"name": "secrets", "mountPath": SECRETS, "readOnly": True})
    return {
        "image": image(haproxy),
        "command": ["sh", f"{folder}/start.sh"],
        "ports": [{"containerPort": port} for port in (haproxy.stats_port, *(backend.port for backend in fronted))],
        "volumeMounts": mounts,
        "livenessProbe": http_probe(LIVE, haproxy.stats_port),
        "readinessProbe": http_probe(READY, haproxy.stats_port) | {"periodSeconds": 2},
        "lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", _DRAIN]}}},
    }


def _network_policies(spec: EnvironmentSpec, service: Service, fronted: tuple[Backend, ...]) -> tuple[Manifest, ...]:
    """In: to each service the platform's own clients of it, and tenants' from their namespaces. Out: to the servers. The
    clients' side of the first is said here too, because theirs is closed as well."""
    context = spec.context
    ingress = [opening("from", [backend.clients], backend.port) for backend in fronted if backend.clients]
    names = sorted({namespace for tenant in spec.tenants for namespace in tenant.namespaces})
    namespaces = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}} for name in names]
    if namespaces:
        ingress.append({**opening("from", [], *(backend.port for backend in fronted)), "from": namespaces})
    egress = [opening("to", [backend.pods] if backend.pods else [], *_server_ports(backend)) for backend in fronted]
    outward = (
        network_policy(
            COMPONENT,
            f"{NAME}-clients-{backend.name}",
            backend.clients,
            context,
            egress=[opening("to", [service.selector], backend.port)],
        )
        for backend in fronted
        if backend.clients
    )
    return (service.network_policy(context, ingress, egress), *outward)


def _server_ports(backend: Backend) -> list[int]:
    checked = set() if backend.ready is None else {backend.ready.port}
    return sorted({server.port for server in backend.servers} | checked)
