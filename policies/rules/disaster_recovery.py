"""A standby that can take over, no further behind than was promised (requirement A5)."""

from collections.abc import Iterator
from dataclasses import dataclass

from components.core.quantities import format_duration
from components.kafka.derive import sink_group
from components.mirror_maker import derive
from components.mirror_maker.spec import MirrorMakerSpec
from policies.model import (
    ADVICE,
    EVERYWHERE,
    OUTSIDE_DEVELOPMENT,
    PRODUCTION,
    SHARED,
    Rule,
    Subject,
    Violation,
    properties,
    text,
)

LEAST_REPLICAS = 3
LONGEST_RPO_MS, LONGEST_RTO_MS = 60_000, 300_000
_IDENTITY = "org.apache.kafka.connect.mirror.IdentityReplicationPolicy"
_POLICY = "replication.policy.class"


@dataclass(frozen=True, slots=True)
class _Connector:
    """What one of MirrorMaker's connectors, or in dedicated mode all of them, is told about a pair of clusters."""

    resource: str
    kind: str
    settings: dict[str, str]


def _connectors(subject: Subject) -> Iterator[_Connector]:
    for manifest in subject.of_kind("KafkaMirrorMaker2"):
        for mirror in manifest.body["spec"]["mirrors"]:
            for kind in ("sourceConnector", "checkpointConnector"):
                config = (mirror.get(kind) or {}).get("config") or {}
                yield _Connector(manifest.id, kind, {key: text(value) for key, value in config.items()})
    for workload in subject.rendered.workloads:
        for path, body in workload.files.items():
            if path.endswith("mm2.properties"):
                yield _Connector(workload.id, "", _forward(properties(body)))


def _forward(settings: dict[str, str]) -> dict[str, str]:
    """The settings of the pair that something flows through, without its name (``prod->prod-dr.``)."""
    pairs = {key: value for key, value in settings.items() if "->" in key}
    flowing = {key.partition(".")[0] for key, value in pairs.items() if key.partition(".")[2] == "enabled" and value == "true"}
    return {key.partition(".")[2]: value for key, value in pairs.items() if key.partition(".")[0] in flowing}


def _standby(subject: Subject) -> Iterator[Violation]:
    if subject.spec.disaster_recovery is None and subject.spec.mirror_maker is None:
        yield Violation("disasterRecovery", "no environment stands in for this one")


def _replication_policy(subject: Subject) -> Iterator[Violation]:
    for connector in _connectors(subject):
        policy = connector.settings.get(_POLICY, "Kafka's default, which renames topics")
        if policy != _IDENTITY:
            yield Violation("mirrorMaker", f"{connector.kind or 'the mirror'} has {_POLICY} {policy}", connector.resource)


def _group_sync(subject: Subject) -> Iterator[Violation]:
    for connector in _connectors(subject):
        if connector.kind == "sourceConnector":
            continue
        for key in ("sync.group.offsets.enabled", "emit.checkpoints.enabled"):
            if connector.settings.get(key) != "true":
                yield Violation("mirrorMaker.groupOffsets", f"{key} is not on", connector.resource)


def _acl_sync(subject: Subject) -> Iterator[Violation]:
    for connector in _connectors(subject):
        if connector.kind != "checkpointConnector" and connector.settings.get("sync.topic.acls.enabled") != "false":
            yield Violation("mirrorMaker", "sync.topic.acls.enabled is not off", connector.resource)


def _replicas(subject: Subject) -> Iterator[Violation]:
    for connector in _connectors(subject):
        for key, value in sorted(connector.settings.items()):
            if key.endswith("replication.factor") and int(value) < LEAST_REPLICAS:
                yield Violation("mirrorMaker.replicationFactor", f"{key} is {value}", connector.resource)


def _promises(subject: Subject) -> Iterator[Violation]:
    for path, promised in (("mirrorMaker", subject.spec.mirror_maker), ("disasterRecovery", subject.spec.disaster_recovery)):
        if promised is None:
            continue
        for field, most in (("rpo", LONGEST_RPO_MS), ("rto", LONGEST_RTO_MS)):
            value = getattr(promised, field)
            if value > most:
                yield Violation(f"{path}.{field}", f"{format_duration(value)} is more than {format_duration(most)}")


def _intervals(subject: Subject) -> Iterator[Violation]:
    """A new topic is mirrored, and a group's new position known, only after the intervals have passed."""
    mirror = subject.spec.mirror_maker
    if mirror is None:
        return
    if mirror.refresh > mirror.rpo:
        yield Violation("mirrorMaker.refresh", f"a new topic waits up to {format_duration(mirror.refresh)}")
    if mirror.checkpoints + mirror.group_offsets > mirror.rpo:
        total = format_duration(mirror.checkpoints + mirror.group_offsets)
        yield Violation("mirrorMaker.groupOffsets", f"a group's position is up to {total} old")


def _nodes(subject: Subject) -> Iterator[Violation]:
    mirror = subject.spec.mirror_maker
    if mirror is not None and mirror.replicas < 2:
        yield Violation("mirrorMaker.replicas", f"{mirror.replicas} node")


def _secured(subject: Subject) -> Iterator[Violation]:
    mirror = subject.spec.mirror_maker
    if mirror is None:
        return
    if not mirror.source.tls:
        yield Violation("mirrorMaker.source.tls", "records cross between sites in plain text")
    if mirror.source.password is None:
        yield Violation("mirrorMaker.source.password", "the source is read by nobody in particular")


