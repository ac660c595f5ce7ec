"""Kafka as Strimzi objects (API ``kafka.strimzi.io/v1``). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.core.context import Context
from components.core.kubernetes import Body, container_security, pod_security, resources
from components.core.quantities import kubernetes_bytes
from components.core.rendered import Manifest, Rendered
from components.core.resources import ResourcesSpec
from components.kafka.broker_defaults import CONNECTION_RATE, broker_defaults
from components.kafka.network_policies import CLIENT_LABEL, egress_policies
from components.kafka.node_spec import NodePoolSpec
from components.kafka.spec import KafkaSpec, ListenerSpec
from components.kafka.state import KafkaState
from components.kafka.tiered import s3_configuration
from components.kafka.topics_and_users import topic_manifests, user_manifests
from components.tenancy.spec import TenantSpec

COMPONENT = "kafka"
API_VERSION = "kafka.strimzi.io/v1"
BROKER_IDS, CONTROLLER_IDS = "[0-99]", "[100-199]"
CREDENTIALS_MOUNT = "/mnt/tiered-storage"
_GRACE_SECONDS = 300
"""Long enough for a broker to hand over its leaderships and close its logs; a killed one must recover them all."""


@dataclass(frozen=True, slots=True)
class Watched:
    """How the cluster is watched: what ``spec.kafka`` and ``spec`` have on top."""

    kafka: Body = field(default_factory=dict)
    cluster: Body = field(default_factory=dict)


def render(
    kafka: KafkaSpec, state: KafkaState, tenants: tuple[TenantSpec, ...], context: Context, watched: Watched
) -> Rendered:
    """The cluster, its node pools, rebalance templates, network policies, topics and users."""
    manifests = [
        _cluster(kafka, tenants, context, watched),
        *_node_pools(kafka, context),
        *_rebalances(kafka, context),
        *egress_policies(kafka, context),
        *topic_manifests(kafka, state, context),
        *user_manifests(kafka, state, context),
    ]
    return Rendered(manifests=tuple(manifests))


def _object(
    kind: str, name: str, context: Context, spec: Body, annotations: Mapping[str, str] | None = None, **labels: str
) -> Body:
    metadata: Body = {"name": name, "namespace": context.namespace, "labels": context.labels(COMPONENT, labels)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def _cluster(kafka: KafkaSpec, tenants: tuple[TenantSpec, ...], context: Context, watched: Watched) -> Manifest:
    spec: Body = {
        "kafka": _kafka(kafka, tenants, context) | watched.kafka,
        "entityOperator": _entity_operator(context),
        "clusterCa": _certificate_authority(kafka),
        "clientsCa": _certificate_authority(kafka),
        **watched.cluster,
    }
    if kafka.cruise_control is not None:
        spec["cruiseControl"] = _cruise_control(kafka.cruise_control.resources, kafka, context)
    return Manifest(COMPONENT, _object("Kafka", kafka.name, context, spec), stateful=True)


def _kafka(kafka: KafkaSpec, tenants: tuple[TenantSpec, ...], context: Context) -> Body:
    body: Body = {
        "version": kafka.version,
        "metadataVersion": kafka.metadata_version,
        "listeners": [_listener(listener, kafka, tenants) for listener in kafka.listeners],
        "config": _config(kafka),
        "template": _kafka_template(kafka, context),
    }
    if kafka.image is not None:
        body["image"] = kafka.image
    if kafka.authorization.type == "simple":
        body["authorization"] = {"type": "simple", "superUsers": _super_users(kafka)}
    if kafka.racks is not None:
        body["rack"] = {"topologyKey": kafka.racks.topology_key}
    if kafka.tiered is not None:
        manager = {
            "className": kafka.tiered.class_name,
            "classPath": kafka.tiered.class_path,
            "config": {
                key: _text(value)
                for key, value in s3_configuration(kafka.tiered, f"{context.environment}/{kafka.name}/").items()
            },
        }
        body["tieredStorage"] = {"type": "custom", "remoteStorageManager": manager}
    quotas = _default_quotas(kafka)
    if quotas:
        body["quotas"] = {"type": "kafka", **quotas}
    return body


def _text(value: object) -> str:
    """A configuration value as Java reads it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _config(kafka: KafkaSpec) -> Body:
    """``ssl.enabled.protocols`` is the one security key that Strimzi leaves to its users. The connection rate is left to the
    listeners: a broker's own would bound the brokers' connections to each other, and Strimzi lets nobody exempt those."""
    config = {**broker_defaults(kafka), "ssl.enabled.protocols": ",".join(kafka.tls.protocols)}
    return {key: value for key, value in sorted(config.items()) if key != CONNECTION_RATE}


