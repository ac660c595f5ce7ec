"""Which topics' records are backed up, and who may read them. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from components.backup.names import GROUP, USER
from components.connect.names import COLOURS, offsets_topic
from components.core.once import once_for_each
from components.kafka.acls import group_acl, merged_acls, topic_acl
from components.kafka.derive import derive_state, sink_group
from components.kafka.state import AclBinding, Quota, Topic, User, combined
from components.kafka.topics import PLATFORM_OWNER
from components.mirror_maker.patterns import acl_pattern, connector_offsets, tenant_topics

if TYPE_CHECKING:
    from components.backup.spec import BackupSpec
    from components.environment import EnvironmentSpec


@once_for_each
def known_topics(environment: "EnvironmentSpec") -> tuple[Topic, ...]:
    """Every topic that is declared or derived. Backups have none of their own, and are not asked."""
    others = [part for name, part in environment.components.items() if name != "backup"]
    own = derive_state(environment.kafka, environment.tenants, environment.pipelines, environment.naming)
    return combined([own, *(part.kafka_state(environment) for part in others)]).topics


def matches(pattern: str, name: str) -> bool:
    """Whether ``pattern``, a name or a prefix that ends in ``*``, means ``name``."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def backed_up_topics(environment: "EnvironmentSpec", backup: "BackupSpec") -> tuple[str, ...]:
    """Names of topics whose records are in a backup, sorted. What connectors keep their positions in is not: positions are
    asked of Connect, and are written back through it."""
    positions = {offsets_topic(pipeline, environment.naming, c) for pipeline in environment.pipelines for c in COLOURS}
    return tuple(sorted(name for name in _marked(environment, backup) if name not in positions))


def _marked(environment: "EnvironmentSpec", backup: "BackupSpec") -> Iterator[str]:
    wanted = set(backup.data.pipelines)
    for topic in known_topics(environment):
        of_pipeline = bool(topic.pipeline) and ("*" in wanted or topic.pipeline in wanted)
        if of_pipeline or any(matches(pattern, topic.name) for pattern in backup.data.topics):
            yield topic.name


def user(environment: "EnvironmentSpec", backup: "BackupSpec") -> User:
    """It sees what the platform declares and derives, reads the records that are backed up, and changes nothing. What it does
    not see, such as a topic or group that somebody made by hand, is in no backup."""
    quota = backup.quota
    return User(
        name=USER,
        authentication="scram-sha-512",
        quota=Quota(quota.produce, quota.consume, quota.request, quota.controller_mutations),
        acls=merged_acls(_acls(environment, backup)),
        owner=PLATFORM_OWNER,
        origin="backup",
    )


def _acls(environment: "EnvironmentSpec", backup: "BackupSpec") -> Iterator[AclBinding]:
    """Prefixes where names have one: literals of ten thousand topics would not fit into one object."""
    tenants, naming = environment.tenants, environment.naming
    seen = {acl_pattern(expression) for expression in tenant_topics(tenants, naming)}
    prefixes = {
        pattern for pattern in seen | {acl_pattern(each) for each in connector_offsets(tenants, naming)} if pattern != "*"
    }
    wide = "*" in backup.data.pipelines
    for pattern in prefixes:
        yield topic_acl(pattern, "Describe", "DescribeConfigs", *(("Read",) if wide else ()))
    for topic in known_topics(environment):
        if not any(matches(pattern, topic.name) for pattern in prefixes):
            yield topic_acl(topic.name, "Describe", "DescribeConfigs")
    for name in backed_up_topics(environment, backup):
        if not (wide and any(matches(pattern, name) for pattern in prefixes)):
            yield topic_acl(name, "Read")
    for pipeline in environment.pipelines:
        yield replace(group_acl(sink_group(pipeline, naming)), operations=("Describe",))
    yield group_acl(GROUP)
    yield AclBinding("cluster", "kafka-cluster", "literal", ("Describe", "DescribeConfigs"))
