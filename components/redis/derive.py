"""Who may do what in Redis, and where its clients find it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.core.secrets import SecretFile
from components.kafka.derive import pipeline_user, source_tables
from components.pipelines.spec import PipelineSpec
from components.postgres.sql import fitted

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec
    from components.redis.spec import RedisSpec

NAME, SENTINEL = "redis", "redis-sentinel"
PORT, SENTINEL_PORT = 6379, 26379
MASTER = "cdc"
"""The name under which the Sentinels know the master."""

CA_FILE = "redis-ca.pem"
PROBE, REPLICATION, WATCHER, EXPORTER = "probe", "replication", "sentinel", "exporter"

_NOTHING = "resetchannels -@all"
_SESSION = "+@connection -@admin -@dangerous"
"""Log in, name oneself, ping; not: kill, list or pause other clients."""

_HELLO = "&__sentinel__:hello"


@dataclass(frozen=True, slots=True)
class RedisUser:
    """A user of Redis. ``rules`` are those of an ACL on the nodes, ``watching`` those on the Sentinels (none: unknown there).
    ``password`` is ``None`` where a node makes one up for itself."""

    name: str
    rules: str
    watching: str | None = None
    password: SecretFile | None = None


def pods(name: str) -> dict[str, str]:
    """What the pods of nodes or Sentinels are known by."""
    return {"app.kubernetes.io/name": name}


def password_file(user: str) -> str:
    """The name of a user's password in a folder of secrets."""
    return f"{user}.redis-password"


def _own_password(user: str) -> SecretFile:
    return SecretFile(password_file(user), NAME, user)


def exporter_password() -> SecretFile:
    """The file of the password of whoever reads figures."""
    return _own_password(EXPORTER)


def sink_user(pipeline: PipelineSpec) -> str:
    """A pipeline's user: the same name as in Kafka."""
    return pipeline_user(pipeline, "sink")


def sink_password(pipeline: PipelineSpec) -> SecretFile:
    """The file of a pipeline's password."""
    return SecretFile(password_file(sink_user(pipeline)), f"{pipeline.name}-sink-redis", "password")


def users(environment: "EnvironmentSpec") -> tuple[RedisUser, ...]:
    """Everybody but ``default``, who is off: the platform's own, and one for each pipeline's sink workers."""
    own = (
        RedisUser(PROBE, f"{_NOTHING} {_SESSION} +role", f"{_NOTHING} {_SESSION}"),
        RedisUser(REPLICATION, f"{_NOTHING} +auth +ping +psync +replconf", password=_own_password(REPLICATION)),
        RedisUser(
            WATCHER,
            f"{_NOTHING} {_SESSION} {_HELLO} +client|kill +config|rewrite +exec +info +multi +publish +role +script|kill "
            "+slaveof +subscribe",
            f"{_NOTHING} {_SESSION} {_HELLO} +publish +sentinel|get-master-addr-by-name +sentinel|is-master-down-by-addr "
            "+subscribe",
            _own_password(WATCHER),
        ),
        RedisUser(
            EXPORTER,
            f"{_NOTHING} {_SESSION} +info +latency|latest +slowlog|get +slowlog|len",
            f"{_NOTHING} {_SESSION} +info +sentinel|ckquorum +sentinel|masters +sentinel|replicas +sentinel|sentinels "
            "+sentinel|slaves",
            _own_password(EXPORTER),
        ),
    )
    return (*own, *(_sink(pipeline) for pipeline in sinks(environment)))


def sinks(environment: "EnvironmentSpec") -> Iterator[PipelineSpec]:
    """Pipelines whose workers leave hints."""
    for pipeline in environment.pipelines:
        if pipeline.sink.via == "sink-worker" and pipeline.source.chosen is not None:
            yield pipeline


def _sink(pipeline: PipelineSpec) -> RedisUser:
    """The worker sets checkpoints and schemas; a lock it takes, and gives back by a script that looks whether it is its own."""
    keys = " ".join(f"~{pattern}" for table in source_tables(pipeline) for pattern in key_patterns(pipeline, table))
    return RedisUser(
        sink_user(pipeline),
        f"{_NOTHING} {_SESSION} +del +eval +get +set {keys}",
        f"{_NOTHING} {_SESSION} +sentinel|masters +sentinel|sentinels +sentinel|replicas +sentinel|get-master-addr-by-name",
        sink_password(pipeline),
    )


def key_patterns(pipeline: PipelineSpec, table: str) -> tuple[str, str, str]:
    """The keys of one table (requirement B3): ``checkpoint:<schema>.<table>:<partition>``, ``schema:<schema>:<table>`` and
    ``lock:<schema>.<table>``. The worker cuts names as PostgreSQL would."""
    schema, name = _glob(fitted(pipeline.sink.postgres.schema_name)), _glob(fitted(table.partition(".")[2]))
    return f"checkpoint:{schema}.{name}:*", f"schema:{schema}:{name}", f"lock:{schema}.{name}"


def _glob(text: str) -> str:
    """A text in a key pattern. White space ends a pattern in an ACL file and cannot be quoted: any byte may stand for it."""
    return "".join(_glob_character(character) for character in text)


def _glob_character(character: str) -> str:
    if character.isspace() or not character.isprintable():
        return "?" * len(character.encode())
    return f"\\{character}" if character in "*?[]\\" else character


def node_hosts(environment: "EnvironmentSpec", spec: "RedisSpec") -> tuple[str, ...]:
    """The nodes' own names; the first is the master of a new environment."""
    return tuple(_host(environment, NAME, number) for number in range(spec.nodes))


def sentinel_hosts(environment: "EnvironmentSpec", spec: "RedisSpec") -> tuple[str, ...]:
    """The Sentinels' own names."""
    return tuple(_host(environment, SENTINEL, number) for number in range(spec.sentinels))


def _host(environment: "EnvironmentSpec", name: str, number: int) -> str:
    if environment.target == "docker":
        return f"{name}-{number}"
    return f"{name}-{number}.{name}.{environment.context.namespace}.svc"
