"""The configuration of a Connect worker (requirement A9). Pure."""

from typing import TYPE_CHECKING

from components.connect.access import FOLDER, SECRETS_PROVIDER, worker_client
from components.connect.derive import REST_PORT
from components.connect.names import Colour, cluster_name, storage_topics
from components.core import properties_text
from components.kafka.clients import providers

if TYPE_CHECKING:
    from components.connect.spec import ConnectSpec
    from components.environment import EnvironmentSpec

PLUGINS = "/kafka/connect,/kafka/external_libs"
"""Where Debezium's image has its connectors, and Apicurio's converters among others."""

_JSON = "org.apache.kafka.connect.json.JsonConverter"
Settings = dict[str, str | int | float | bool]


def common_settings(environment: "EnvironmentSpec", connect: "ConnectSpec") -> Settings:
    """What both targets say: exactly-once sources, secrets from one folder and nowhere else, clients as connectors want them,
    converters for connectors that say nothing. The user's own come on top: they can be none of these."""
    return {
        "exactly.once.source.support": "enabled",
        "connector.client.config.override.policy": "All",
        **(providers(environment.context.rotates_logins, FOLDER) if environment.target == "docker" else SECRETS_PROVIDER),
        "key.converter": _JSON,
        "value.converter": _JSON,
        "topic.creation.enable": False,
        **{
            f"{kind}.storage.replication.factor": environment.kafka.default_replicas
            for kind in storage_topics(environment.kafka, "blue")
        },
        **dict(sorted(connect.config.items())),
    }


def own_settings(environment: "EnvironmentSpec", connect: "ConnectSpec", colour: Colour, worker: str) -> dict[str, Settings]:
    """What a worker on docker says on top, by section; on Kubernetes this is the operator's."""
    folder = FOLDER
    client = worker_client(environment, colour)
    security = client.security(folder)
    topics = storage_topics(environment.kafka, colour)
    return {
        "Cluster": {
            "group.id": cluster_name(environment.kafka, colour),
            **{f"{kind}.storage.topic": topic for kind, topic in topics.items()},
        },
        "REST interface": {
            "listeners": f"http://{worker}:{REST_PORT}",
            "rest.advertised.host.name": worker,
            "rest.advertised.port": REST_PORT,
        },
        "Plugins": {"plugin.path": PLUGINS},
        "Kafka": dict(client.properties(folder)),
        "Kafka, as connectors that say nothing of their own": {
            f"{section}.{key}": value for section in ("producer", "consumer", "admin") for key, value in security.items()
        },
    }


def properties(environment: "EnvironmentSpec", connect: "ConnectSpec", colour: Colour, worker: str) -> str:
    """The whole of ``connect.properties``."""
    own = own_settings(environment, connect, colour, worker)
    return properties_text.dump({**own, "Connect": common_settings(environment, connect)})


OWNED = frozenset(
    {
        *("bootstrap.servers", "config.providers", "connector.client.config.override.policy", "exactly.once.source.support"),
        *("group.id", "listeners", "plugin.path", "key.converter", "value.converter", "topic.creation.enable"),
    }
)
OWNED_BEGINNINGS = (
    *("config.providers.", "config.storage.", "offset.storage.", "status.storage.", "rest.advertised."),
    *("security.", "sasl.", "ssl.", "listeners.", "admin.listeners"),
    *(f"{section}.{part}." for section in ("producer", "consumer", "admin") for part in ("sasl", "security", "ssl")),
)


def is_owned(key: str) -> bool:
    """Whether the platform sets this key of a worker."""
    return key in OWNED or key.startswith(OWNED_BEGINNINGS)
