"""Services on Kubernetes are watched, apart, and never all taken away at once."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from components.core.rendered import Manifest
from policies.model import OUTSIDE_DEVELOPMENT, SHARED, Rule, Subject, Violation
from policies.rules.places import origin

_SERVICES = ("Deployment", "StatefulSet")
_PROBES = ("livenessProbe", "readinessProbe")

Body = Mapping[str, Any]


def _pod(manifest: Manifest) -> Body:
    pod: Body = manifest.body["spec"]["template"]["spec"]
    return pod


def _labels(manifest: Manifest) -> Body:
    labels: Body = manifest.body["spec"]["template"].get("metadata", {}).get("labels", {})
    return labels


def _selects(selector: Body, labels: Body) -> bool:
    wanted = selector.get("matchLabels", {})
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())


def _several(subject: Subject) -> Iterator[Manifest]:
    """Services that run more than once."""
    for manifest in subject.of_kind(*_SERVICES):
        if int(manifest.body["spec"].get("replicas", 1)) > 1:
            yield manifest


def _probes(subject: Subject) -> Iterator[Violation]:
    for manifest in subject.of_kind(*_SERVICES):
        for container in _pod(manifest)["containers"]:
            missing = [probe for probe in _PROBES if not container.get(probe)]
            if missing:
                message = f"container {container['name']} has no {' and no '.join(missing)}"
                yield Violation(origin(subject, manifest), message, manifest.id)


def _spread(subject: Subject) -> Iterator[Violation]:
    for manifest in _several(subject):
        pod, labels = _pod(manifest), _labels(manifest)
        apart = pod.get("affinity", {}).get("podAntiAffinity")
        spread = [one for one in pod.get("topologySpreadConstraints", ()) if _selects(one.get("labelSelector", {}), labels)]
        if not apart and not spread:
            yield Violation(origin(subject, manifest), "nothing keeps its pods on different nodes", manifest.id)


def _budget(subject: Subject) -> Iterator[Violation]:
    by_label: dict[tuple[str, str], list[Body]] = defaultdict(list)
    for budget in (manifest.body["spec"] for manifest in subject.of_kind("PodDisruptionBudget")):
        for label in list(budget.get("selector", {}).get("matchLabels", {}).items())[:1]:
            by_label[label].append(budget)
    for manifest in _several(subject):
        labels = _labels(manifest)
        near = [budget for label in labels.items() for budget in by_label.get(label, ())]
        own = [budget for budget in near if _selects(budget["selector"], labels)]
        if not own:
            yield Violation(origin(subject, manifest), "nothing keeps all its pods from being evicted at once", manifest.id)
        elif not any(budget.get("maxUnavailable") == 1 or budget.get("minAvailable") for budget in own):
            yield Violation(origin(subject, manifest), "its disruption budget lets more than one go", manifest.id)


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "workload-probes",
        "Every service says whether it lives and whether it is ready",
        "Without the one a hanging process is never restarted; without the other requests reach it before it can answer.",
        "Give each container a liveness and a readiness probe.",
        "Kubernetes documentation, liveness, readiness and startup probes; requirement B12",
        SHARED,
        _probes,
    ),
    Rule(
        "workload-spread",
        "The pods of a service run on different nodes",
        "Two copies on one node are lost together.",
        "Give the pods topology spread constraints over kubernetes.io/hostname.",
        "Kubernetes documentation, pod topology spread constraints",
        OUTSIDE_DEVELOPMENT,
        _spread,
    ),
    Rule(
        "workload-disruption-budget",
        "At most one pod of a service is evicted at a time",
        "A node pool that is upgraded drains several nodes together.",
        "Give the service a PodDisruptionBudget with maxUnavailable: 1.",
        "Kubernetes documentation, disruptions",
        OUTSIDE_DEVELOPMENT,
        _budget,
    ),
)
