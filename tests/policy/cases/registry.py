"""The schema registry, HAProxy in front of it, and services on Kubernetes in general."""

from typing import Any

from tests.policy import environments as env
from tests.policy.cases.making import Case, at, extra, manifests, spec

_HAPROXY, _REGISTRY = "Deployment/cdc/haproxy", "Deployment/cdc/schema-registry"
_POD = "spec/template/spec"


def _stateful(**container: Any) -> dict[str, Any]:
    pod = {"containers": [{"name": "app", **container}]}
    metadata = {"name": "app", "namespace": "cdc"}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": {"template": {"spec": pod}}}


REGISTRY = (
    spec(
        "registry-compatibility",
        "none at all",
        "schemaRegistry.compatibility",
        {"schemaRegistry.compatibility": "NONE"},
    ),
    spec(
        "registry-compatibility",
        "none of a subject",
        "schemaRegistry.subjects[0].compatibility",
        {"schemaRegistry.subjects": [{"subject": "x-value", "compatibility": "NONE"}]},
    ),
    spec("registry-encryption", "off", "schemaRegistry.tls.enabled", {"schemaRegistry.tls.enabled": False}),
    spec("registry-replicas", "one", "schemaRegistry.replicas", {"schemaRegistry.replicas": 1}),
    spec("registry-spare", "two", "schemaRegistry.replicas", {"schemaRegistry.replicas": 2}),
    Case(
        "registry-storage",
        "two partitions",
        lambda: env.with_topic("_schemas", partitions=2),
        "schemaRegistry",
        "KafkaTopic/cdc/schemas",
    ),
    Case(
        "registry-storage",
        "forgets",
        lambda: env.with_topic("_schemas", config={"retention.ms": 1}),
        "schemaRegistry",
        "KafkaTopic/cdc/schemas",
    ),
    Case(
        "registry-storage",
        "deletes",
        lambda: env.with_topic("_schemas", config={"cleanup.policy": "delete"}),
        "schemaRegistry",
        "KafkaTopic/cdc/schemas",
    ),
    Case("registry-storage", "no topic", lambda: env.without_topic("_schemas"), "schemaRegistry"),
    spec(
        "registry-subject-schema",
        "none",
        "schemaRegistry.subjects[0].file",
        {"schemaRegistry.subjects": [{"subject": "x-value", "compatibility": "FULL"}]},
    ),
    spec("haproxy-replicas", "one", "haproxy.replicas", {"haproxy.replicas": 1}),
    spec("haproxy-encryption", "off", "haproxy.tls.enabled", {"haproxy.tls": {"enabled": False}}),
    spec("haproxy-authentication", "none", "haproxy.authentication", {"haproxy.authentication": "none"}),
    spec(
        "haproxy-authentication",
        "none at one",
        "haproxy.frontends.schema-registry.authentication",
        {"haproxy.frontends": {"schema-registry": {"authentication": "none"}}},
    ),
    Case("registry-entrance", "none", lambda: env.with_parts(haproxy=None), "haproxy"),
    manifests(
        "workload-probes",
        "not ready",
        "haproxy",
        _HAPROXY,
        at(f"{_POD}/containers/0/readinessProbe", env.REMOVED),
        "Deployment",
        name="haproxy",
    ),
    extra("workload-probes", "any service", "kafka", "StatefulSet/cdc/app", _stateful(readinessProbe={"x": 1})),
    manifests(
        "workload-spread",
        "none",
        "schemaRegistry",
        _REGISTRY,
        at(f"{_POD}/topologySpreadConstraints", []),
        "Deployment",
        name="schema-registry",
    ),
    manifests(
        "workload-spread",
        "of others",
        "haproxy",
        _HAPROXY,
        at(f"{_POD}/topologySpreadConstraints/0/labelSelector", {"matchLabels": {"app": "other"}}),
        "Deployment",
        name="haproxy",
    ),
    Case(
        "workload-disruption-budget",
        "none",
        lambda: env.without_manifest("PodDisruptionBudget", "haproxy"),
        "haproxy",
        _HAPROXY,
    ),
    manifests(
        "workload-disruption-budget",
        "two at once",
        "schemaRegistry",
        _REGISTRY,
        at("spec/maxUnavailable", 2),
        "PodDisruptionBudget",
        name="schema-registry",
    ),
)
