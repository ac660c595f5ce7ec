"""Everything that runs is bounded, pinned, unprivileged and watched."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.core.rendered import Manifest
from policies.model import OUTSIDE_DEVELOPMENT, SHARED, Rule, Subject, Violation
from policies.rules.places import origin

_POD_KINDS = ("Deployment", "StatefulSet", "DaemonSet", "Job")
_STRIMZI_PODS = ("KafkaConnect", "KafkaMirrorMaker2", "KafkaBridge")
_FLOATING = re.compile(r"^latest(-|$)")
_FIRST_UNPRIVILEGED_PORT = 1024
_ROOT = {"", "0", "root"}
_NO_IMAGES = ("KafkaTopic", "KafkaUser", "NetworkPolicy")

Body = Mapping[str, Any]
_OPERATORS_OWN: Body = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}
"""What CloudNativePG gives its pods, whatever its Cluster says."""


@dataclass(frozen=True, slots=True)
class _Container:
    """A container that some object becomes: what it may use, and with which rights (pod and container together)."""

    owner: Manifest
    name: str
    resources: Body
    security: Body


def _path(body: Body, *steps: str) -> Any:
    """The value at nested keys; an empty mapping where one is missing."""
    value: Any = body
    for step in steps:
        value = value.get(step) if isinstance(value, Mapping) else None
    return {} if value is None else value


def _security(pod: Body, container: Body) -> Body:
    """What a container runs with: its own settings over its pod's."""
    return {**_path(pod, "securityContext"), **_path(container, "securityContext")}


def _containers(subject: Subject) -> Iterator[_Container]:
    for manifest in subject.of_kind(*_POD_KINDS):
        yield from _pod_containers(manifest, _path(manifest.body, "spec", "template", "spec"))
    for manifest in subject.of_kind("CronJob"):
        yield from _pod_containers(manifest, _path(manifest.body, "spec", "jobTemplate", "spec", "template", "spec"))
    for manifest in subject.of_kind("Pod"):
        yield from _pod_containers(manifest, manifest.body["spec"])
    for manifest in subject.of_kind(*_STRIMZI_PODS):
        template = _path(manifest.body, "spec", "template")
        security = _security(_path(template, "pod"), _path(template, "connectContainer"))
        yield _Container(manifest, "connect", _path(manifest.body, "spec", "resources"), security)
    for manifest in subject.of_kind("Cluster"):
        security = {**_OPERATORS_OWN, "seccompProfile": _path(manifest.body, "spec", "seccompProfile")}
        yield _Container(manifest, "postgres", _path(manifest.body, "spec", "resources"), security)
    yield from _kafka_containers(subject)


def _pod_containers(manifest: Manifest, pod: Body) -> Iterator[_Container]:
    for container in (*pod.get("containers", ()), *pod.get("initContainers", ())):
        yield _Container(manifest, container["name"], _path(container, "resources"), _security(pod, container))


def _kafka_containers(subject: Subject) -> Iterator[_Container]:
    """Strimzi's pods. A node pool's template replaces the cluster's, entry by entry."""
    clusters = {(kafka.namespace, kafka.name): _path(kafka.body, "spec") for kafka in subject.of_kind("Kafka")}
    for pool in subject.of_kind("KafkaNodePool"):
        cluster = clusters.get((pool.namespace, pool.body["metadata"]["labels"].get("strimzi.io/cluster")), {})
        template = {**_path(cluster, "kafka", "template"), **_path(pool.body, "spec", "template")}
        resources = _path(pool.body, "spec", "resources")
        yield _Container(pool, "kafka", resources, _security(_path(template, "pod"), _path(template, "kafkaContainer")))
        if _path(cluster, "kafka", "rack"):
            security = _security(_path(template, "pod"), _path(template, "initContainer"))
            yield _Container(pool, "kafka-init", resources, security)
    for kafka in subject.of_kind("Kafka"):
        for part, container in (("topicOperator", "topicOperatorContainer"), ("userOperator", "userOperatorContainer")):
            operator = _path(kafka.body, "spec", "entityOperator")
            if part in operator:
                security = _security(_path(operator, "template", "pod"), _path(operator, "template", container))
                yield _Container(kafka, part, _path(operator, part, "resources"), security)
        for part, container in (("cruiseControl", "cruiseControlContainer"), ("kafkaExporter", "container")):
            if part in kafka.body["spec"]:
                body = _path(kafka.body, "spec", part)
                template = _path(body, "template")
                security = _security(_path(template, "pod"), _path(template, container))
                yield _Container(kafka, part, _path(body, "resources"), security)


def _resources(subject: Subject) -> Iterator[Violation]:
    for container in _containers(subject):
        missing = [
            f"{kind}.{what}"
            for kind in ("requests", "limits")
            for what in ("cpu", "memory")
            if not _path(container.resources, kind, what)
        ]
        if missing:
            path, resource = origin(subject, container.owner), container.owner.id
            yield Violation(path, f"container {container.name} has no {', '.join(missing)}", resource)
    for workload in subject.rendered.workloads:
        bounds = {"memory": workload.memory_bytes, "CPU": workload.cpu_millicores}
        missing = [name for name, bound in bounds.items() if not bound]
        if missing:
            yield Violation(origin(subject, workload), f"has no bound on {' and '.join(missing)}", workload.id)


