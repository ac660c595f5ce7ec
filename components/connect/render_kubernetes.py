"""Kafka Connect as Strimzi objects (API ``kafka.strimzi.io/v1``). Pure."""

from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from components.connect.access import MOUNTS, certificates, secrets, worker_client
from components.connect.connectors import Connector, connectors
from components.connect.derive import REST_PORT, has_sink_connector, has_source_connector
from components.connect.names import COLOURS, COMPONENT, CONNECTORS, Colour, cluster_name, storage_topics
from components.connect.worker import common_settings
from components.core.kubernetes import (
    GRACE_SECONDS,
    Body,
    autoscaler,
    container_security,
    manifest,
    network_policy,
    opening,
    pod_security,
    resources,
    spread,
)
from components.core.rendered import Manifest, Rendered
from components.core.secrets import SecretFile
from components.haproxy import derive as haproxy
from components.kafka.clients import CLUSTER_CA
from components.kafka.network_policies import CLIENT_LABEL
from components.observability.strimzi import connect_metrics
from components.postgres.derive import destination
from components.schema_registry import derive as registry
from components.tracing.senders import certificate, java_variables

if TYPE_CHECKING:
    from components.connect.spec import BuildSpec, ConnectSpec
    from components.environment import EnvironmentSpec

API_VERSION = "kafka.strimzi.io/v1"
_KIND_LABEL = "strimzi.io/kind"
COLOUR_LABEL = "cdc.platform/colour"
"""Of a KafkaConnect."""

_API_SERVER = (443, 6443)
_LONGEST_LABEL = 63


def render(environment: "EnvironmentSpec", connect: "ConnectSpec") -> Rendered:
    """Two Connect clusters with their openings, and the connectors of the active one."""
    manifests = [_cluster(environment, connect, colour) for colour in COLOURS]
    manifests += [_openings(environment, colour) for colour in COLOURS]
    for colour in COLOURS:
        manifests += _rights(environment, colour)
    if connect.autoscaling is not None:
        manifests.append(_autoscaler(environment, connect))
    manifests += [
        connector_manifest(environment, connect, connector, connect.active)
        for connector in connectors(environment, connect.active)
    ]
    return Rendered(manifests=tuple(manifests))


def _cluster(environment: "EnvironmentSpec", connect: "ConnectSpec", colour: Colour) -> Manifest:
    name, context = cluster_name(environment.kafka, colour), environment.context
    topics = storage_topics(environment.kafka, colour)
    heap = f"{connect.heap_bytes >> 20}m"
    jvm: Body = {"-Xms": heap, "-Xmx": heap}
    if connect.jvm.options:
        jvm["-XX"] = dict(sorted(connect.jvm.options.items()))
    spec: Body = {
        "version": environment.kafka.version,
        "replicas": connect.workers(colour),
        "bootstrapServers": worker_client(environment, colour).bootstrap,
        "groupId": name,
        "configStorageTopic": topics["config"],
        "offsetStorageTopic": topics["offset"],
        "statusStorageTopic": topics["status"],
        **_client(environment, colour),
        "config": common_settings(environment, connect),
        "resources": resources(connect.resources),
        "jvmOptions": jvm,
        "template": _template(environment, colour),
        **_image(connect, colour),
        **connect_metrics(environment),
        **({} if environment.tracing is None else {"tracing": {"type": "opentelemetry"}}),
    }
    labels = {COLOUR_LABEL: colour}
    annotations = {"strimzi.io/use-connector-resources": "true"}
    return manifest(COMPONENT, context, API_VERSION, "KafkaConnect", name, labels=labels, annotations=annotations, spec=spec)


def _client(environment: "EnvironmentSpec", colour: Colour) -> Body:
    """How the workers reach Kafka as themselves, in the operator's own words."""
    client = worker_client(environment, colour)
    body: Body = {}
    if client.tls:
        ca = next(file for file in client.secrets if file.name == CLUSTER_CA)
        body["tls"] = {"trustedCertificates": [{"secretName": ca.secret, "certificate": ca.key}]}
    if client.with_password:
        password = {"secretName": client.user, "password": "password"}
        body["authentication"] = {"type": "scram-sha-512", "username": client.user, "passwordSecret": password}
    return body


def _image(connect: "ConnectSpec", colour: Colour) -> Body:
    image = connect.images.get(colour) or connect.image
    if image is not None:
        return {"image": image}
    return {} if connect.build is None else {"build": _build(connect.build)}


def _build(build: "BuildSpec") -> Body:
    output: Body = {"type": "docker", "image": build.image}
    if build.push_secret is not None:
        output["pushSecret"] = build.push_secret
    plugins = []
    for plugin in build.plugins:
        parts = [coordinate.split(":") for coordinate in plugin.artifacts]
        artifacts = [{"type": "maven", "group": group, "artifact": name, "version": version} for group, name, version in parts]
        plugins.append({"name": plugin.name, "artifacts": artifacts})
    return {"output": output, "plugins": plugins, "resources": resources(build.resources)}


def _template(environment: "EnvironmentSpec", colour: Colour) -> Body:
    """Pods that may reach Kafka, spread over nodes and racks, with the certificates that they trust."""
    context = environment.context
    selector = pod_labels(environment, colour)
    constraints = spread(selector)
    if environment.kafka.racks is not None:
        constraints = [*spread(selector, environment.kafka.racks.topology_key), *constraints]
    pod: Body = {
        "metadata": {"labels": CLIENT_LABEL},
        "priorityClassName": context.priority_class("service"),
        "securityContext": pod_security(),
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "topologySpreadConstraints": constraints,
    }
    container: Body = {"securityContext": container_security(), **_variables(environment, colour)}
    files = certificates(environment, colour)
    if files:
        secrets = sorted({file.secret for file in files})
        pod["volumes"] = [_volume(secret, files) for secret in secrets]
        container["volumeMounts"] = [
            {"name": _volume_name(secret), "mountPath": f"{MOUNTS}/{secret}", "readOnly": True} for secret in secrets
        ]
    return {"pod": pod, "connectContainer": container, "podDisruptionBudget": {"maxUnavailable": 1}}


