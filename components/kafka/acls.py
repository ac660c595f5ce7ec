"""ACL bindings as components need them. Pure."""

from dataclasses import replace

from components.kafka.state import AclBinding


def topic_acl(pattern: str, *operations: str) -> AclBinding:
    """``operations`` on one topic, or on all whose names begin with what stands before a final ``*``; ``*`` alone is any."""
    prefixed = pattern.endswith("*") and pattern != "*"
    return AclBinding(
        "topic", pattern.removesuffix("*") if prefixed else pattern, "prefix" if prefixed else "literal", operations
    )


def group_acl(pattern: str) -> AclBinding:
    """Membership of one consumer group, or of all with a prefix."""
    return replace(topic_acl(pattern, "Describe", "Read"), resource="group")


def transactional_acl(pattern: str) -> AclBinding:
    """Writing in transactions whose id is ``pattern``, or begins with it where that ends in ``*``."""
    return replace(topic_acl(pattern, "Describe", "Write"), resource="transactionalId")


def merged_acls(acls: list[AclBinding]) -> tuple[AclBinding, ...]:
    """One binding per resource pattern and host, with all its operations: what Kafka keeps, and shorter to read."""
    merged: dict[AclBinding, set[str]] = {}
    for acl in acls:
        merged.setdefault(replace(acl, operations=()), set()).update(acl.operations)
    return tuple(sorted(replace(acl, operations=tuple(sorted(operations))) for acl, operations in merged.items()))
