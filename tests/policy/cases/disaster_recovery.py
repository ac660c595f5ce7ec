"""Standbys."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from components.core.rendered import Manifest
from policies.model import Subject
from tests.policy import environments as env
from tests.policy.cases.making import Body, Case, at, spec

MIRROR = "KafkaMirrorMaker2/cdc/cdc-dr"
SOURCE, CHECKPOINT = "spec/mirrors/0/sourceConnector/config", "spec/mirrors/0/checkpointConnector/config"


def _standing(change: Callable[[Body], None], kind: str, name: str) -> Subject:
    """``prod-dr`` with one of its objects changed in place."""
    subject = env.good("prod-dr")

    def changed(manifest: Manifest) -> Manifest:
        if (manifest.kind, manifest.name) != (kind, name):
            return manifest
        body = copy.deepcopy(dict(manifest.body))
        change(body)
        return replace(manifest, body=body)

    return replace(subject, rendered=replace(subject.rendered, manifests=tuple(map(changed, subject.rendered.manifests))))


def _rendered(rule: str, what: str, path: str, place: str, value: object) -> Case:
    """A case that only a fault in the rendering of the mirror makes."""
    return Case(rule, what, lambda: _standing(at(place, value), "KafkaMirrorMaker2", "cdc-dr"), path, MIRROR, "prod-dr")


def _standby(rule: str, what: str, path: str, changes: dict[str, Any]) -> Case:
    return spec(rule, what, path, changes, base="prod-dr")


def _pair(changes: dict[str, Any], own: dict[str, Any] | None = None) -> Subject:
    """``prod`` with ``own`` changes, beside a ``prod-dr`` with ``changes``."""
    return replace(env.with_spec(own or {}), others={"prod-dr": env.spec_with("prod-dr", changes)})


DISASTER_RECOVERY = (
    spec("recovery-standby", "none", "disasterRecovery", {"disasterRecovery": env.REMOVED}),
    _rendered("recovery-replication-policy", "another", "mirrorMaker", f"{SOURCE}/replication.policy.class", "x.Other"),
    _rendered("recovery-replication-policy", "left out", "mirrorMaker", f"{CHECKPOINT}/replication.policy.class", env.REMOVED),
    _rendered("recovery-group-offsets", "off", "mirrorMaker.groupOffsets", f"{CHECKPOINT}/sync.group.offsets.enabled", False),
    _rendered(
        "recovery-group-offsets", "no checkpoints", "mirrorMaker.groupOffsets", f"{CHECKPOINT}/emit.checkpoints.enabled", False
    ),
    _rendered("recovery-acl-sync", "left on", "mirrorMaker", f"{SOURCE}/sync.topic.acls.enabled", env.REMOVED),
    _rendered("recovery-replication-factor", "one", "mirrorMaker.replicationFactor", f"{SOURCE}/replication.factor", 1),
    _standby("recovery-promises", "a longer RPO", "mirrorMaker.rpo", {"mirrorMaker.rpo": "2m"}),
    spec("recovery-promises", "a longer RTO", "disasterRecovery.rto", {"disasterRecovery.rto": "10m"}),
    _standby("recovery-intervals", "topics found late", "mirrorMaker.refresh", {"mirrorMaker.refresh": "10m"}),
    _standby("recovery-intervals", "positions known late", "mirrorMaker.groupOffsets", {"mirrorMaker.groupOffsets": "1m"}),
    _standby("recovery-nodes", "one", "mirrorMaker.replicas", {"mirrorMaker.replicas": 1}),
    _standby(
        "recovery-secured",
        "plain text",
        "mirrorMaker.source.tls",
        {"mirrorMaker.source.tls": False, "mirrorMaker.source.ca": None},
    ),
    _standby("recovery-secured", "nobody", "mirrorMaker.source.password", {"mirrorMaker.source.password": None}),
    Case(
        "recovery-coverage",
        "a tenant that the standby does not know",
        lambda: _pair({"mirrorMaker.topics": ["shop_.+"]}),
        "pipelines[2].dlq",
        "KafkaTopic/cdc/billing-invoices-dlq",
    ),
    Case(
        "recovery-coverage",
        "a group of another name",
        lambda: _pair({}, {"pipelines[0].sink.group": "elsewhere"}),
        "pipelines[0].sink.group",
    ),
    Case(
        "recovery-users",
        "a user that only the source has",
        lambda: _pair({}, {"kafka.users[1]": {"name": "auditor", "owner": "team-audit"}}),
        "kafka.users[1]",
        "KafkaUser/cdc/auditor",
    ),
    Case(
        "standby-rests",
        "a connector that runs",
        lambda: _standing(at("spec/state", "running"), "KafkaConnector", "orders-source-blue"),
        "mirrorMaker",
        "KafkaConnector/cdc/orders-source-blue",
        "prod-dr",
    ),
    Case(
        "standby-rests",
        "a sink worker",
        lambda: _standing(at("spec/replicas", 1), "Deployment", "sink-orders"),
        "mirrorMaker",
        "Deployment/cdc/sink-orders",
        "prod-dr",
    ),
    Case(
        "standby-registry-read-only",
        "one that may lead",
        lambda: _standing(at("data/schema-registry.properties", "leader.eligibility=true"), "ConfigMap", "schema-registry"),
        "mirrorMaker.registry",
        "ConfigMap/cdc/schema-registry",
        "prod-dr",
    ),
    Case(
        "standby-pipelines",
        "one less",
        lambda: _pair(
            {
                "pipelines": [one for one in env.written("prod-dr")["pipelines"] if one["name"] != "events"],
                "cassandraAgent": env.REMOVED,
            }
        ),
        "pipelines[1]",
    ),
    Case(
        "standby-pipelines",
        "another table",
        lambda: _pair({"pipelines[0].source.mysql.tables": ["shop.orders", "shop.order_lines"]}),
        "pipelines[0].source.mysql.tables",
    ),
)
