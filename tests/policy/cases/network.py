"""Openings, hops, what a pod has of its node and of the API server, and experiments."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from components.core.rendered import Mount
from policies.model import Subject
from tests.policy import environments as env
from tests.policy.cases.making import BROKER, Body, Case, at, extra, manifests, spec

HAPROXY, REDIS = "Deployment/cdc/haproxy", "StatefulSet/cdc/redis"


def pod(**content: Any) -> Body:
    """A Deployment in a namespace of its own mind."""
    meta = {"name": "app", "namespace": "cdc"}
    template = {"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [], **content}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"template": template}}


def policy(name: str, change: Callable[[Body], None], rule: str, what: str, path: str, resource: str) -> Case:
    return manifests(rule, what, path, resource, change, "NetworkPolicy", name=name)


def role(**rule: Any) -> Body:
    meta = {"name": "all", "namespace": "cdc"}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": [rule]}


def opened(body: Body) -> None:
    body["spec"]["ingress"].append({"ports": [{"port": 8404}], "from": [{"podSelector": {}}]})
    body["spec"].setdefault("egress", [])


def let_out(body: Body) -> None:
    """Redis to HAProxy's statistics, which are open to all after :func:`opened`."""
    body["spec"]["egress"].append({})


def surplus() -> Subject:
    """Both sides let it through; one alone would change nothing."""
    subject = env.with_manifests(opened, "NetworkPolicy", name="haproxy")
    changed = env.with_manifests(let_out, "NetworkPolicy", name="redis")
    redis = next(m for m in changed.rendered.manifests if (m.kind, m.name) == ("NetworkPolicy", "redis"))
    all_of_them = tuple(redis if (m.kind, m.name) == (redis.kind, redis.name) else m for m in subject.rendered.manifests)
    return Subject(subject.spec, replace(subject.rendered, manifests=all_of_them))


def schedule(**changes: Any) -> Body:
    good = {"action": "pod-failure", "mode": "one", "duration": "1m"}
    selector = {"namespaces": ["cdc"], "labelSelectors": {"app": "app"}}
    experiment = {**good, "selector": selector, **changes}
    body = {"type": "PodChaos", "concurrencyPolicy": "Forbid", "podChaos": experiment}
    meta = {"name": "own", "namespace": "cdc"}
    return {"apiVersion": "chaos-mesh.org/v1alpha1", "kind": "Schedule", "metadata": meta, "spec": body}


def chaos(what: str, **changes: Any) -> Case:
    return Case(
        "chaos-bounded",
        what,
        lambda: env.with_manifest(schedule(**changes), "chaos"),
        "chaos",
        "Schedule/cdc/own",
    )


def in_files(old: str, new: str) -> Callable[[Body], None]:
    def change(body: Body) -> None:
        assert any(old in text for text in body["data"].values()), old
        body["data"] = {name: text.replace(old, new) for name, text in body["data"].items()}

    return change


