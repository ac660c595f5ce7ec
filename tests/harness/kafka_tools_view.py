"""What Kafka's own command-line tools say of a cluster: an observer that has nothing of ours."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

_TOPIC = re.compile(r"^Topic: (\S+)\t.*PartitionCount: (\d+)\tReplicationFactor: (\d+)\tConfigs: ?(.*)$")
_RESOURCE = re.compile(r"ResourcePattern\(resourceType=(\w+), name=(.*?), patternType=(\w+)\)")
_ENTRY = re.compile(r"\(principal=(.*?), host=(.*?), operation=(\w+), permissionType=(\w+)\)")
_USER = re.compile(r"^(Quota|SCRAM credential) configs for (.*?) are (.*)$")

_STATIC = "file.delete.delay.ms"
"""Shown with every topic, because ``server.properties`` of our brokers sets it."""

Tool = Callable[..., str]


@dataclass(frozen=True)
class View:
    """Topics as ``(partitions, replicas, configuration)``; ACLs as ``(principal, resource, name, pattern, operation,
    permission, host)``; quotas and passwords by the tool's own name of whom they bind."""

    topics: dict[str, tuple[int, int, dict[str, str]]]
    acls: frozenset[tuple[str, ...]]
    quotas: dict[str, dict[str, float]]
    passwords: dict[str, frozenset[str]]

    def outside(self, topics: set[str], principals: set[str]) -> "View":
        """The same without these topics, and without what is these principals'."""
        whose = {f"user-principal '{principal.removeprefix('User:')}'" for principal in principals}
        return View(
            {name: topic for name, topic in self.topics.items() if name not in topics and not name.startswith("__")},
            frozenset(acl for acl in self.acls if acl[0] not in principals),
            {who: quota for who, quota in self.quotas.items() if who not in whose | {"the default user-principal"}},
            {who: found for who, found in self.passwords.items() if who not in whose},
        )


def view(tool: Tool) -> View:
    """Three of Kafka's tools, at the same time."""
    with ThreadPoolExecutor(3) as workers:
        topics = workers.submit(tool, "org.apache.kafka.tools.TopicCommand", "--describe")
        acls = workers.submit(tool, "org.apache.kafka.tools.AclCommand", "--list")
        users = workers.submit(
            tool, "kafka.admin.ConfigCommand", "--describe", "--entity-type", "users", "--entity-type", "clients"
        )
        alone = workers.submit(tool, "kafka.admin.ConfigCommand", "--describe", "--entity-type", "users")
        quotas, passwords = _users(users.result() + alone.result())
        return View(_topics(topics.result()), frozenset(_acls(acls.result())), quotas, passwords)


def _topics(text: str) -> dict[str, tuple[int, int, dict[str, str]]]:
    found = {}
    for line in text.splitlines():
        match = _TOPIC.match(line)
        if match:
            pairs = re.split(r",(?=[a-z.]+=)", match[4]) if match[4] else []
            config = dict(pair.split("=", 1) for pair in pairs)
            config.pop(_STATIC, None)
            found[match[1]] = int(match[2]), int(match[3]), config
    return found


def _acls(text: str) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    resource: tuple[str, str, str] = "", "", ""
    for line in text.splitlines():
        about, entry = _RESOURCE.search(line), _ENTRY.search(line)
        if about:
            resource = about[1], about[2], about[3]
        if entry:
            found.append((entry[1], *resource, entry[3], entry[4], entry[2]))
    return found


def _users(text: str) -> tuple[dict[str, dict[str, float]], dict[str, frozenset[str]]]:
    quotas: dict[str, dict[str, float]] = {}
    passwords: dict[str, frozenset[str]] = {}
    for line in text.splitlines():
        match = _USER.match(line)
        if match and match[1] == "Quota":
            pairs = (part.split("=") for part in match[3].split(", "))
            quotas[match[2]] = {key: float(value) for key, value in pairs}
        elif match:
            passwords[match[2]] = frozenset(part.split("=")[0] for part in match[3].split(", "))
    return quotas, passwords