def _super_users(kafka: KafkaSpec) -> list[str]:
    """A client that comes with a certificate is known by its subject, ``CN=<name>``; one with a password by its name."""
    by_certificate = {user.name for user in kafka.users if user.authentication == "tls"}
    return [f"CN={name}" if name in by_certificate else name for name in kafka.authorization.super_users]


def _listener(listener: ListenerSpec, kafka: KafkaSpec, tenants: tuple[TenantSpec, ...]) -> Body:
    body: Body = {"name": listener.name, "port": listener.port, "type": listener.type, "tls": listener.tls}
    if listener.authentication != "none":
        body["authentication"] = {"type": listener.authentication}
    if kafka.quotas.connection_rate is not None:
        body["configuration"] = {"maxConnectionCreationRate": int(kafka.quotas.connection_rate)}
    if listener.type == "internal":
        namespaces = sorted({namespace for tenant in tenants for namespace in tenant.namespaces})
        body["networkPolicyPeers"] = [
            {"podSelector": {"matchLabels": CLIENT_LABEL}},
            *({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}} for name in namespaces),
        ]
    return body


def _default_quotas(kafka: KafkaSpec) -> Body:
    default = kafka.quotas.default
    figures = {
        "producerByteRate": default.produce,
        "consumerByteRate": default.consume,
        "requestPercentage": default.request,
        "controllerMutationRate": default.controller_mutations,
    }
    return {key: value for key, value in figures.items() if value is not None}


def _kafka_template(kafka: KafkaSpec, context: Context) -> Body:
    """The operator makes the disruption budget itself from this template; a second one over the same pods would block
    every eviction."""
    pod = _pod(context, "data") | {"terminationGracePeriodSeconds": _GRACE_SECONDS}
    container: Body = {"securityContext": container_security()}
    if kafka.tiered is not None and kafka.tiered.credentials is not None:
        scheme, _, rest = kafka.tiered.credentials.partition(":")
        path, _, key = rest.partition("#")
        secret = path if scheme == "secret" else f"{kafka.name}-tiered-storage"
        pod["volumes"] = [
            {"name": "tiered-storage", "secret": {"secretName": secret, "items": [{"key": key, "path": "credentials"}]}}
        ]
        container["volumeMounts"] = [{"name": "tiered-storage", "mountPath": CREDENTIALS_MOUNT, "readOnly": True}]
        container["env"] = [{"name": "AWS_SHARED_CREDENTIALS_FILE", "value": f"{CREDENTIALS_MOUNT}/credentials"}]
    return {
        "pod": pod,
        "kafkaContainer": container,
        "initContainer": {"securityContext": container_security()},
        "podDisruptionBudget": {"maxUnavailable": 1},
    }


def _pod(context: Context, role: str) -> Body:
    return {"priorityClassName": context.priority_class(role), "securityContext": pod_security()}


def _entity_operator(context: Context) -> Body:
    bounds = resources(ResourcesSpec(cpu="200m", memory="512Mi"))
    container = {"securityContext": container_security()}
    template = {"pod": _pod(context, "service"), "topicOperatorContainer": container, "userOperatorContainer": container}
    return {"topicOperator": {"resources": bounds}, "userOperator": {"resources": bounds}, "template": template}


def _certificate_authority(kafka: KafkaSpec) -> Body:
    """Without an owner reference the CAs, and so every client's trust, outlive the Kafka object."""
    return {
        "generateCertificateAuthority": True,
        "generateSecretOwnerReference": False,
        "validityDays": kafka.tls.validity_days,
        "renewalDays": kafka.tls.renew_before_days,
    }


