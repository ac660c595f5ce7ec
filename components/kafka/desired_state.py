"""The state a cluster must be brought to where no operator does it: topics, users, ACLs and quotas as a JSON file. Pure."""

from typing import Any

from pydantic_core import to_json

from components.core.context import Context
from components.kafka.broker_defaults import broker_defaults
from components.kafka.nodes import cluster_id
from components.kafka.spec import KafkaSpec
from components.kafka.state import AclBinding, KafkaState, Quota, Topic, User
from components.tenancy.spec import QuotaSpec

_CONNECTION_LIMITS = frozenset({"max.connection.creation.rate", "max.connections"})

VERSION = 1
"""Of the file's form; raised when a reader of the old one would misread the new one."""

_QUOTA_KEYS = {
    "produce": "producer_byte_rate",
    "consume": "consumer_byte_rate",
    "request": "request_percentage",
    "controller_mutations": "controller_mutation_rate",
}
"""Fields of a quota in Kafka's own words (KIP-546)."""


def desired_state(kafka: KafkaSpec, state: KafkaState, context: Context) -> str:
    """Everything in Kafka's own names and units, sorted. A password is a reference, or null for one yet to be made.

    ``defaultQuota`` is that of every user that has none of its own; ``brokers`` is what ``server.properties`` says already,
    repeated for those who compare it with a running cluster. A topic that is ``mirrored`` is MirrorMaker's to make.
    """
    document = {
        "version": VERSION,
        "cluster": {
            "name": kafka.name,
            "id": cluster_id(kafka, context),
            "metadataVersion": kafka.metadata_version,
            "authorization": kafka.authorization.type,
            "superUsers": list(kafka.authorization.super_users),
        },
        "brokers": {key: value for key, value in broker_defaults(kafka).items() if key in _CONNECTION_LIMITS},
        "defaultQuota": _quota(kafka.quotas.default),
        "topics": [_topic(topic) for topic in state.topics],
        "users": [_user(user) for user in state.users],
    }
    return to_json(document, indent=2).decode() + "\n"


def _topic(topic: Topic) -> dict[str, Any]:
    return {
        "name": topic.name,
        "partitions": topic.partitions,
        "replicationFactor": topic.replicas,
        "config": {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in topic.config.items()},
        **({"mirrored": True} if topic.mirrored else {}),
        **_ownership(topic),
    }


def _user(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "authentication": user.authentication,
        "password": user.password,
        "quota": _quota(user.quota),
        "acls": [_acl(acl) for acl in user.acls],
        **_ownership(user),
    }


def _ownership(part: Topic | User) -> dict[str, Any]:
    return {"owner": part.owner, "tenant": part.tenant or None, "pipeline": part.pipeline or None}


def _acl(acl: AclBinding) -> dict[str, Any]:
    return {
        "resourceType": acl.resource,
        "resourceName": acl.name,
        "patternType": "prefixed" if acl.pattern == "prefix" else "literal",
        "operations": list(acl.operations),
        "host": acl.host,
    }


def _quota(quota: Quota | QuotaSpec) -> dict[str, float]:
    figures = {name: getattr(quota, field) for field, name in _QUOTA_KEYS.items()}
    return {name: value for name, value in figures.items() if value is not None}