def _mirror_of(subject: Subject) -> tuple[Subject, MirrorMakerSpec] | None:
    """The standby that mirrors this environment, where it is known and does."""
    recovery = subject.spec.disaster_recovery
    other = None if recovery is None else subject.others.get(recovery.standby)
    if other is None or other.mirror_maker is None or other.mirror_maker.source.environment != subject.spec.name:
        return None
    return Subject(other, subject.rendered), other.mirror_maker


def _coverage(subject: Subject) -> Iterator[Violation]:
    found = _mirror_of(subject)
    if found is None:
        return
    standby, mirror = found
    for topic in subject.state.topics:
        if topic.pipeline and not derive.takes_topic(mirror, standby.spec, topic.name):
            yield Violation(topic.origin, f"{standby.spec.name} does not mirror {topic.name}", subject.topic_resource(topic))
    for index, pipeline in enumerate(subject.spec.pipelines):
        group = sink_group(pipeline, subject.spec.naming)
        if not derive.takes_group(mirror, standby.spec, group):
            yield Violation(f"pipelines[{index}].sink.group", f"{standby.spec.name} does not follow {group}")


def _users(subject: Subject) -> Iterator[Violation]:
    """Users, passwords and ACLs are each environment's own: MirrorMaker brings none."""
    found = _mirror_of(subject)
    if found is None:
        return
    there = {user.name for user in found[0].state.users} | {derive.USER}
    for user in subject.state.users:
        if user.name not in there:
            yield Violation(user.origin, f"{found[0].spec.name} has no user {user.name}", subject.user_resource(user))


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "recovery-standby",
        "Every production environment has a standby, or is one",
        "Without a second site the loss of the first is the loss of everything since the last backup.",
        "Declare disasterRecovery, and mirrorMaker in the environment that it names.",
        "Requirement A5",
        ADVICE,
        _standby,
    ),
    Rule(
        "recovery-replication-policy",
        "Mirrored topics keep their names, for every connector of a pair",
        "Clients find their topics under the same names after a failover; connectors that disagree translate no positions.",
        "Leave MirrorMaker's connectors to the platform.",
        "KIP-382; Apache Kafka documentation, IdentityReplicationPolicy",
        EVERYWHERE,
        _replication_policy,
    ),
    Rule(
        "recovery-group-offsets",
        "Consumer groups' positions are translated and committed in the standby",
        "Without them a consumer begins at the beginning, or at the end and misses what it had not read.",
        "Leave MirrorMaker's connectors to the platform.",
        "Requirement A5; KIP-545",
        EVERYWHERE,
        _group_sync,
    ),
    Rule(
        "recovery-acl-sync",
        "MirrorMaker copies no ACLs",
        "The standby's own spec says who may do what there; copied ACLs and the operator's would undo each other.",
        "Leave MirrorMaker's connectors to the platform.",
        "Strimzi documentation, sync.topic.acls.enabled with the User Operator",
        EVERYWHERE,
        _acl_sync,
    ),
    Rule(
        "recovery-replication-factor",
        "Mirrored topics and MirrorMaker's own have at least three replicas",
        "A standby that loses records with one broker is no standby once it has taken over.",
        "Leave mirrorMaker.replicationFactor out, on a cluster of three brokers or more.",
        "Requirements A2 and A5",
        OUTSIDE_DEVELOPMENT,
        _replicas,
    ),
    Rule(
        "recovery-promises",
        "No more than a minute is lost, and a failover takes no more than five",
        "It is what the platform's users were promised.",
        "Lower rpo and rto, on both sides.",
        "Requirement A5: RPO < 1 min, RTO < 5 min",
        PRODUCTION,
        _promises,
    ),
    Rule(
        "recovery-intervals",
        "What MirrorMaker does at intervals fits the RPO",
        "A topic that is not found yet and a position that is not translated yet are lost like a record that is not.",
        "Lower mirrorMaker.refresh, checkpoints or groupOffsets.",
        "Requirement A5",
        SHARED,
        _intervals,
    ),
    Rule(
        "recovery-nodes",
        "MirrorMaker runs on two nodes or more",
        "With one, its restart alone may take as much of the RPO as there is.",
        "Set mirrorMaker.replicas to 2 or more.",
        "Requirement A5",
        PRODUCTION,
        _nodes,
    ),
    Rule(
        "recovery-secured",
        "The way between the sites is encrypted, and the source knows who reads it",
        "It carries every record of every tenant, between two places.",
        "Set mirrorMaker.source.tls, and a reference to the password.",
        "Requirements A17 and A18",
        OUTSIDE_DEVELOPMENT,
        _secured,
    ),
    Rule(
        "recovery-coverage",
        "The standby mirrors every topic and group of every pipeline",
        "A pipeline cannot go on without its changes, dead letters, schema history, positions and group.",
        "Declare the pipeline's tenant in the standby, or add to its mirrorMaker.topics and groups.",
        "Requirement A5",
        SHARED,
        _coverage,
    ),
    Rule(
        "recovery-users",
        "The standby knows every user",
        "A client whose user is missing there cannot connect after a failover.",
        "Declare the user, or the pipeline that it belongs to, in the standby too.",
        "Requirements A5 and A18",
        ADVICE,
        _users,
    ),
)