def _images(subject: Subject) -> Iterator[Violation]:
    for manifest in subject.except_kinds(*_NO_IMAGES):
        for image in _images_in(manifest.body):
            if not _is_pinned(image):
                path = "kafka.image" if manifest.kind == "Kafka" else origin(subject, manifest)
                yield Violation(path, f"image {image} is not pinned", manifest.id)
    for workload in subject.rendered.workloads:
        if not _is_pinned(workload.image):
            path = "kafka.image" if workload.component == "kafka" else origin(subject, workload)
            yield Violation(path, f"image {workload.image} is not pinned", workload.id)


def _images_in(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "image" and isinstance(inner, str):
                yield inner
            else:
                yield from _images_in(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _images_in(inner)


def _is_pinned(image: str) -> bool:
    """A digest, or a tag that is not the moving ``latest``; a port in the registry's name is no tag."""
    if "@sha256:" in image:
        return True
    tag = image.rpartition("/")[2].partition(":")[2]
    return bool(tag) and not _FLOATING.match(tag)


def _pod_rights(subject: Subject) -> Iterator[Violation]:
    for container in _containers(subject):
        missing = list(_missing_restrictions(container.security))
        if missing:
            path, resource = origin(subject, container.owner), container.owner.id
            yield Violation(path, f"container {container.name} does not set {', '.join(missing)}", resource)


def _missing_restrictions(security: Body) -> Iterator[str]:
    """What of Kubernetes' restricted standard, and of a read-only root, is not said."""
    if security.get("runAsNonRoot") is not True or security.get("runAsUser") == 0:
        yield "runAsNonRoot: true"
    if security.get("readOnlyRootFilesystem") is not True:
        yield "readOnlyRootFilesystem: true"
    if security.get("allowPrivilegeEscalation") is not False or security.get("privileged"):
        yield "allowPrivilegeEscalation: false"
    if "ALL" not in _path(security, "capabilities", "drop") or _path(security, "capabilities", "add"):
        yield "capabilities.drop: [ALL]"
    if _path(security, "seccompProfile", "type") not in ("RuntimeDefault", "Localhost"):
        yield "seccompProfile.type: RuntimeDefault"


def _container_rights(subject: Subject) -> Iterator[Violation]:
    """Capabilities are dropped by the docker target itself, for every container."""
    for workload in subject.rendered.workloads:
        if workload.user.partition(":")[0] in _ROOT:
            yield Violation(origin(subject, workload), "runs as root", workload.id)
        if not workload.read_only:
            yield Violation(origin(subject, workload), "can write to its root file system", workload.id)


def _health(subject: Subject) -> Iterator[Violation]:
    for workload in subject.rendered.workloads:
        if workload.health is None:
            yield Violation(origin(subject, workload), "has no health check", workload.id)


def _ports(subject: Subject) -> Iterator[Violation]:
    for workload in subject.rendered.workloads:
        for outside, inside in workload.ports:
            if min(outside, inside) < _FIRST_UNPRIVILEGED_PORT:
                yield Violation(origin(subject, workload), f"publishes port {inside} as {outside}", workload.id)
    for kafka in subject.of_kind("Kafka"):
        for index, listener in enumerate(kafka.body["spec"]["kafka"]["listeners"]):
            if listener["port"] < _FIRST_UNPRIVILEGED_PORT:
                yield Violation(f"kafka.listeners[{index}].port", f"listens on {listener['port']}", kafka.id)


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "workload-resources",
        "Everything that runs has requests and limits",
        "What has none is the first to be evicted, and can take a node's memory and CPU from the brokers on it.",
        "Set the component's resources.",
        "Kubernetes documentation, resource management; Strimzi documentation, resources",
        SHARED,
        _resources,
    ),
    Rule(
        "workload-image-pinned",
        "Images are pinned by tag or digest",
        "What latest is changes overnight: two brokers of one cluster start with two versions.",
        "Write the tag, or the digest, of the version you tested.",
        "Kubernetes documentation, container images",
        SHARED,
        _images,
    ),
    Rule(
        "workload-pod-rights",
        "Pods run unprivileged, with a read-only root and no capabilities",
        "Whoever breaks into a process has its rights: these are what keeps it inside.",
        "Leave the security contexts to the platform.",
        "Kubernetes documentation, pod security standards (restricted)",
        OUTSIDE_DEVELOPMENT,
        _pod_rights,
    ),
    Rule(
        "workload-container-rights",
        "Containers run as a user of their own, with a read-only root",
        "Root in a container is root on the machine once it gets out.",
        "Leave user and read_only to the platform.",
        "CIS Docker Benchmark, container runtime",
        SHARED,
        _container_rights,
    ),
    Rule(
        "workload-health-check",
        "Every container says whether it is healthy",
        "What depends on it starts too early, and nobody notices that it hangs.",
        "Give the workload a health check.",
        "Requirement B10",
        SHARED,
        _health,
    ),
    Rule(
        "workload-port",
        "No port is a privileged one",
        "Ports below 1024 need a right that nothing here should have.",
        "Choose a port of 1024 or above.",
        "Kubernetes documentation, pod security standards (restricted, capabilities)",
        SHARED,
        _ports,
    ),
)
