"""Everything in a backup but records: what is looked at, in which order, and as what it is kept."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.backup.plan import BackupPlan
from components.kafka.desired_state import desired_state
from operations.backup.errors import BackupError
from operations.backup.schemas import Schemas
from operations.connect.cluster import Cluster
from operations.live.kafka import Partition, Settings
from operations.live.kafka_admin import KafkaAdmin
from operations.live.requests import AnswerError, connect, quotas
from operations.live.wire import UnsupportedError

_SECRET_KEY = re.compile(r"(?i)(password|passphrase|secret|token|jaas\.config|private.?key|api\.?key|credential)")
_NO_VALUE = re.compile(r"(?i)(\.class|\.type|\.location|\.enabled?|\.file|\.path|\.id)$")
_REFERENCE = re.compile(r"\$\{[^}]+\}")

Groups = dict[str, dict[Partition, int]]


@dataclass(frozen=True, slots=True)
class Sources:
    """The live interfaces; ``None`` for what is not declared, or was not to be looked at."""

    kafka: KafkaAdmin
    schemas: Schemas | None
    connect: Cluster | None


@dataclass(frozen=True, slots=True)
class Contents:
    """What was seen. Positions of connectors and groups were read before the ends of partitions, so none is behind them."""

    topics: Mapping[str, Mapping[str, Any]]
    groups: Groups
    acls: list[dict[str, str]] | None
    users: Mapping[str, list[dict[str, Any]]]
    schemas: Mapping[str, Any] | None
    connectors: Mapping[str, Mapping[str, Any]] | None
    vault: list[str]
    spec: Mapping[str, Any]
    desired: str = field(repr=False)
    quotas: list[dict[str, Any]] | None = None
    """``None`` where the user may not see them, or enters in a way that they cannot be asked for; and in backups of old."""

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        groups = {group: _by_topic(offsets) for group, offsets in self.groups.items()}
        return {name: getattr(self, name) for name in self.__slots__} | {"groups": groups}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Contents":
        """From what :meth:`record` gave."""
        groups = {group: dict(_places(topics)) for group, topics in record["groups"].items()}
        return cls(**{**record, "groups": groups})


def _by_topic(offsets: Mapping[Partition, int]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (topic, partition), offset in sorted(offsets.items()):
        found.setdefault(topic, {})[str(partition)] = offset
    return found


def _places(topics: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[Partition, int]]:
    for topic, partitions in topics.items():
        for partition, offset in partitions.items():
            yield (topic, int(partition)), offset


def observe(plan: BackupPlan, sources: Sources, settings: Settings) -> Contents:
    """Looks and changes nothing; the spec is there where the plan was made of it. Raises :class:`BackupError` for a connector
    that has a secret itself."""
    connectors = None if sources.connect is None else _connectors(sources.connect)
    groups, spec = sources.kafka.groups(), plan.environment
    return Contents(
        topics=sources.kafka.topics(),
        groups=groups,
        acls=sources.kafka.acls(),
        users=sources.kafka.scram_users(),
        schemas=None if sources.schemas is None else sources.schemas.observe(),
        connectors=connectors,
        vault=list(plan.vault),
        spec={} if spec is None else spec.published(),
        desired="" if spec is None else desired_state(spec.kafka, spec.kafka_state, spec.context),
        quotas=_quotas(settings),
    )


def _quotas(settings: Settings) -> list[dict[str, Any]] | None:
    try:
        with connect(settings) as connection:
            found = quotas(connection)
    except UnsupportedError:
        return None
    except AnswerError as error:
        if error.forbidden:
            return None
        raise
    return [{"entity": [list(part) for part in entity], "values": values} for entity, values in sorted(found.items(), key=str)]


def _connectors(cluster: Cluster) -> dict[str, dict[str, Any]]:
    found = {}
    for name, state in sorted(cluster.states().items()):
        config = dict(cluster.config(name))
        refuse_secrets(name, config)
        found[name] = {"config": config, "lives": state.lives, "offsets": list(cluster.offsets(name))}
    return found


def refuse_secrets(connector: str, config: Mapping[str, str]) -> None:
    """A configuration may refer to a secret, and hold none. The value is not repeated."""
    for key, value in sorted(config.items()):
        if value and _SECRET_KEY.search(key) and not _NO_VALUE.search(key) and not _REFERENCE.search(value):
            raise BackupError(
                f"connector {connector}: {key} looks like a secret itself\n"
                "      → let it refer to a file, such as ${directory:/run/secrets/connect:file}; nothing was backed up"
            )
