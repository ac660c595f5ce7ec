"""What the user writes about Kafka (requirements A2, A6, A15, A17, A18, B2). Names follow Kafka's and Strimzi's own."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from components.core import versions
from components.core.errors import Problem
from components.core.model import DnsLabel, SecretReference, SpecModel, Text, TopicName, TopicPattern, setting
from components.core.quantities import ByteSize, CountRate, Duration, MessageSize, Retention, SegmentSize
from components.core.resources import ResourcesSpec
from components.tenancy.spec import QuotaSpec

Scalar = str | int | float | bool
_MIB = 1 << 20
_GIB = 1 << 30
_DAY = 86_400_000


class StorageSpec(SpecModel):
    """The disks of one node; ``storage: 500Gi`` is short for ``storage: {size: 500Gi}``."""

    shorthand: ClassVar[str | None] = "size"
    size: ByteSize = setting(100 * _GIB, help="Size of each volume.", becomes="KafkaNodePool.spec.storage.volumes[].size")
    volumes: int = setting(
        1, help="Volumes per node (JBOD).", becomes="KafkaNodePool.spec.storage.volumes; log.dirs", ge=1, le=32
    )
    storage_class: str | None = setting(
        None,
        help="Storage class of the claims.",
        becomes="KafkaNodePool.spec.storage.volumes[].class",
        alias="class",
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        max_length=253,
    )
    type: Literal["persistent", "ephemeral"] = setting(
        "persistent", help="Whether the data outlives the pod.", becomes="storage type persistent-claim or ephemeral"
    )
    keep: bool = setting(True, help="Keep the claims when the pool is deleted.", becomes="deleteClaim: false")


class JvmSpec(SpecModel):
    """The Java virtual machine; ``jvm: 2Gi`` is short for ``jvm: {heap: 2Gi}``."""

    shorthand: ClassVar[str | None] = "heap"
    heap: ByteSize | None = setting(
        None,
        help="Heap, minimum and maximum; half the memory when left out (the rest is page cache).",
        becomes="jvmOptions -Xms and -Xmx; KAFKA_HEAP_OPTS",
    )
    options: Mapping[str, str] = setting(
        dict, help="-XX options by name, such as MaxGCPauseMillis: '20'.", becomes='jvmOptions."-XX"'
    )


class NodePoolSpec(SpecModel):
    """Nodes of one role; ``brokers: 3`` is short for ``brokers: {replicas: 3}``."""

    shorthand: ClassVar[str | None] = "replicas"
    replicas: int = setting(3, help="Number of nodes.", becomes="KafkaNodePool.spec.replicas; one container each", ge=0, le=100)
    storage: StorageSpec = setting(
        StorageSpec, help="The disks of each node.", becomes="KafkaNodePool.spec.storage; a volume each"
    )
    resources: ResourcesSpec = setting(
        ResourcesSpec, help="CPU and memory of each node.", becomes="KafkaNodePool.spec.resources; container limits"
    )
    jvm: JvmSpec = setting(JvmSpec, help="JVM of each node.", becomes="KafkaNodePool.spec.jvmOptions")

    @property
    def heap_bytes(self) -> int:
        return self.jvm.heap if self.jvm.heap is not None else self.resources.memory // 2

    def problems(self) -> list[Problem]:
        if self.heap_bytes < _MIB:
            where = "jvm.heap" if self.jvm.heap is not None else "resources.memory"
            return [Problem(where, "leaves the heap less than 1MiB", "write more")]
        if self.heap_bytes >= self.resources.memory:
            return [
                Problem(
                    "jvm.heap",
                    "is not less than resources.memory: the node would be killed, or have no page cache",
                    "write about half of the memory",
                )
            ]
        return []


class ControllerPoolSpec(NodePoolSpec):
    """Dedicated controllers. They hold the cluster's metadata and no records, so that less is enough for them."""

    storage: StorageSpec = setting(
        lambda: StorageSpec(size="20Gi"), help="The disks of each node.", becomes="KafkaNodePool.spec.storage; a volume each"
    )
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(memory="2Gi"),
        help="CPU and memory of each node.",
        becomes="KafkaNodePool.spec.resources; container limits",
    )


