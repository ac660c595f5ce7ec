"""Least privilege: everyone may do what they need and nothing else (requirements A16 and A18)."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from components.kafka.derive import sink_group
from components.kafka.listeners import NODE_PRINCIPAL
from components.kafka.state import AclBinding, User
from components.observability.derive import ORIGIN as MEASURES
from policies.model import EVERYWHERE, OUTSIDE_DEVELOPMENT, SHARED, Rule, Subject, Violation
from policies.rules.settings import node_settings, setting_path

MOST_SUPER_USERS = 3
_OPEN = "allow.everyone.if.no.acl.found"
_HARMLESS_CLUSTER_OPERATIONS = {"Describe", "DescribeConfigs", "IdempotentWrite"}


def _authorization(subject: Subject) -> Iterator[Violation]:
    if subject.spec.kafka.authorization.type != "simple":
        yield Violation("kafka.authorization.type", "everyone may do everything")
        return
    for kafka in subject.of_kind("Kafka"):
        if (kafka.body["spec"]["kafka"].get("authorization") or {}).get("type") != "simple":
            yield Violation("kafka.authorization.type", "is rendered without authorization", kafka.id)
    if subject.spec.target == "docker":
        for setting in node_settings(subject, "authorizer.class.name"):
            if not setting.value:
                yield Violation("kafka.authorization.type", f"authorizer.class.name {setting.said}", setting.resource)
    for setting in node_settings(subject, _OPEN):
        if setting.value == "true":
            yield Violation(setting_path(_OPEN), f"{_OPEN} {setting.said}", setting.resource)


def _few_super_users(subject: Subject) -> Iterator[Violation]:
    names = subject.spec.kafka.authorization.super_users
    if len(names) > MOST_SUPER_USERS:
        yield Violation("kafka.authorization.superUsers", f"{len(names)} users that no ACL binds")


def _super_users_declared(subject: Subject) -> Iterator[Violation]:
    """Strimzi knows a user with a certificate by its subject, ``CN=<name>``. On docker the nodes are super users too."""
    users = subject.state.users
    strimzi = {f"CN={user.name}" if user.authentication == "tls" else user.name for user in users}
    docker = {f"User:{user.name}" for user in users}
    docker |= {f"User:{NODE_PRINCIPAL}{workload.name}" for workload in subject.rendered.workloads}
    listed = [
        (kafka.id, name, strimzi)
        for kafka in subject.of_kind("Kafka")
        for name in (kafka.body["spec"]["kafka"].get("authorization") or {}).get("superUsers", ())
    ]
    listed += [
        (setting.resource, name, docker)
        for setting in node_settings(subject, "super.users")
        for name in filter(None, (setting.value or "").split(";"))
    ]
    for resource, name, known in listed:
        if name not in known:
            yield Violation("kafka.authorization.superUsers", f"super user {name} is no declared user", resource)


def _acls(subject: Subject) -> Iterator[tuple[User, AclBinding]]:
    for user in subject.state.users:
        for acl in user.acls:
            yield user, acl


def _wildcard(subject: Subject) -> Iterator[Violation]:
    """Who measures sees every name: what it did not see, nobody would be told of."""
    for user, acl in _acls(subject):
        if user.origin == MEASURES and acl.operations == ("Describe",):
            continue
        if acl.resource != "cluster" and acl.name in {"", "*"}:
            operations = "/".join(acl.operations)
            yield Violation(
                user.origin, f"user {user.name} has {operations} on every {acl.resource}", subject.user_resource(user)
            )


def _all_operations(subject: Subject) -> Iterator[Violation]:
    for user, acl in _acls(subject):
        if "All" in acl.operations:
            yield Violation(user.origin, f"user {user.name} has All on {acl.resource} {acl.name}", subject.user_resource(user))


def _cluster(subject: Subject) -> Iterator[Violation]:
    for user, acl in _acls(subject):
        harmful = sorted(set(acl.operations) - _HARMLESS_CLUSTER_OPERATIONS)
        if acl.resource == "cluster" and harmful:
            yield Violation(
                user.origin, f"user {user.name} has {'/'.join(harmful)} on the cluster", subject.user_resource(user)
            )


def _host(subject: Subject) -> Iterator[Violation]:
    for user, acl in _acls(subject):
        if acl.host != "*" and not _is_address(acl.host):
            yield Violation(
                user.origin,
                f"user {user.name}'s ACL on {acl.resource} {acl.name} is for host {acl.host}, which matches nobody",
                subject.user_resource(user),
            )


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class OwnedNames:
    """Names of one resource type with the tenant that owns each, as runs of sorted names with one owner: a prefix of ten
    thousand topics is a handful of runs."""

    def __init__(self, tenants: Mapping[str, str]) -> None:
        self.tenants = tenants
        self._names = sorted(tenants)
        self._starts = [0, *(at for at in range(1, len(self._names)) if self._owner(at) != self._owner(at - 1))]

    def _owner(self, at: int) -> str:
        return self.tenants[self._names[at]]

    def _runs(self, begin: int, end: int) -> Iterator[tuple[int, int]]:
        """The runs, as positions of names, within ``begin`` and ``end``."""
        run = bisect_right(self._starts, begin) - 1
        while begin < end:
            run += 1
            stop = min(end, self._starts[run] if run < len(self._starts) else end)
            yield begin, stop
            begin = stop

    def strangers(self, acl: AclBinding, tenant: str) -> tuple[str, int] | None:
        """A name that ``acl`` reaches and that belongs to another tenant than ``tenant``, and how many there are."""
        if acl.pattern == "literal" and acl.name != "*":
            owner = self.tenants.get(acl.name, tenant)
            return None if owner == tenant else (acl.name, 1)
        prefix = "" if acl.name == "*" else acl.name
        begin, end = bisect_left(self._names, prefix), bisect_left(self._names, prefix + "\U0010ffff")
        runs = [(start, stop) for start, stop in self._runs(begin, end) if self._owner(start) != tenant]
        count = sum(stop - start for start, stop in runs)
        return (self._names[runs[0][0]], count) if count else None


def _isolation(subject: Subject) -> Iterator[Violation]:
    spec = subject.spec
    owned = {
        "topic": OwnedNames({topic.name: topic.tenant for topic in subject.state.topics if topic.tenant}),
        "group": OwnedNames({sink_group(pipeline, spec.naming): pipeline.tenant for pipeline in spec.pipelines}),
    }
    for user, acl in _acls(subject):
        if not user.tenant or acl.resource not in owned:
            continue
        names = owned[acl.resource]
        found = names.strangers(acl, user.tenant)
        if found is not None:
            name, count = found
            more = f" and {count - 1:,} more" if count > 1 else ""
            what = f"{'/'.join(acl.operations)} on {acl.resource} {name} of {names.tenants[name]}{more}"
            yield Violation(user.origin, f"user {user.name} of {user.tenant} has {what}", subject.user_resource(user))


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "kafka-authorization",
        "Authorization is on",
        "Without it every client that connects may read, write and delete everything.",
        "Set kafka.authorization.type to simple.",
        "Requirement A18; Apache Kafka documentation, authorization and ACLs",
        OUTSIDE_DEVELOPMENT,
        _authorization,
    ),
    Rule(
        "kafka-super-users-few",
        f"At most {MOST_SUPER_USERS} super users",
        "No ACL binds them and no denial stops them: each is a key to everything.",
        "Take users off kafka.authorization.superUsers, and give them ACLs.",
        "Requirement A18; Apache Kafka documentation, super.users",
        OUTSIDE_DEVELOPMENT,
        _few_super_users,
    ),
    Rule(
        "kafka-super-users-declared",
        "Every super user is a declared user",
        "A name that nobody owns is free for whoever gets a certificate or a password for it.",
        "Declare the user in kafka.users, or take it off the list.",
        "Requirement A18; Strimzi documentation, superUsers",
        EVERYWHERE,
        _super_users_declared,
    ),
    Rule(
        "kafka-acl-wildcard",
        "No ACL is for every topic, group or transactional id",
        "It reaches other tenants' data today, and whatever is created tomorrow.",
        "Name the topics, or give a prefix such as shop_*.",
        "Requirements A16 and A18; Apache Kafka documentation, wildcard resource pattern",
        OUTSIDE_DEVELOPMENT,
        _wildcard,
    ),
    Rule(
        "kafka-acl-all",
        "No ACL allows all operations",
        "All includes Delete, Alter and AlterConfigs: who only reads could remove the topic.",
        "List the operations that are needed.",
        "Requirement A18; Apache Kafka documentation, operations",
        OUTSIDE_DEVELOPMENT,
        _all_operations,
    ),
    Rule(
        "kafka-acl-cluster",
        "No user may change the cluster",
        "Alter on the cluster lets a client give itself any right; ClusterAction is the brokers' own.",
        "Make the change through the spec, or as a listed super user.",
        "Requirement A18; Apache Kafka documentation, operations on the Cluster resource",
        SHARED,
        _cluster,
    ),
    Rule(
        "kafka-acl-host",
        "An ACL's host is * or an IP address",
        "Kafka compares it with the client's address as text: a host name or a network never matches anyone.",
        "Write an IP address, or leave host out.",
        "Apache Kafka documentation, ACL host",
        EVERYWHERE,
        _host,
    ),
    Rule(
        "kafka-tenant-isolation",
        "A tenant's users reach no other tenant's topics and groups",
        "One tenant must neither read another's data nor move its offsets.",
        "Narrow the ACL, or waive the rule for this user with the owning tenant as the waiver's owner.",
        "Requirement A16",
        OUTSIDE_DEVELOPMENT,
        _isolation,
    ),
)
