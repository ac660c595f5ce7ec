"""What the user writes about Kafka (requirements A2, A6, A15, A17, A18, B2). Names follow Kafka's and Strimzi's own."""

from collections.abc import Mapping
from typing import Literal

from components.core import versions
from components.core.errors import Problem
from components.core.model import DnsLabel, Scalar, SecretReference, SpecModel, setting
from components.core.quantities import CountRate, Duration
from components.core.resources import ResourcesSpec
from components.kafka.node_spec import ControllerPoolSpec, NodePoolSpec, RackSpec
from components.kafka.topic_spec import TopicDefaultsSpec, TopicSpec
from components.kafka.user_spec import UserSpec
from components.tenancy.spec import QuotaSpec

_DAY = 86_400_000


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