class RackSpec(SpecModel):
    """Spreads replicas over failure domains; ``racks: topology.kubernetes.io/zone`` is enough on Kubernetes."""

    shorthand: ClassVar[str | None] = "topology_key"
    topology_key: str = setting(
        "topology.kubernetes.io/zone",
        help="Node label that names the failure domain.",
        becomes="Kafka.spec.kafka.rack and topologySpreadConstraints",
        pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
    )
    names: tuple[DnsLabel, ...] = setting(
        (), help="Rack names on the docker target, given to brokers in turn.", becomes="broker.rack"
    )
    max_skew: int = setting(
        1,
        help="Most by which two domains' node counts may differ.",
        becomes="topologySpreadConstraints[].maxSkew",
        ge=1,
        le=2_147_483_647,
    )


class ListenerSpec(SpecModel):
    """A port that clients connect to."""

    name: str = setting(
        help="Listener name: up to 11 lower-case letters and digits (Strimzi's rule).",
        becomes="listeners[].name",
        pattern=r"^[a-z0-9]{1,11}$",
    )
    port: int = setting(help="Port; 9090, 9091, 9404 and 9999 are Kafka's own.", becomes="listeners[].port", ge=9092, le=65535)
    type: Literal["internal", "loadbalancer", "nodeport", "host"] = setting(
        "internal",
        help="Who can reach it. host (docker only) publishes port + node id on 127.0.0.1.",
        becomes="listeners[].type; advertised.listeners",
    )
    tls: bool = setting(True, help="Whether it is encrypted.", becomes="listeners[].tls; SSL or SASL_SSL")
    authentication: Literal["scram-sha-512", "tls", "none"] = setting(
        "scram-sha-512",
        help="How clients prove who they are; tls means a client certificate is required.",
        becomes="listeners[].authentication; ssl.client.auth, sasl.enabled.mechanisms",
    )

    def problems(self) -> list[Problem]:
        if self.port in {9404, 9999}:
            return [Problem("port", f"{self.port} is used by Kafka's metrics or JMX", "choose another, such as 9093")]
        if self.authentication == "tls" and not self.tls:
            return [
                Problem(
                    "authentication", "tls authentication needs an encrypted listener", "set tls: true, or choose scram-sha-512"
                )
            ]
        return []


class TlsSpec(SpecModel):
    """Certificates of the cluster, and whether controllers and brokers talk to each other through them."""

    internal: bool = setting(
        True,
        help="Mutual TLS between brokers and controllers. Strimzi always does it.",
        becomes="listener.security.protocol.map of CONTROLLER and REPLICATION",
    )
    protocols: tuple[Literal["TLSv1.2", "TLSv1.3"], ...] = setting(
        ("TLSv1.3",), help="Accepted protocol versions.", becomes="ssl.enabled.protocols", min_length=1
    )
    validity: Duration = setting(
        365 * _DAY, help="How long a certificate is valid.", becomes="clusterCa and clientsCa validityDays"
    )
    renew_before: Duration = setting(
        30 * _DAY, help="How long before its end it is renewed.", becomes="clusterCa and clientsCa renewalDays"
    )

    @property
    def validity_days(self) -> int:
        return self.validity // _DAY

    @property
    def renew_before_days(self) -> int:
        return self.renew_before // _DAY

    def problems(self) -> list[Problem]:
        if self.renew_before_days < 1:
            return [Problem("renewBefore", "is less than a day", "write whole days, such as 30d")]
        if self.renew_before_days >= self.validity_days:
            return [
                Problem(
                    "renewBefore",
                    "is not a day shorter than validity, so certificates would renew for ever",
                    "write less than validity, such as 30d",
                )
            ]
        return []


class AuthorizationSpec(SpecModel):
    """Who may do what. Without a matching ACL nothing is allowed."""

    type: Literal["simple", "none"] = setting(
        "simple",
        help="simple: Kafka's ACLs. none: everyone may do everything.",
        becomes="Kafka.spec.kafka.authorization; authorizer.class.name",
    )
    super_users: tuple[DnsLabel, ...] = setting(
        (), help="Users that no ACL binds; each must be declared in users.", becomes="authorization.superUsers; super.users"
    )