def _cruise_control(spec: ResourcesSpec, kafka: KafkaSpec, context: Context) -> Body:
    body: Body = {
        "resources": resources(spec),
        "template": {"pod": _pod(context, "service"), "cruiseControlContainer": {"securityContext": container_security()}},
    }
    if kafka.cruise_control is not None and kafka.cruise_control.auto_rebalance:
        body["autoRebalance"] = [
            {"mode": mode, "template": {"name": f"{kafka.name}-{mode}"}} for mode in ("add-brokers", "remove-brokers")
        ]
    return body


def _node_pools(kafka: KafkaSpec, context: Context) -> list[Manifest]:
    if kafka.combined:
        return [_node_pool("brokers", kafka.brokers, ["controller", "broker"], BROKER_IDS, kafka, context)]
    return [
        _node_pool("brokers", kafka.brokers, ["broker"], BROKER_IDS, kafka, context),
        _node_pool("controllers", kafka.controllers, ["controller"], CONTROLLER_IDS, kafka, context),
    ]


def _node_pool(name: str, pool: NodePoolSpec, roles: list[str], ids: str, kafka: KafkaSpec, context: Context) -> Manifest:
    """Node ids come from ranges of their own, so that a controller added later never takes a broker's."""
    heap = f"{pool.heap_bytes >> 20}m"
    jvm: Body = {"-Xms": heap, "-Xmx": heap}
    if pool.jvm.options:
        jvm["-XX"] = dict(sorted(pool.jvm.options.items()))
    spec: Body = {
        "replicas": pool.replicas,
        "roles": roles,
        "storage": _storage(pool),
        "resources": resources(pool.resources),
        "jvmOptions": jvm,
        "template": {"pod": _kafka_template(kafka, context)["pod"] | {"topologySpreadConstraints": _spread(name, kafka)}},
    }
    body = _object("KafkaNodePool", name, context, spec, {"strimzi.io/next-node-ids": ids})
    body["metadata"]["labels"]["strimzi.io/cluster"] = kafka.name
    return Manifest(COMPONENT, body, stateful=True)


def _storage(pool: NodePoolSpec) -> Body:
    """JBOD even for one volume, so that a second can be added without moving the first."""
    storage = pool.storage
    volumes: list[Body] = []
    for index in range(storage.volumes):
        volume: Body = {"id": index}
        if storage.type == "ephemeral":
            volume |= {"type": "ephemeral", "sizeLimit": kubernetes_bytes(storage.size)}
        else:
            volume |= {"type": "persistent-claim", "size": kubernetes_bytes(storage.size), "deleteClaim": not storage.keep}
            if storage.storage_class is not None:
                volume["class"] = storage.storage_class
        volumes.append(volume)
    volumes[0]["kraftMetadata"] = "shared"
    return {"type": "jbod", "volumes": volumes}


def _spread(pool: str, kafka: KafkaSpec) -> list[Body]:
    """``rack`` alone places no pod (Strimzi adds no affinity for it). Zones are a must where declared, nodes a wish."""
    selector = {"matchLabels": {"strimzi.io/cluster": kafka.name, "strimzi.io/pool-name": pool}}
    constraints = [("kubernetes.io/hostname", 1, "ScheduleAnyway")]
    if kafka.racks is not None:
        constraints.insert(0, (kafka.racks.topology_key, kafka.racks.max_skew, "DoNotSchedule"))
    return [
        {"topologyKey": key, "maxSkew": skew, "whenUnsatisfiable": otherwise, "labelSelector": selector}
        for key, skew, otherwise in constraints
    ]


def _rebalances(kafka: KafkaSpec, context: Context) -> list[Manifest]:
    """Templates of the automatic rebalances: what moves when brokers come or go."""
    if kafka.cruise_control is None or not kafka.cruise_control.auto_rebalance:
        return []
    return [
        Manifest(
            COMPONENT, _object("KafkaRebalance", f"{kafka.name}-{mode}", context, {}, {"strimzi.io/rebalance-template": "true"})
        )
        for mode in ("add-brokers", "remove-brokers")
    ]