def _variables(environment: "EnvironmentSpec", colour: Colour) -> Body:
    """What Strimzi's tracing reads: where spans go, and whom to trust there."""
    variables = java_variables(environment, cluster_name(environment.kafka, colour), MOUNTS)
    for ca in certificate(environment):
        variables["OTEL_EXPORTER_OTLP_CERTIFICATE"] = f"{MOUNTS}/{ca.secret}/{ca.name}"
    return {"env": [{"name": name, "value": value} for name, value in sorted(variables.items())]} if variables else {}


def _volume(secret: str, files: Iterable[SecretFile]) -> Body:
    """One for each Secret: Strimzi mounts no projected volumes."""
    items = [{"key": file.key, "path": file.name} for file in files if file.secret == secret]
    return {"name": _volume_name(secret), "secret": {"secretName": secret, "defaultMode": 0o440, "items": items}}


def _volume_name(secret: str) -> str:
    """A DNS label. Strimzi's own volumes may have the Secret's name."""
    name = f"files-{secret}"
    if "." not in name and len(name) <= _LONGEST_LABEL:
        return name
    end = sha256(secret.encode()).hexdigest()[:8]
    return f"{name.replace('.', '-')[: _LONGEST_LABEL - len(end) - 1]}-{end}"


def _rights(environment: "EnvironmentSpec", colour: Colour) -> list[Manifest]:
    """The workers' service account, which the operator makes, may read the Secrets of the connectors, each by name."""
    name = cluster_name(environment.kafka, colour)
    mounted = set(certificates(environment, colour))
    named = sorted({file.secret for file in secrets(environment, colour) if file not in mounted})
    if not named:
        return []
    rbac, context = "rbac.authorization.k8s.io/v1", environment.context
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": named}]
    account = {"kind": "ServiceAccount", "name": f"{name}-connect", "namespace": context.namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": f"{name}-secrets"}
    return [
        manifest(COMPONENT, context, rbac, "Role", f"{name}-secrets", rules=rules),
        manifest(COMPONENT, context, rbac, "RoleBinding", f"{name}-secrets", roleRef=reference, subjects=[account]),
    ]


def pod_labels(environment: "EnvironmentSpec", colour: Colour) -> dict[str, str]:
    """What a colour's pods, and no others, are known by."""
    return {"strimzi.io/cluster": cluster_name(environment.kafka, colour), _KIND_LABEL: "KafkaConnect"}


def _openings(environment: "EnvironmentSpec", colour: Colour) -> Manifest:
    """To each other, to the API server and the databases (which are no pods, so only ports can be named), and to a registry
    that has no HAProxy before it. Kafka and HAProxy are opened by the client label; the operator opens the way to itself."""
    own = pod_labels(environment, colour)
    egress = [opening("to", [own], REST_PORT), opening("to", [], *_API_SERVER)]
    if environment.schema_registry is not None and environment.haproxy is None:
        egress.append(opening("to", [{"app.kubernetes.io/name": registry.NAME}], registry.PORT))
    ports = _database_ports(environment)
    if ports:
        egress.append(opening("to", [], *ports))
    known = [own] if environment.haproxy is None else [own, {"app.kubernetes.io/name": haproxy.NAME}]
    ingress = [opening("from", known, REST_PORT)]
    return network_policy(COMPONENT, cluster_name(environment.kafka, colour), own, environment.context, ingress, egress)


def _database_ports(environment: "EnvironmentSpec") -> list[int]:
    ports = set()
    for pipeline in environment.pipelines:
        if has_source_connector(pipeline) and pipeline.source.chosen is not None:
            ports.add(pipeline.source.chosen[1].port or 3306)
        if has_sink_connector(pipeline):
            ports.add(destination(environment, pipeline).port)
    return sorted(ports)


def _autoscaler(environment: "EnvironmentSpec", connect: "ConnectSpec") -> Manifest:
    """Requirement A12. It scales the Connect object, and the operator its pods: connectors move, and no data is on them."""
    assert connect.autoscaling is not None
    name = cluster_name(environment.kafka, connect.active)
    return autoscaler(COMPONENT, environment.context, API_VERSION, "KafkaConnect", name, connect.autoscaling)


def connector_manifest(
    environment: "EnvironmentSpec", connect: "ConnectSpec", connector: Connector, colour: Colour
) -> Manifest:
    """One KafkaConnector, which the operator starts again at most so often. One that says nothing runs. One that is stopped is
    made without ever being started only by operators that have strimzi-kafka-operator#12974; ``cdc connect`` relies on none."""
    labels = {"strimzi.io/cluster": cluster_name(environment.kafka, colour), "cdc.platform/pipeline": connector.pipeline}
    spec = {
        "class": connector.connector_class,
        "tasksMax": connector.tasks,
        **({"state": "stopped"} if environment.stands_by else {}),
        "autoRestart": {"enabled": True, "maxRestarts": connect.max_restarts},
        "config": {k: v for k, v in sorted(connector.config.items()) if k not in {"connector.class", "tasks.max"}},
    }
    made = manifest(COMPONENT, environment.context, API_VERSION, "KafkaConnector", connector.name, labels=labels, spec=spec)
    return replace(made, component=CONNECTORS)