NETWORK = (
    policy(
        "sink-orders",
        at("spec/egress/0/ports/0/port", 5433),
        "network-opening-missing",
        "way out",
        "sink",
        "Deployment/cdc/sink-orders",
    ),
    policy("schema-registry", at("spec/ingress", []), "network-opening-missing", "way in", "haproxy", HAPROXY),
    policy("scrape-sink", at("spec/ingress", []), "network-opening-missing", "metrics", "sink", "Deployment/cdc/sink-orders"),
    Case("network-opening-surplus", "both ways", surplus, "haproxy", HAPROXY),
    policy(
        "postgres",
        at("spec/ingress/0/from/3/namespaceSelector/matchLabels", {"kubernetes.io/metadata.name": "somebody"}),
        "network-namespaces",
        "nobody's",
        "postgres",
        "NetworkPolicy/cdc/postgres",
    ),
    policy(
        "postgres",
        at("spec/ingress/0/from/3/namespaceSelector", {}),
        "network-namespaces",
        "all of them",
        "postgres",
        "NetworkPolicy/cdc/postgres",
    ),
    spec("transport-encrypted", "source", "pipelines[0].source.mysql", {"pipelines[0].source.mysql.tls": None}),
    spec("transport-encrypted", "HAProxy", "haproxy.tls.enabled", {"haproxy.tls": {"enabled": False}}),
    spec("transport-encrypted", "registry", "schemaRegistry.tls.enabled", {"schemaRegistry.tls": {"enabled": False}}),
    spec("transport-encrypted", "listener", "kafka.listeners[0].tls", {"kafka.listeners[0].tls": False}),
    spec("transport-encrypted", "Redis", "redis.tls.enabled", {"redis.tls": {"enabled": False}}),
    spec("transport-encrypted", "Vault", "vault.tls.enabled", {"vault.tls": {"enabled": False}}),
    spec("transport-encrypted", "collector", "tracing.tls.enabled", {"tracing.tls": {"enabled": False}}),
    manifests(
        "transport-verified",
        "sslmode",
        "sink",
        "Deployment/cdc/sink-orders",
        in_files('"verify-full"', '"require"'),
        "ConfigMap",
        name="sink-orders",
    ),
    manifests(
        "transport-verified",
        "address",
        "sink",
        "Deployment/cdc/sink-orders",
        in_files("https://haproxy", "http://haproxy"),
        "ConfigMap",
        name="sink-orders",
    ),
    extra("workload-api-token", "no role", "kafka", "Deployment/cdc/app", pod()),
    extra("workload-api-rights", "verbs", "kafka", "Role/cdc/all", role(apiGroups=[""], resources=["pods"], verbs=["*"])),
    extra(
        "workload-api-rights", "secrets", "kafka", "Role/cdc/all", role(apiGroups=[""], resources=["secrets"], verbs=["get"])
    ),
    extra("workload-node-access", "process list", "kafka", "Deployment/cdc/app", pod(hostPID=True)),
    extra(
        "workload-node-access",
        "path",
        "kafka",
        "Deployment/cdc/app",
        pod(volumes=[{"name": "run", "hostPath": {"path": "/run"}}]),
    ),
    extra(
        "workload-node-access",
        "port",
        "kafka",
        "Deployment/cdc/app",
        pod(containers=[{"name": "a", "ports": [{"containerPort": 1, "hostPort": 80}]}]),
    ),
    Case(
        "workload-node-access",
        "the daemon's socket",
        lambda: env.with_workloads(mounts=(Mount("/run/docker.sock", host_path="/run/docker.sock"),)),
        "kafka",
        BROKER,
        "docker",
    ),
    manifests(
        "workload-operator-pods",
        "together",
        "connect",
        "KafkaConnect/cdc/cdc-connect-blue",
        at("spec/template/pod/topologySpreadConstraints", env.REMOVED),
        "KafkaConnect",
    ),
    manifests(
        "workload-operator-pods",
        "all at once",
        "connect",
        "KafkaConnect/cdc/cdc-connect-blue",
        at("spec/template/podDisruptionBudget", env.REMOVED),
        "KafkaConnect",
    ),
    manifests(
        "workload-operator-pods", "PostgreSQL together", "postgres", "Cluster/cdc/postgres", at("spec/affinity", {}), "Cluster"
    ),
    manifests(
        "workload-operator-pods",
        "PostgreSQL at once",
        "postgres",
        "Cluster/cdc/postgres",
        at("spec/enablePDB", False),
        "Cluster",
    ),
    chaos("many", mode="all"),
    chaos("for ever", duration=None),
    chaos("elsewhere", selector={"namespaces": ["default"], "labelSelectors": {"app": "app"}}),
    chaos("everything", selector={"namespaces": ["cdc"]}),
    chaos("towards others", target={"mode": "all", "selector": {"namespaces": ["kube-system"], "labelSelectors": {"a": "b"}}}),
)
