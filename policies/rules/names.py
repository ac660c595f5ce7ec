"""Names tell whose something is, and somebody answers for it (requirement A16)."""

from collections.abc import Iterator

from components.kafka.state import Topic
from components.kafka.topic_spec import TopicSpec
from components.kafka.user_spec import UserSpec
from policies.model import ADVICE, PRODUCTION, SHARED, Rule, Subject, Violation
from policies.rules.places import topic_setting

_PREFIX = "{tenant}"
_SEPARATORS = ("_", ".", "-")
_PATTERNS = ("topic", "dlq", "internal", "group")


def _pattern(subject: Subject) -> Iterator[Violation]:
    if subject.spec.naming.pattern is None:
        yield Violation("naming.pattern", "no pattern is set, so a topic may have any name")


def _tenant_in_patterns(subject: Subject) -> Iterator[Violation]:
    for field in _PATTERNS:
        value = getattr(subject.spec.naming, field)
        if not value.startswith(_PREFIX):
            yield Violation(f"naming.{field}", f"{value} does not begin with {_PREFIX}")


def _tenant_prefix(subject: Subject) -> Iterator[Violation]:
    """Only where the convention has the prefix: with another one (``cassandra.<keyspace>.<table>``) it says nothing."""
    if not subject.spec.naming.topic.startswith(_PREFIX):
        return
    for topic in subject.state.topics:
        if topic.tenant and not _begins_with_tenant(topic):
            yield Violation(
                topic_setting(subject, topic, "name"),
                f"topic {topic.name} of tenant {topic.tenant} does not begin with its name",
                subject.topic_resource(topic),
            )


def _begins_with_tenant(topic: Topic) -> bool:
    size = len(topic.tenant)
    return topic.name[:size] == topic.tenant and topic.name[size : size + 1] in _SEPARATORS


def _owner(subject: Subject) -> Iterator[Violation]:
    """What has neither an owner nor a tenant falls to "platform", which is nobody."""
    kafka = subject.spec.kafka
    kinds: tuple[tuple[str, tuple[TopicSpec | UserSpec, ...]], ...] = (("topics", kafka.topics), ("users", kafka.users))
    for what, parts in kinds:
        for index, part in enumerate(parts):
            if (part.owner is None and part.tenant is None) or (part.owner is not None and not part.owner.strip()):
                yield Violation(f"kafka.{what}[{index}].owner", f"nobody answers for {part.name}")
    for index, tenant in enumerate(subject.spec.tenants):
        if not tenant.owner.strip():
            yield Violation(f"tenants[{index}].owner", f"nobody answers for tenant {tenant.name}")


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "naming-pattern",
        "Topic names follow a pattern",
        "ACL prefixes, dashboards and clean-ups go by names; one that fits none of them is found by nobody.",
        "Set naming.pattern, such as ^[a-z][a-z0-9-]*_[a-z0-9_-]+$.",
        "Requirement A16, {tenant}_{app}_{entity}",
        PRODUCTION,
        _pattern,
    ),
    Rule(
        "naming-tenant-prefix",
        "A tenant's topics begin with its name",
        "A tenant's rights are given by prefix: what does not begin with it is out of its reach, or in another's.",
        "Rename the topic, or leave its name to naming.topic.",
        "Requirement A16",
        PRODUCTION,
        _tenant_prefix,
    ),
    Rule(
        "naming-convention",
        "Derived names begin with the tenant",
        "Two tenants with tables of one name collide, and rights cannot be given by prefix.",
        "Begin naming.topic, naming.dlq, naming.internal and naming.group with {tenant}.",
        "Requirement A16; requirement B1's cassandra.<keyspace>.<table> is the known exception",
        ADVICE,
        _tenant_in_patterns,
    ),
    Rule(
        "owner",
        "Every topic, user and tenant has an owner",
        "Nobody dares to delete what nobody owns, and nobody is asked before it breaks.",
        "Set owner, or the tenant it belongs to.",
        "Requirement A16",
        SHARED,
        _owner,
    ),
)