class TieredStorageSpec(SpecModel):
    """Old segments go to an object store (KIP-405); ``hot`` stays on the brokers' disks."""

    store: Literal["s3", "local"] = setting(
        "s3",
        help="s3: any S3-compatible store. local: a folder (docker only; for trials).",
        becomes="remote log storage manager's class",
    )
    bucket: str = setting(
        help="Bucket, or folder name for the local store.", becomes="rsm.config.storage.s3.bucket.name", min_length=1
    )
    region: str = setting("us-east-1", help="Region of the bucket.", becomes="rsm.config.storage.s3.region", min_length=1)
    endpoint: str | None = setting(
        None,
        help="Address of an S3-compatible store that is not AWS's: https://<host>, with :<port> when it has its own.",
        becomes="rsm.config.storage.s3.endpoint.url",
        pattern=r"^https?://[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[1-9][0-9]{0,4})?/?$",
    )
    credentials: SecretReference | None = setting(
        None,
        help="Reference to the access key; the node's own identity when left out.",
        becomes="environment from a secret; never a value",
    )
    hot: Duration = setting(_DAY, help="How long segments stay on local disks.", becomes="local.retention.ms of tiered topics")
    class_name: str = setting(
        "io.aiven.kafka.tieredstorage.RemoteStorageManager",
        help="The remote storage manager's class for s3.",
        becomes="remote.log.storage.manager.class.name",
    )
    class_path: str = setting(
        "/opt/kafka/plugins/tiered-storage/*",
        help="Where the broker's image holds that class.",
        becomes="remote.log.storage.manager.class.path",
    )
    config: Mapping[str, Scalar] = setting(dict, help="Further settings of the remote storage manager.", becomes="rsm.config.*")


class TopicDefaultsSpec(SpecModel):
    """What a topic has unless it says otherwise."""

    partitions: int = setting(
        10, help="Number of partitions.", becomes="num.partitions and each topic's partitions", ge=1, le=100_000
    )
    replicas: int | None = setting(
        None,
        help="Replication factor; 3, or the number of brokers when fewer.",
        becomes="default.replication.factor and each topic's replicas",
        ge=1,
        le=32_767,
    )
    min_in_sync_replicas: int | None = setting(
        None,
        help="Replicas that must have a write; one less than replicas (at least 1).",
        becomes="min.insync.replicas",
        ge=1,
        le=32_767,
    )
    retention: Retention = setting(7 * _DAY, help="How long records are kept.", becomes="retention.ms")
    dlq_retention: Retention = setting(30 * _DAY, help="How long dead letters are kept.", becomes="retention.ms of DLQ topics")
    segment: SegmentSize = setting(_GIB, help="Size of one log segment.", becomes="segment.bytes")
    compression: Literal["lz4", "zstd", "snappy", "gzip", "producer", "uncompressed"] = setting(
        "lz4", help="Compression on disk.", becomes="compression.type"
    )
    max_message: MessageSize = setting(_MIB, help="Largest record batch.", becomes="max.message.bytes")


class TopicSpec(SpecModel):
    """A topic that no pipeline derives."""

    name: TopicName = setting(help="The topic's name.", becomes="KafkaTopic.spec.topicName")
    resource_name: DnsLabel | None = setting(
        None,
        help="Name of the Kubernetes object, when the one made of the topic's name collides.",
        becomes="KafkaTopic.metadata.name",
    )
    tenant: DnsLabel | None = setting(None, help="The tenant that owns it.", becomes="label cdc.platform/tenant")
    owner: str | None = setting(
        None, help="Who answers for it, when not the tenant's owner.", becomes="annotation cdc.platform/owner", min_length=1
    )
    partitions: int | None = setting(None, help="Number of partitions.", becomes="KafkaTopic.spec.partitions", ge=1, le=100_000)
    replicas: int | None = setting(None, help="Replication factor.", becomes="KafkaTopic.spec.replicas", ge=1, le=32_767)
    min_in_sync_replicas: int | None = setting(
        None, help="Replicas that must have a write.", becomes="min.insync.replicas", ge=1, le=32_767
    )
    retention: Retention | None = setting(None, help="How long records are kept.", becomes="retention.ms")
    retention_size: ByteSize | None = setting(None, help="Most bytes kept per partition.", becomes="retention.bytes")
    segment: SegmentSize | None = setting(None, help="Size of one log segment.", becomes="segment.bytes")
    max_message: MessageSize | None = setting(None, help="Largest record batch.", becomes="max.message.bytes")
    cleanup: Literal["delete", "compact", "compact,delete"] = setting(
        "delete", help="What happens to old records.", becomes="cleanup.policy"
    )
    tiered: bool | None = setting(
        None,
        help="Whether old segments go to the object store; yes when the cluster tiers and the topic only deletes.",
        becomes="remote.storage.enable",
    )
    config: Mapping[str, Scalar] = setting(
        dict, help="Further topic configuration in Kafka's own keys.", becomes="KafkaTopic.spec.config"
    )


