"""MirrorMaker 2 as a Strimzi object (``kafka.strimzi.io/v1`` KafkaMirrorMaker2). Pure.

Strimzi adds the Connect settings that it owns, its network policy for the REST port, and a disruption budget from the
template. It has no heartbeat connector; positions and record ages tell the lag all the same.
"""

from components.core.kubernetes import (
    GRACE_SECONDS,
    Body,
    config_map,
    container_security,
    manifest,
    network_policy,
    opening,
    pod_security,
    resources,
    spread,
)
from components.core.rendered import Manifest, Rendered
from components.environment import EnvironmentSpec
from components.kafka.clients import KafkaClient, kafka_client
from components.kafka.network_policies import CLIENT_LABEL
from components.mirror_maker import derive, metrics, settings
from components.mirror_maker.names import COMPONENT, REST_PORT, ports, source_client
from components.mirror_maker.spec import MirrorMakerSpec

API_VERSION = "kafka.strimzi.io/v1"
METRICS, METRICS_KEY = "mirror-maker-metrics", "metrics.yaml"
MOST_RESTARTS = 10
"""Of a connector that fails, in a row; then somebody must look. Strimzi waits longer before each, up to an hour."""


def render(mirror: MirrorMakerSpec, spec: EnvironmentSpec) -> Rendered:
    """The object, what its metrics are called, and the way out to the source."""
    context = spec.context
    rules = config_map(COMPONENT, METRICS, context, {METRICS_KEY: metrics.exporter_rules()})
    return Rendered(manifests=(_mirror_maker(mirror, spec), rules, _network_policy(mirror, spec)))


def _mirror_maker(mirror: MirrorMakerSpec, spec: EnvironmentSpec) -> Manifest:
    heap = f"{mirror.heap_bytes >> 20}m"
    body: Body = {
        "version": spec.kafka.version,
        "replicas": 0 if mirror.failed_over else mirror.replicas,
        "target": _target(mirror, spec),
        "mirrors": [_mirror(mirror, spec)],
        "resources": resources(mirror.resources),
        "jvmOptions": {"-Xms": heap, "-Xmx": heap, **({"-XX": dict(mirror.jvm.options)} if mirror.jvm.options else {})},
        "metricsConfig": {
            "type": "jmxPrometheusExporter",
            "valueFrom": {"configMapKeyRef": {"name": METRICS, "key": METRICS_KEY}},
        },
        "template": _template(spec),
    }
    if mirror.image is not None:
        body["image"] = mirror.image
    return manifest(COMPONENT, spec.context, API_VERSION, "KafkaMirrorMaker2", spec.kafka.name, spec=body)


def _target(mirror: MirrorMakerSpec, spec: EnvironmentSpec) -> Body:
    client = kafka_client(spec.kafka, spec.context, derive.WRITER)
    topics = {f"{what}StorageTopic": derive.storage_topic(mirror, topic) for what, topic in derive.STORAGE.items()}
    return {
        **_cluster(spec.name, client),
        "groupId": derive.group_id(mirror),
        **topics,
        "config": dict(sorted(settings.worker(mirror, spec).items())),
    }


def _mirror(mirror: MirrorMakerSpec, spec: EnvironmentSpec) -> Body:
    """The source's consumer is set on its connector: what stands under ``source.config`` is for clients of every kind. That
    connector must write exactly once, or not start; the other cannot (in dedicated mode both have the same settings)."""
    names = settings.names(mirror, spec)
    own: settings.Settings = {f"source.{key}": value for key, value in settings.source_consumer(mirror).items()}
    own |= {"exactly.once.support": "required"} if mirror.exactly_once else {}
    return {
        "source": _cluster(mirror.source.cluster_alias, source_client(mirror.source)),
        "topicsPattern": names["topics"],
        "topicsExcludePattern": names["topics.exclude"],
        "groupsPattern": names["groups"],
        "groupsExcludePattern": names["groups.exclude"],
        "sourceConnector": _connector(mirror.tasks_max, settings.source_connector(mirror, spec) | own),
        "checkpointConnector": _connector(mirror.tasks_max, settings.checkpoint_connector(mirror, spec)),
    }


def _connector(tasks: int, config: settings.Settings) -> Body:
    return {
        "tasksMax": tasks,
        "autoRestart": {"enabled": True, "maxRestarts": MOST_RESTARTS},
        "config": dict(sorted(config.items())),
    }


def _cluster(alias: str, client: KafkaClient) -> Body:
    """One side. Encryption without a certificate named trusts what the image trusts."""
    body: Body = {"alias": alias, "bootstrapServers": client.bootstrap}
    files = {file.name.rpartition(".")[2]: file for file in client.secrets}
    if client.tls:
        trusted = [{"secretName": files["pem"].secret, "certificate": files["pem"].key}] if "pem" in files else []
        body["tls"] = {"trustedCertificates": trusted}
    if client.with_password:
        password = {"secretName": files["password"].secret, "password": files["password"].key}
        body["authentication"] = {"type": "scram-sha-512", "username": client.user, "passwordSecret": password}
    return body


def _template(spec: EnvironmentSpec) -> Body:
    context = spec.context
    return {
        "pod": {
            "metadata": {"labels": CLIENT_LABEL},
            "priorityClassName": context.priority_class("service"),
            "securityContext": pod_security(),
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "topologySpreadConstraints": spread(selector(spec)),
        },
        "connectContainer": {"securityContext": container_security()},
        "podDisruptionBudget": {"maxUnavailable": 1},
    }


def selector(spec: EnvironmentSpec) -> dict[str, str]:
    """What Strimzi knows MirrorMaker's pods by."""
    return {"strimzi.io/cluster": spec.kafka.name, "strimzi.io/kind": "KafkaMirrorMaker2"}


def _network_policy(mirror: MirrorMakerSpec, spec: EnvironmentSpec) -> Manifest:
    """To the source, which is no pod of this cluster, so that only its port can be opened; and to each other."""
    own = selector(spec)
    egress = [opening("to", [], *ports(mirror.source)), opening("to", [own], REST_PORT)]
    return network_policy(COMPONENT, f"{spec.kafka.name}-mirror-maker", own, spec.context, egress=egress)
