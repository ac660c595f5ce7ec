"""What the user writes about Kafka's users: who they are, and what they may do."""

from typing import Literal

from components.core.errors import Problem
from components.core.model import DnsLabel, SecretReference, SpecModel, Text, TopicPattern, setting
from components.tenancy.spec import QuotaSpec


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
