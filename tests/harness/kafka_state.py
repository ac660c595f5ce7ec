"""Brings a cluster to the state that ``kafka/desired-state.json`` asks for."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)
from confluent_kafka.cimpl import NewTopic

from operations.live.requests import QuotaChange, connect, set_quotas
from tests.harness.kafka_clients import KafkaClients

Json = Mapping[str, Any]

APPLY_SECONDS = 60
SCRAM_ITERATIONS = 8192
RESOURCE_TYPES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "cluster": ResourceType.BROKER,
    "transactionalId": ResourceType.TRANSACTIONAL_ID,
}
PATTERN_TYPES = {"literal": ResourcePatternType.LITERAL, "prefixed": ResourcePatternType.PREFIXED}
OPERATIONS = {operation.name.replace("_", "").lower(): operation for operation in AclOperation}


def apply_state(state: Json, admin: AdminClient, clients: KafkaClients, user: str, passwords: Mapping[str, str]) -> None:
    """Make every topic, credential, ACL and quota of ``state`` in a cluster that has none of them, but what is mirrored.
    ``user`` is a super user, and ``admin`` a client of it."""
    _request(lambda: admin.create_topics([_topic(topic) for topic in state["topics"] if not topic.get("mirrored")]))
    scram = [user["name"] for user in state["users"] if user["authentication"] == "scram-sha-512"]
    credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, SCRAM_ITERATIONS)
    upserts: list[UserScramCredentialAlteration] = [
        UserScramCredentialUpsertion(name, credential, passwords[name].encode()) for name in scram
    ]
    _request(lambda: admin.alter_user_scram_credentials(upserts))
    _request(lambda: admin.create_acls([acl for user in state["users"] for acl in _acls(user)]))
    quotas = {user["name"]: user["quota"] for user in state["users"] if user["quota"]} | {None: state["defaultQuota"]}
    with clients.inside(lambda: connect(clients.as_user(user))) as connection:
        set_quotas(connection, [QuotaChange((("user", name),), quota) for name, quota in quotas.items()])


def _request(send: Callable[[], Mapping[Any, Future[Any]]]) -> None:
    """Wait until all of a request is done.

    librdkafka gives up what is on its way to a bootstrap server at the moment when it lets go of that one for a broker it has
    learned of. Such a request is made again, and what it did all the same is there already.
    """
    given_up = False
    while True:
        try:
            for future in send().values():
                _done(future, given_up)
        except KafkaException as error:
            if error.args[0].code() != KafkaError._DESTROY_BROKER:
                raise
            given_up = True
        else:
            return


def _done(future: Future[Any], may_be_there: bool) -> None:
    try:
        future.result(APPLY_SECONDS)
    except KafkaException as error:
        if not may_be_there or error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise


def _topic(topic: Json) -> NewTopic:
    return NewTopic(topic["name"], topic["partitions"], topic["replicationFactor"], config=dict(topic["config"]))


def _acls(user: Json) -> list[AclBinding]:
    return [
        AclBinding(
            RESOURCE_TYPES[acl["resourceType"]],
            acl["resourceName"],
            PATTERN_TYPES[acl["patternType"]],
            f"User:{user['name']}",
            acl["host"],
            OPERATIONS[operation.lower()],
            AclPermissionType.ALLOW,
        )
        for acl in user["acls"]
        for operation in acl["operations"]
    ]
