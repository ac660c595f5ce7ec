"""KafkaTopic and KafkaUser objects from the state Kafka must have. Pure; thousands of them, so no work is done twice."""

from typing import Any

from components.core.context import Context
from components.core.rendered import Manifest
from components.kafka.spec import KafkaSpec
from components.kafka.state import AclBinding, KafkaState, Quota, User

TOPICS, USERS = "kafka/topics", "kafka/users"
API_VERSION = "kafka.strimzi.io/v1"
Body = dict[str, Any]


def topic_manifests(kafka: KafkaSpec, state: KafkaState, context: Context) -> list[Manifest]:
    """One KafkaTopic per topic. Deleting one deletes the topic, so they count as stateful."""
    base = context.labels("kafka", {"strimzi.io/cluster": kafka.name})
    manifests = []
    for topic in state.topics:
        spec: Body = {"partitions": topic.partitions, "replicas": topic.replicas, "config": dict(topic.config)}
        if topic.name != topic.resource_name:
            spec = {"topicName": topic.name, **spec}
        metadata = _metadata(topic.resource_name, base, topic.tenant, topic.pipeline, topic.owner, context)
        if topic.mirrored:  # the operator neither makes, changes nor deletes it, and takes it over when this goes
            metadata["annotations"]["strimzi.io/managed"] = "false"
        body = {"apiVersion": API_VERSION, "kind": "KafkaTopic", "metadata": metadata, "spec": spec}
        manifests.append(Manifest(TOPICS, body, stateful=True))
    return manifests


def user_manifests(kafka: KafkaSpec, state: KafkaState, context: Context) -> list[Manifest]:
    """One KafkaUser per user, with its ACLs (where the cluster has authorization) and its quotas."""
    base = context.labels("kafka", {"strimzi.io/cluster": kafka.name})
    manifests = []
    for user in state.users:
        spec: Body = {"authentication": _authentication(user)}
        if kafka.authorization.type == "simple" and user.acls:
            spec["authorization"] = {"type": "simple", "acls": [_acl(acl) for acl in user.acls]}
        quotas = _quotas(user.quota)
        if quotas:
            spec["quotas"] = quotas
        metadata = _metadata(user.name, base, user.tenant, user.pipeline, user.owner, context)
        manifests.append(Manifest(USERS, {"apiVersion": API_VERSION, "kind": "KafkaUser", "metadata": metadata, "spec": spec}))
    return manifests


def _metadata(name: str, base: dict[str, str], tenant: str, pipeline: str, owner: str, context: Context) -> Body:
    labels = dict(base)
    if tenant:
        labels["cdc.platform/tenant"] = tenant
    if pipeline:
        labels["cdc.platform/pipeline"] = pipeline
    return {"name": name, "namespace": context.namespace, "labels": labels, "annotations": {"cdc.platform/owner": owner}}


def _authentication(user: User) -> Body:
    """A password held in Vault reaches the cluster as the Secret ``<user>-password``; a ``secret:`` reference names its own."""
    if user.authentication == "tls" or user.password is None:
        return {"type": user.authentication}
    scheme, _, rest = user.password.partition(":")
    name, _, key = rest.partition("#")
    secret = {"name": name if scheme == "secret" else f"{user.name}-password", "key": key}
    return {"type": user.authentication, "password": {"valueFrom": {"secretKeyRef": secret}}}


def _acl(acl: AclBinding) -> Body:
    resource: Body = {"type": acl.resource}
    if acl.resource != "cluster":
        resource |= {"name": acl.name, "patternType": acl.pattern}
    return {"type": "allow", "resource": resource, "operations": list(acl.operations), "host": acl.host}


def _quotas(quota: Quota) -> Body:
    figures = {
        "producerByteRate": quota.produce,
        "consumerByteRate": quota.consume,
        "requestPercentage": quota.request,
        "controllerMutationRate": quota.controller_mutations,
    }
    return {key: value for key, value in figures.items() if value is not None}
