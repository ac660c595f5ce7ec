"""Programs that ask Redis, PostgreSQL and the folder of backups for their figures, as plain values. Pure.

Each enters as a user of its own that sees figures and no data: Redis' ``exporter``, PostgreSQL's ``cdc_monitor``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from components.backup.names import metrics_folder
from components.core import versions
from components.core.resources import ResourcesSpec
from components.core.secrets import SecretFile, referenced
from components.environment import EnvironmentSpec
from components.observability import names
from components.observability.scraping import redis_addresses, watched_backups, watched_postgres, watched_redis
from components.postgres import derive as postgres
from components.postgres.server import first_database
from components.postgres.spec import PostgresSpec
from components.redis import derive as redis
from components.redis.spec import RedisSpec

SECRETS = "/run/secrets"
TEMPORARY = "/tmp"  # noqa: S108 - the container's own
PASSWORDS, PGPASS = f"{TEMPORARY}/passwords.json", f"{TEMPORARY}/pgpass"
METRICS = "/metrics"
NOBODY, REDIS_EXPORTER_USER = 65534, 59000
"""The users of their images."""

_LOOK_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Companion:
    """One of them. ``{host}`` in ``command`` is what it listens on: its name on docker, every address on Kubernetes. It asks
    pods with each of the labels ``asks`` on a port; without labels, anybody. ``folder`` is the host's that it sees at
    :data:`METRICS`."""

    name: str
    image: str
    port: int
    health: str
    user: int
    resources: ResourcesSpec
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[SecretFile, ...] = ()
    asks: tuple[tuple[Mapping[str, str], int], ...] = ()
    waits_for: tuple[str, ...] = ()
    folder: str | None = None

    @property
    def secrets_folder(self) -> str:
        return f"{SECRETS}/{self.name}"

    def listening(self, host: str) -> tuple[str, ...]:
        """Its command, on ``host``."""
        return tuple(word.replace("{host}", host) for word in self.command)


def companions(spec: EnvironmentSpec) -> tuple[Companion, ...]:
    """Those that ``spec`` has something for."""
    found: list[Companion] = []
    if watched_redis(spec) and spec.redis is not None:
        found.append(_redis(spec, spec.redis))
    if watched_postgres(spec) == "exporter" and spec.postgres is not None:
        found.append(_postgres(spec, spec.postgres))
    if watched_backups(spec):
        found.append(_backups(spec))
    return tuple(found)


def _redis(spec: EnvironmentSpec, server: RedisSpec) -> Companion:
    """One for all nodes and Sentinels: Prometheus names the one that is meant. It reads passwords by address, from JSON."""
    assert spec.observability is not None
    own, folder = spec.observability.redis_exporter, f"{SECRETS}/{names.REDIS_EXPORTER}"
    secrets = [redis.exporter_password()]
    words = ["redis_exporter", "--redis.addr=", f"--redis.user={redis.EXPORTER}", f"--redis.password-file={PASSWORDS}"]
    words += ["--config-command=-", "--exclude-latency-histogram-metrics", "--connection-timeout=5s"]
    words.append(f"--web.listen-address={{host}}:{names.REDIS_EXPORTER_PORT}")
    if server.tls.enabled:
        secrets.append(referenced(server.tls.ca, redis.CA_FILE, "redis-tls"))
        words.append(f"--tls-ca-cert-file={folder}/{redis.CA_FILE}")
    asks: list[tuple[Mapping[str, str], int]] = [(redis.pods(redis.NAME), redis.PORT)]
    if server.sentinels:
        asks.append((redis.pods(redis.SENTINEL), redis.SENTINEL_PORT))
    known = " ".join(address.replace("://", f"://{redis.EXPORTER}@") for address in redis_addresses(spec, server))
    prepare = [
        f"password=$(sed -e 's/[\"\\\\]/\\\\&/g' {folder}/{secrets[0].name})",
        "comma=",
        f"{{ printf '{{'; for address in {known}; do",
        """  printf '%s"%s":"%s"' "$comma" "$address" "$password"; comma=,""",
        f"done; printf '}}'; }} > {PASSWORDS}",
    ]
    return Companion(
        name=names.REDIS_EXPORTER,
        image=own.image or versions.REDIS_EXPORTER_IMAGE,
        port=names.REDIS_EXPORTER_PORT,
        health="/health",
        user=REDIS_EXPORTER_USER,
        resources=own.resources,
        command=("sh", "-c", begun_anew(folder, prepare, " ".join(words))),
        secrets=tuple(sorted(secrets)),
        asks=tuple(asks),
        waits_for=redis.node_hosts(spec, server),
    )


def _postgres(spec: EnvironmentSpec, server: PostgresSpec) -> Companion:
    """Of a server that does not tell of itself: docker's, or an existing one. Its driver reads the password from a file of its
    own: one that is part of the address, as the exporter would have it, is in its log where it has a space."""
    assert spec.observability is not None
    own, folder = spec.observability.postgres_exporter, f"{SECRETS}/{names.POSTGRES_EXPORTER}"
    state = postgres.postgres_state(spec)
    role = postgres.monitor(server)
    assert role.password is not None
    secrets = [role.password]
    options = {"application_name": names.POSTGRES_EXPORTER, "connect_timeout": "5", "sslmode": "disable"}
    if server.encrypted:
        secrets.append(postgres.authority(spec, server))
        options |= {"sslmode": "verify-full", "sslrootcert": f"{folder}/{postgres.CA_FILE}"}
    host, port = postgres.server(spec, server)
    place = f"[{host}]" if ":" in host else host
    entry = f"printf '*:*:*:%s:%s\\n' {role.name} \"$(sed -e 's/[\\\\:]/\\\\&/g' {folder}/{role.password.name})\" > {PGPASS}"
    words = ["postgres_exporter", "--no-collector.stat_user_tables", "--no-collector.statio_user_tables"]
    words.append(f"--log.level=warn --web.listen-address={{host}}:{names.POSTGRES_EXPORTER_PORT}")
    return Companion(
        name=names.POSTGRES_EXPORTER,
        image=own.image or versions.POSTGRES_EXPORTER_IMAGE,
        port=names.POSTGRES_EXPORTER_PORT,
        health="/",
        user=NOBODY,
        resources=own.resources,
        command=("sh", "-c", begun_anew(folder, [entry], " ".join(words))),
        environment={
            "DATA_SOURCE_URI": f"{place}:{port}/{quote(first_database(state, role), safe='')}?{urlencode(options, safe='/')}",
            "DATA_SOURCE_USER": role.name,
            "PGPASSFILE": PGPASS,
        },
        secrets=tuple(sorted(secrets)),
        asks=(({}, port),),
        waits_for=() if server.external is not None else (postgres.ACCESS,),
    )


def _backups(spec: EnvironmentSpec) -> Companion:
    """It shows the file that ``cdc backup create`` leaves beside the backups, and sees nothing else of the machine."""
    assert spec.observability is not None
    assert spec.backup is not None
    own = spec.observability.backup_exporter
    words = (
        "node_exporter",
        "--collector.disable-defaults",
        "--collector.textfile",
        f"--collector.textfile.directory={METRICS}",
    )
    return Companion(
        name=names.BACKUP_EXPORTER,
        image=own.image or versions.NODE_EXPORTER_IMAGE,
        port=names.BACKUP_EXPORTER_PORT,
        health="/",
        user=NOBODY,
        resources=own.resources,
        command=(*words, "--log.level=warn", f"--web.listen-address={{host}}:{names.BACKUP_EXPORTER_PORT}"),
        folder=metrics_folder(spec.backup.directory),
    )


def begun_anew(folder: str, prepare: tuple[str, ...] | list[str], program: str) -> str:
    """In ``sh``: ``prepare`` and then ``program``, begun anew when a file in ``folder`` has changed: none of them reads its
    password twice. Where the program ends by itself, so does the script, with the same code."""
    lines = ["set -eu", "umask 077", "child=", f"state() {{ cat {folder}/* | sha256sum; }}"]
    lines += ["""trap 'kill "$child" 2> /dev/null || :; exit 0' TERM INT""", "while :; do", "  known=$(state)"]
    lines += [f"  {line}" for line in prepare]
    lines += [f"  {program} &", "  child=$!"]
    lines += ["""  while kill -0 "$child" 2> /dev/null && [ "$(state)" = "$known" ]; do"""]
    lines += [f"    sleep {_LOOK_SECONDS} & wait $! || :", "  done"]
    lines += ["""  kill "$child" 2> /dev/null || { wait "$child"; exit; }""", """  wait "$child" || :""", "done"]
    return "\n".join(lines)


def uses(spec: EnvironmentSpec) -> Iterator[tuple[str, tuple[SecretFile, ...]]]:
    """Which files each reads."""
    yield from ((companion.name, companion.secrets) for companion in companions(spec) if companion.secrets)
