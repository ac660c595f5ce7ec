"""ACL bindings as components need them. Pure."""

from dataclasses import replace

from components.kafka.state import AclBinding, merged_acls

__all__ = ["group_acl", "merged_acls", "topic_acl", "transactional_acl"]


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