class AclSpec(SpecModel):
    """One allowed binding, for what produces/consumes cannot say."""

    resource: Literal["topic", "group", "cluster", "transactionalId"] = setting(
        help="Kind of resource.", becomes="acls[].resource.type"
    )
    name: str = setting("", help="Its name; empty for the cluster.", becomes="acls[].resource.name")
    pattern: Literal["literal", "prefix"] = setting(
        "literal", help="Whether name is the whole name or its beginning.", becomes="acls[].resource.patternType"
    )
    operations: tuple[
        Literal[
            "All",
            "Read",
            "Write",
            "Create",
            "Delete",
            "Alter",
            "Describe",
            "ClusterAction",
            "AlterConfigs",
            "DescribeConfigs",
            "IdempotentWrite",
        ],
        ...,
    ] = setting(help="Allowed operations.", becomes="acls[].operations", min_length=1)
    host: str = setting("*", help="Address the client connects from.", becomes="acls[].host", min_length=1)

    def problems(self) -> list[Problem]:
        if self.resource != "cluster" and not self.name:
            return [Problem("name", f"a {self.resource} needs a name", "write the name, or * with pattern: literal for all")]
        return []


class UserSpec(SpecModel):
    """A user that no pipeline derives."""

    name: DnsLabel = setting(help="The user's name; its principal is User:<name>.", becomes="KafkaUser.metadata.name")
    tenant: DnsLabel | None = setting(None, help="The tenant it belongs to.", becomes="label cdc.platform/tenant; its quota")
    owner: str | None = setting(None, help="Who answers for it.", becomes="annotation cdc.platform/owner", min_length=1)
    authentication: Literal["scram-sha-512", "tls"] = setting(
        "scram-sha-512", help="How it proves who it is.", becomes="KafkaUser.spec.authentication"
    )
    password: SecretReference | None = setting(
        None,
        help="Reference to its password; Strimzi makes one when left out.",
        becomes="authentication.password.valueFrom.secretKeyRef",
    )
    quota: QuotaSpec = setting(QuotaSpec, help="Its quota, when not the tenant's.", becomes="KafkaUser.spec.quotas")
    produces: tuple[TopicPattern, ...] = setting(
        (), help="Topics it writes; a trailing * means a prefix.", becomes="Write and Describe ACLs"
    )
    consumes: tuple[TopicPattern, ...] = setting(
        (), help="Topics it reads; a trailing * means a prefix.", becomes="Read and Describe ACLs"
    )
    groups: tuple[Text, ...] = setting(
        (), help="Consumer groups it joins; a trailing * means a prefix.", becomes="Read ACLs on groups"
    )
    acls: tuple[AclSpec, ...] = setting((), help="Further ACLs.", becomes="KafkaUser.spec.authorization.acls")

    def problems(self) -> list[Problem]:
        if self.authentication == "tls" and self.password is not None:
            return [
                Problem("password", "is of no use to a user that shows a certificate", "leave it out, or use scram-sha-512")
            ]
        return []


class ClusterQuotasSpec(SpecModel):
    """Limits of the cluster itself and of every client that has none of its own (requirement A6)."""

    default: QuotaSpec = setting(
        lambda: QuotaSpec(produce="10MB/s", consume="20MB/s", request="50%", controller_mutations="10/s"),
        help="Quota of each user that has none of its own.",
        becomes="Kafka.spec.kafka.quotas; the default user quota",
    )
    connection_rate: CountRate | None = setting(
        100.0,
        help="New connections per second on each broker; on Kubernetes on each of its client listeners.",
        becomes="max.connection.creation.rate; listeners[].configuration.maxConnectionCreationRate",
    )
    connections: int | None = setting(
        None, help="Most connections open on each broker.", becomes="max.connections", ge=1, le=2_147_483_647
    )


