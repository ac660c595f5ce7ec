"""What a pod that was broken into could use: the API server, the node it runs on, other programs' secrets."""

from collections.abc import Iterator, Mapping
from typing import Any

from components.backup.names import metrics_folder
from components.core.rendered import SECRETS_DIRECTORY, Manifest
from policies.model import OUTSIDE_DEVELOPMENT, SHARED, Rule, Subject, Violation
from policies.rules.places import origin

_SERVICES = ("Deployment", "StatefulSet", "DaemonSet", "Job")
_OF_THE_NODE = ("hostNetwork", "hostPID", "hostIPC")

Body = Mapping[str, Any]


def pods(subject: Subject) -> Iterator[tuple[Manifest, Body]]:
    """Every pod template that is rendered as such."""
    for manifest in subject.of_kind(*_SERVICES):
        yield manifest, manifest.body["spec"]["template"]["spec"]
    for manifest in subject.of_kind("CronJob"):
        yield manifest, manifest.body["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    for manifest in subject.of_kind("Pod"):
        yield manifest, manifest.body["spec"]


def _api_token(subject: Subject) -> Iterator[Violation]:
    """One that is bound to a role has a use for its token."""
    bound = {
        (person.get("namespace"), person["name"])
        for binding in subject.of_kind("RoleBinding", "ClusterRoleBinding")
        for person in binding.body.get("subjects", ())
        if person["kind"] == "ServiceAccount"
    }
    for manifest, pod in pods(subject):
        account = (manifest.namespace, pod.get("serviceAccountName", "default"))
        if pod.get("automountServiceAccountToken") is not False and account not in bound:
            yield Violation(origin(subject, manifest), "has a token for the API server and no role to use it", manifest.id)


def _api_rights(subject: Subject) -> Iterator[Violation]:
    for role in subject.of_kind("Role", "ClusterRole"):
        for rule in role.body.get("rules") or ():
            every = [key for key in ("apiGroups", "resources", "verbs") if "*" in rule.get(key, ())]
            if every:
                yield Violation(origin(subject, role), f"allows every one of {', '.join(every)}", role.id)
            elif "secrets" in rule.get("resources", ()) and not rule.get("resourceNames"):
                yield Violation(origin(subject, role), "allows every Secret of its namespace", role.id)


def _node(subject: Subject) -> Iterator[Violation]:
    for manifest, pod in pods(subject):
        used = [key for key in _OF_THE_NODE if pod.get(key)]
        used += [f"volume {volume['name']}" for volume in pod.get("volumes", ()) if "hostPath" in volume]
        containers = (*pod.get("containers", ()), *pod.get("initContainers", ()))
        used += [f"hostPort {port['hostPort']}" for one in containers for port in one.get("ports", ()) if port.get("hostPort")]
        if used:
            yield Violation(origin(subject, manifest), f"uses the node's own: {', '.join(used)}", manifest.id)
    backup = subject.spec.backup
    ages = None if backup is None else metrics_folder(backup.directory)
    for workload in subject.rendered.workloads:
        for mount in workload.mounts:
            shown = mount.host_path is None or mount.host_path.startswith(SECRETS_DIRECTORY) or mount.host_path == ages
            if not shown or (mount.host_path is not None and not mount.read_only):
                yield Violation(origin(subject, workload), f"sees {mount.host_path} of the machine", workload.id)


def _operators_pods(subject: Subject) -> Iterator[Violation]:
    """What an operator makes several pods of says, where the operator does not do it unasked, that they are kept apart."""
    for manifest in subject.of_kind("KafkaConnect", "KafkaMirrorMaker2", "KafkaNodePool"):
        spec = manifest.body["spec"]
        template = spec.get("template") or {}
        pod = template.get("pod") or {}
        if spec.get("replicas", 1) > 1:
            if not pod.get("topologySpreadConstraints") and not (pod.get("affinity") or {}).get("podAntiAffinity"):
                yield Violation(origin(subject, manifest), "nothing keeps its pods on different nodes", manifest.id)
            budget = (template.get("podDisruptionBudget") or {}).get("maxUnavailable")
            if manifest.kind != "KafkaNodePool" and budget != 1:
                yield Violation(origin(subject, manifest), "its disruption budget lets more than one go", manifest.id)
    for cluster in subject.of_kind("Cluster"):
        spec = cluster.body["spec"]
        if spec["instances"] > 1 and not (spec.get("affinity") or {}).get("enablePodAntiAffinity"):
            yield Violation(origin(subject, cluster), "nothing keeps its pods on different nodes", cluster.id)
        if spec["instances"] > 1 and spec.get("enablePDB") is not True:
            yield Violation(origin(subject, cluster), "nothing keeps its primary from being evicted", cluster.id)


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "workload-api-token",
        "A pod has a token for the API server only where it has a role",
        "Whoever breaks into a pod takes its token along, and asks the API server what else there is.",
        "Set automountServiceAccountToken: false, or bind the service account to the role it needs.",
        "CIS Kubernetes Benchmark 5.1.6; NSA and CISA, Kubernetes Hardening Guide",
        OUTSIDE_DEVELOPMENT,
        _api_token,
    ),
    Rule(
        "workload-api-rights",
        "A role allows no wildcard, and secrets by their names only",
        "A role over all secrets of a namespace is every password in it.",
        "List the verbs and resources, and the secrets by resourceNames.",
        "CIS Kubernetes Benchmark 5.1.2 and 5.1.3",
        OUTSIDE_DEVELOPMENT,
        _api_rights,
    ),
    Rule(
        "workload-node-access",
        "Nothing sees the machine that it runs on",
        "A path, a port or a process list of the node is a way out of the container.",
        "Use volumes, Services and secret files; on docker a container's folder of secrets, read-only.",
        "Kubernetes documentation, pod security standards (baseline); CIS Docker Benchmark 5",
        SHARED,
        _node,
    ),
    Rule(
        "workload-operator-pods",
        "Pods that an operator makes are kept apart and evicted one at a time",
        "Operators spread and guard pods as they are told to, and by default hardly.",
        "Leave spread, affinity and disruption budget to the platform.",
        "Strimzi documentation, pod templates; CloudNativePG documentation, scheduling and enablePDB",
        OUTSIDE_DEVELOPMENT,
        _operators_pods,
    ),
)
