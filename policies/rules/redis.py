"""Redis keeps what it has, outlives a node, and knows whom it talks to (requirements B3 and B9)."""

import re
from collections.abc import Iterator

from components.redis.derive import NAME
from policies.model import OUTSIDE_DEVELOPMENT, PRODUCTION, SHARED, Rule, Subject, Violation

_FEWEST = 3
_KEPT = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}
_UNBOUNDED = re.compile(r"(?<!\S)(nopass|allcommands|allkeys|allchannels|\+@all|\+@admin|\+@dangerous|~\*|&\*|%RW~\*)(?!\S)")


def _files(subject: Subject, file: str) -> Iterator[tuple[str, str]]:
    """Texts of Redis' files of one name, by the object that has them."""
    for manifest in subject.of_kind("ConfigMap"):
        if manifest.component == NAME and file in manifest.body["data"]:
            yield manifest.id, manifest.body["data"][file]
    for workload in subject.rendered.workloads:
        if workload.component == NAME:
            yield from ((workload.id, text) for path, text in workload.files.items() if path.endswith(f"/{file}"))


def _sentinels(subject: Subject) -> Iterator[Violation]:
    redis = subject.spec.redis
    if redis is not None and redis.sentinels < _FEWEST:
        yield Violation("redis.sentinels", f"{redis.sentinels} cannot outvote a part that was cut off")
    if redis is not None and redis.nodes < _FEWEST:
        yield Violation("redis.nodes", f"with {redis.nodes}, nobody follows the master once one is lost")


def _encryption(subject: Subject) -> Iterator[Violation]:
    redis = subject.spec.redis
    if redis is not None and not redis.tls.enabled:
        yield Violation("redis.tls.enabled", "passwords cross the network in the clear")
    for file in ("redis.conf", "sentinel.conf"):
        for resource, text in _files(subject, file):
            if redis is not None and redis.tls.enabled and "port 0" not in text.splitlines():
                yield Violation("redis.tls", "a port speaks without TLS", resource)


def _persistence(subject: Subject) -> Iterator[Violation]:
    for resource, text in _files(subject, "redis.conf"):
        lines = text.splitlines()
        for key, value in _KEPT.items():
            if f"{key} {value}" not in lines:
                yield Violation("redis", f"{key} is not {value}", resource)
        if not any(line.startswith("maxmemory ") for line in lines):
            yield Violation("redis.maxMemory", "nothing bounds its memory", resource)
        if not any(re.fullmatch(r"save \d+ \d+", line) for line in lines):
            yield Violation("redis.snapshots", "no snapshot is ever written", resource)


def _users(subject: Subject) -> Iterator[Violation]:
    for resource, text in _files(subject, "start.sh"):
        lines = [line.strip() for line in text.splitlines()]
        if "echo 'user default off resetchannels -@all'" not in lines:
            yield Violation("redis", "who gives no name is let in", resource)
        for line in lines:
            if line.startswith('user "') and (found := _UNBOUNDED.search(line.replace("'", " "))):
                yield Violation("redis", f"user {line.split()[2]} has {found[0]}", resource)


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "redis-sentinels",
        "Redis has three nodes and three Sentinels in production",
        "Fewer Sentinels cannot agree that the master is dead; fewer nodes leave a master that nobody follows.",
        "Leave redis.nodes and redis.sentinels at 3.",
        "Requirement B3: Sentinel with three nodes; Redis documentation, Sentinel",
        PRODUCTION,
        _sentinels,
    ),
    Rule(
        "redis-encryption",
        "Redis and its Sentinels speak TLS and nothing else",
        "Every client's password is in its first message.",
        "Leave redis.tls.enabled on.",
        "Requirement B9: TLS to Redis",
        OUTSIDE_DEVELOPMENT,
        _encryption,
    ),
    Rule(
        "redis-persistence",
        "Redis keeps a log of writes and snapshots, and drops nothing when it is full",
        "A cache that evicts or forgets tells people that pipelines stand where they do not.",
        "Leave redis.snapshots and the rendered redis.conf as they are.",
        "Requirement B3: AOF everysec, RDB, noeviction",
        SHARED,
        _persistence,
    ),
    Rule(
        "redis-users",
        "Every user of Redis has a password, its own keys and its own commands",
        "Whoever may do everything can read all that others store, and take the server's place.",
        "Leave the users to the platform.",
        "Requirement B9; Redis documentation, ACL",
        SHARED,
        _users,
    ),
)