class CruiseControlSpec(SpecModel):
    """Moves replicas so that brokers carry equal loads."""

    auto_rebalance: bool = setting(
        True,
        help="Rebalance when brokers are added or about to be removed.",
        becomes="Kafka.spec.cruiseControl.autoRebalance and template KafkaRebalances",
    )
    resources: ResourcesSpec = setting(ResourcesSpec, help="CPU and memory.", becomes="Kafka.spec.cruiseControl.resources")


class KafkaSpec(SpecModel):
    """The Kafka cluster in full. Defaults are safe for production; a development spec says where it wants less."""

    name: DnsLabel = setting("cdc", help="The cluster's name.", becomes="Kafka.metadata.name; beginning of container names")
    version: str = setting(
        versions.KAFKA, help="Kafka version.", becomes="Kafka.spec.kafka.version; image tag", pattern=r"^4\.[0-9]+\.[0-9]+$"
    )
    metadata_version: str = setting(
        versions.KAFKA_METADATA,
        help="Metadata format; raise it after the binaries.",
        becomes="Kafka.spec.kafka.metadataVersion",
        pattern=r"^4\.[0-9]+(-IV[0-9]+)?$",
    )
    image: str | None = setting(
        None,
        help="Image, when not the default one; pinned by tag or digest.",
        becomes="Kafka.spec.kafka.image; container image",
        min_length=1,
    )
    controllers: ControllerPoolSpec = setting(
        ControllerPoolSpec,
        help="Dedicated KRaft controllers; 0 makes the brokers controllers too.",
        becomes="KafkaNodePool controllers",
    )
    brokers: NodePoolSpec = setting(NodePoolSpec, help="Brokers.", becomes="KafkaNodePool brokers")
    racks: RackSpec | None = setting(None, help="Failure domains.", becomes="Kafka.spec.kafka.rack; broker.rack")
    listeners: tuple[ListenerSpec, ...] = setting(
        lambda: (ListenerSpec(name="clients", port=9093),),
        help="Ports that clients connect to.",
        becomes="Kafka.spec.kafka.listeners",
        min_length=1,
    )
    tls: TlsSpec = setting(TlsSpec, help="Certificates and internal encryption.", becomes="clusterCa, clientsCa; ssl.*")
    authorization: AuthorizationSpec = setting(
        AuthorizationSpec, help="Who may do what.", becomes="Kafka.spec.kafka.authorization"
    )
    tiered: TieredStorageSpec | None = setting(
        None, help="Tiered storage.", becomes="Kafka.spec.kafka.tieredStorage; remote.log.*"
    )
    quotas: ClusterQuotasSpec = setting(
        ClusterQuotasSpec, help="Limits on clients.", becomes="Kafka.spec.kafka.quotas; max.connection.creation.rate"
    )
    topic_defaults: TopicDefaultsSpec = setting(
        TopicDefaultsSpec, help="What a topic has unless it says otherwise.", becomes="broker defaults and every topic"
    )
    auto_create_topics: bool = setting(
        False, help="Whether a client's first use creates a topic.", becomes="auto.create.topics.enable"
    )
    topics: tuple[TopicSpec, ...] = setting((), help="Topics that no pipeline derives.", becomes="KafkaTopic")
    users: tuple[UserSpec, ...] = setting((), help="Users that no pipeline derives.", becomes="KafkaUser")
    cruise_control: CruiseControlSpec | None = setting(
        None, help="Cruise Control (Kubernetes only).", becomes="Kafka.spec.cruiseControl"
    )
    config: Mapping[str, Scalar] = setting(
        dict,
        help="Further broker configuration in Kafka's own keys; keys that other fields own are refused.",
        becomes="Kafka.spec.kafka.config; server.properties",
    )

    @property
    def combined(self) -> bool:
        """Whether the brokers are the controllers too."""
        return self.controllers.replicas == 0

    @property
    def default_replicas(self) -> int:
        return self.topic_defaults.replicas or min(3, self.brokers.replicas)

    @property
    def default_min_in_sync_replicas(self) -> int:
        return self.topic_defaults.min_in_sync_replicas or max(1, self.default_replicas - 1)
