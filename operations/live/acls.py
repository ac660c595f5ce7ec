"""An ACL as librdkafka has it, and as everybody else has it."""

from collections.abc import Mapping

from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType


def acl_record(binding: AclBinding) -> dict[str, str]:
    """In Kafka's own words."""
    return {
        "principal": binding.principal,
        "permission": AclPermissionType(binding.permission_type).name,
        "operation": AclOperation(binding.operation).name,
        "resource": ResourceType(binding.restype).name,
        "pattern": ResourcePatternType(binding.resource_pattern_type).name,
        "name": binding.name,
        "host": binding.host,
    }


def acl_binding(record: Mapping[str, str]) -> AclBinding:
    """The same in librdkafka's."""
    return AclBinding(
        ResourceType[record["resource"]],
        record["name"],
        ResourcePatternType[record["pattern"]],
        record["principal"],
        record["host"],
        AclOperation[record["operation"]],
        AclPermissionType[record["permission"]],
    )
