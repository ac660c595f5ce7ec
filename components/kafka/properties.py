"""The complete ``server.properties`` of one node, one function per concern. Pure."""

from components.core import properties_text
from components.core.context import Context
from components.kafka import listeners
from components.kafka.broker_defaults import broker_defaults
from components.kafka.listeners import NODE_PRINCIPAL, REPLICATION, Section
from components.kafka.nodes import Node, controllers, nodes
from components.kafka.spec import KafkaSpec
from components.kafka.tiered import s3_configuration

DATA = "/var/lib/kafka/data"
"""Where a node's volume is mounted: a folder that Kafka's image has, owned by the image's user. A new docker volume takes over
the owner of such a folder; mounted anywhere else it would belong to root, and Kafka could not write to it."""

TIERED = "/var/lib/kafka/tiered"
"""Where the volume of the local tiered store is mounted, one for all brokers."""

LOCAL_TIERED_STORAGE = "org.apache.kafka.server.log.remote.storage.LocalTieredStorage"
"""Kafka's own trial store. It is in the test jar of ``kafka-storage``, which Kafka's image has not: the image must bring it."""

UNLIMITED = (1 << 31) - 1
"""Kafka's own default of limits on connections."""

_AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
_NOT_FOR_CONTROLLERS = ("max.connection", "rlmm.")
"""Limits on clients, which would slow down the brokers where they are a controller's clients, and the brokers' own store."""

_NOT_FOR_BROKERS = ("default.replication.factor", "num.partitions")
"""Kafka 4.3 warns of them on a broker: its controllers fill in what the creator of a topic leaves out."""


def server_properties(kafka: KafkaSpec, node: Node, context: Context) -> str:
    """What Kafka reads, in sections. No secret is in it: keys and certificates are files beside it, passwords are in the
    cluster's own metadata."""
    return properties_text.dump(sections(kafka, node, context))


def sections(kafka: KafkaSpec, node: Node, context: Context) -> dict[str, Section]:
    """Settings by concern. No key occurs twice; ``kafka.config`` comes last and has the last word on what no field owns."""
    found = {
        "Node": _node(node),
        "Controller quorum": _quorum(kafka, node),
        "Listeners": listeners.listeners(kafka, node),
        "Certificates": listeners.tls(kafka, node),
        "Authentication between nodes": listeners.internal_authentication(kafka, node),
        "Authentication of clients": listeners.client_authentication(kafka, node, context),
        "Authorization": _authorization(kafka),
        "Storage": _storage(node),
        "Topics and clients": _defaults(kafka, node),
        "No limits between nodes": _exemptions(kafka, node),
        "Tiered storage": _tiered(kafka, node, context),
    }
    plain = {title: {key: value for key, value in found[title].items() if key not in kafka.config} for title in found}
    return {**plain, "kafka.config": dict(sorted(kafka.config.items()))}


def _node(node: Node) -> Section:
    section: Section = {"process.roles": node.roles, "node.id": node.id}
    if node.rack is not None:
        section["broker.rack"] = node.rack
    return section


def _quorum(kafka: KafkaSpec, node: Node) -> Section:
    """A dynamic quorum (KIP-853; Kafka calls fixed voters the old way): the first voters come from formatting, and a
    controller that is added later joins by itself."""
    section: Section = {
        "controller.quorum.bootstrap.servers": ",".join(voter.controller_endpoint for voter in controllers(kafka))
    }
    if node.is_controller:
        section["controller.quorum.auto.join.enable"] = True
    return section


def _authorization(kafka: KafkaSpec) -> Section:
    """Controllers and brokers act on each other's behalf, so every node is a super user; clients' names never are a node's."""
    if kafka.authorization.type == "none":
        return {}
    names = [*(f"{NODE_PRINCIPAL}{node.name}" for node in nodes(kafka)), *kafka.authorization.super_users]
    return {
        "authorizer.class.name": _AUTHORIZER,
        "allow.everyone.if.no.acl.found": False,
        "super.users": ";".join(f"User:{name}" for name in names),
    }


def log_directories(node: Node) -> tuple[str, ...]:
    """One per volume of the spec, all in the node's one docker volume: named volumes of a machine share its disk anyway."""
    return tuple(f"{DATA}/{index}" for index in range(node.pool.storage.volumes))


def _storage(node: Node) -> Section:
    directories = log_directories(node)
    return {"log.dirs": ",".join(directories), "metadata.log.dir": directories[0]}


def _defaults(kafka: KafkaSpec, node: Node) -> Section:
    """On controllers too: their ``min.insync.replicas`` becomes the cluster's own when it is first formatted (KIP-966)."""
    unwanted = (*(() if node.is_broker else _NOT_FOR_CONTROLLERS), *(() if node.is_controller else _NOT_FOR_BROKERS))
    return {key: value for key, value in broker_defaults(kafka).items() if not key.startswith(unwanted)}


def _exemptions(kafka: KafkaSpec, node: Node) -> Section:
    """Limits on connections are for clients. Kafka keeps the listener between brokers out of the broker's limit, and yet gives
    it the same figure as a limit of its own unless it has another (seen on 4.3.1)."""
    if not node.is_broker:
        return {}
    limits = [key for key in broker_defaults(kafka) if key.startswith("max.connection")]
    return {listeners.own_key(REPLICATION, key): UNLIMITED for key in limits}


def _tiered(kafka: KafkaSpec, node: Node, context: Context) -> Section:
    """The store, and how a broker is a client of its own cluster for the topic that says what the store holds.

    A controller must know that there is tiered storage: it refuses tiered topics otherwise.
    """
    if kafka.tiered is None:
        return {}
    enabled: Section = {"remote.log.storage.system.enable": True}
    if not node.is_broker:
        return enabled
    store: Section
    if kafka.tiered.store == "local":
        store = {"remote.log.storage.manager.class.name": LOCAL_TIERED_STORAGE}
        settings = {"dir": f"{TIERED}/{kafka.tiered.bucket}", **dict(sorted(kafka.tiered.config.items()))}
    else:
        store = {
            "remote.log.storage.manager.class.name": kafka.tiered.class_name,
            "remote.log.storage.manager.class.path": kafka.tiered.class_path,
        }
        settings = s3_configuration(kafka.tiered, f"{context.environment}/{kafka.name}/")
    client = listeners.internal_client(kafka)
    return {
        **enabled,
        **store,
        "remote.log.storage.manager.impl.prefix": "rsm.config.",
        **{f"rsm.config.{key}": value for key, value in settings.items()},
        "remote.log.metadata.manager.listener.name": REPLICATION,
        "remote.log.metadata.manager.impl.prefix": "rlmm.config.",
        **{f"rlmm.config.remote.log.metadata.common.client.{key}": value for key, value in client.items()},
    }
