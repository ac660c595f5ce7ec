"""The parts of Redis' and the Sentinels' configuration that hold nothing secret, and how each starts. Pure.

What is secret is put together at the start, in memory: the users with hashes of their passwords, and the passwords that a node
and a Sentinel themselves enter with. A node that starts asks the Sentinels who is the master: the one that died
comes back as a replica.
"""

import shlex
from collections.abc import Iterable

from components.environment import EnvironmentSpec
from components.redis.derive import (
    CA_FILE,
    MASTER,
    NAME,
    PORT,
    PROBE,
    REPLICATION,
    SENTINEL,
    SENTINEL_PORT,
    WATCHER,
    RedisUser,
    node_hosts,
    password_file,
    sentinel_hosts,
    users,
)
from components.redis.spec import RedisSpec

FOLDER = "/etc/cdc"
NODE, WATCH = f"{FOLDER}/redis.conf", f"{FOLDER}/sentinel.conf"
START, PROBE_SCRIPT = f"{FOLDER}/start.sh", f"{FOLDER}/probe.sh"
SECRETS = "/run/secrets/redis"
RUN = "/run/redis"
DATA = "/data"
_FEWEST_FOR_A_REPLICA = 3
"""With two nodes, the one that is left could never be written."""

_FUNCTIONS = f"""ask() {{
  host=$1 port=$2
  shift 2
  REDISCLI_AUTH=$(cat "$secrets/{password_file(WATCHER)}") timeout 3 redis-cli --user {WATCHER} --no-auth-warning \\
    $tls -h "$host" -p "$port" "$@" 2> /dev/null || true
}}
quoted() {{ # an echo would take its backslashes for its own
  printf '"%s"' "$(sed -e 's/[\\\\"]/\\\\&/g' "$secrets/$1")"
}}"""
_USER = """user() {
  secret=$(cat "$1")
  [ -n "$secret" ] || { echo "$1 holds no password" >&2; exit 1; }
  hash=$(printf %s "$secret" | sha256sum)
  echo "user $2 on #${hash%% *} $3"
}"""


def files(environment: EnvironmentSpec, spec: RedisSpec, host: str | None) -> dict[str, str]:
    """Of one node, by their path in the container. ``host`` is its name on docker; on Kubernetes each finds its own."""
    return {
        NODE: _node(spec, host),
        START: _start_node(environment, spec, host),
        PROBE_SCRIPT: _probe(environment, spec, host, NAME, PORT),
    }


def sentinel_files(environment: EnvironmentSpec, spec: RedisSpec, host: str | None) -> dict[str, str]:
    """Of one Sentinel."""
    return {
        WATCH: _sentinel(spec, host),
        START: _start_sentinel(environment, spec, host),
        PROBE_SCRIPT: _probe(environment, spec, host, SENTINEL, SENTINEL_PORT),
    }


def _listening(spec: RedisSpec, host: str | None, port: int) -> list[str]:
    """Where it listens, and with TLS nowhere else; the same certificate serves both sides of a connection."""
    lines = [f"bind {host or '* -::*'}"]
    if not spec.tls.enabled:
        return [*lines, f"port {port}"]
    return [
        *lines,
        "port 0",
        f"tls-port {port}",
        f"tls-cert-file {SECRETS}/redis.crt",
        f"tls-key-file {SECRETS}/redis.key",
        f"tls-ca-cert-file {SECRETS}/{CA_FILE}",
        "tls-auth-clients no",
        "tls-replication yes",
        'tls-protocols "TLSv1.2 TLSv1.3"',
    ]


def _node(spec: RedisSpec, host: str | None) -> str:
    """Requirement B3: a log of writes that is flushed every second, snapshots, and no eviction."""
    lines = [
        *_listening(spec, host, PORT),
        f"dir {DATA}",
        "databases 1",
        "appendonly yes",
        "appendfsync everysec",
        *(f"save {snapshot.after // 1000} {snapshot.changes}" for snapshot in spec.snapshots),
        "stop-writes-on-bgsave-error yes",
        f"maxmemory {spec.memory_for_data}",
        "maxmemory-policy noeviction",
        "enable-debug-command no",
        "enable-module-command no",
        "enable-protected-configs no",
        "tcp-keepalive 60",
        f"aclfile {RUN}/users.acl",
    ]
    if spec.nodes >= _FEWEST_FOR_A_REPLICA:
        lines += ["min-replicas-to-write 1", "min-replicas-max-lag 10"]
    return "\n".join(lines) + "\n"


def _sentinel(spec: RedisSpec, host: str | None) -> str:
    """Names instead of addresses: a pod that comes back has another address and the same name."""
    lines = [
        *_listening(spec, host, SENTINEL_PORT),
        f"dir {RUN}",
        f"aclfile {RUN}/users.acl",
        "sentinel resolve-hostnames yes",
        "sentinel announce-hostnames yes",
        "sentinel deny-scripts-reconfig yes",
        f"sentinel announce-port {SENTINEL_PORT}",
    ]
    return "\n".join(lines) + "\n"


def _own_name(environment: EnvironmentSpec, host: str | None, name: str) -> str:
    """In ``sh``: a pod's host name is its pod's name."""
    return host or f"$(hostname).{name}.{environment.context.namespace}.svc"


def _beginning(environment: EnvironmentSpec, spec: RedisSpec, host: str | None, name: str) -> list[str]:
    tls = f"'--tls --cacert {SECRETS}/{CA_FILE}'" if spec.tls.enabled else "''"
    return [
        "#!/bin/sh",
        "set -eu",
        "umask 077",
        f'secrets={SECRETS} run={RUN} tls={tls} own="{_own_name(environment, host, name)}"',
    ]


def _users(found: Iterable[tuple[RedisUser, str]]) -> list[str]:
    """The probe's password is made up anew at each start, and known to nobody else."""
    lines = [
        _USER,
        f"head -c 32 /dev/urandom | sha256sum | cut -d ' ' -f 1 > $run/{PROBE}.password",
        "{",
        "  echo 'user default off resetchannels -@all'",
    ]
    for user, rules in found:
        file = f"$run/{PROBE}.password" if user.password is None else f"$secrets/{user.password.name}"
        lines.append(f'  user "{file}" {user.name} {shlex.quote(rules)}')
    return [*lines, "} > $run/users.acl"]


def _master(environment: EnvironmentSpec, spec: RedisSpec, *, ask_nodes: bool) -> list[str]:
    """Who the Sentinels, or else the nodes, say is the master; the first node where nobody knows."""
    nodes = " ".join(node_hosts(environment, spec))
    lines = [_FUNCTIONS, "master="]
    lines += [f"for host in {' '.join(sentinel_hosts(environment, spec))}; do"]
    lines += ['  [ -n "$master" ] || [ "$host" = "$own" ] ||']
    lines += [f'    master=$(ask "$host" {SENTINEL_PORT} SENTINEL get-master-addr-by-name {MASTER} | head -n 1)', "done"]
    lines += [f'case " {nodes} " in *" $master "*) ;; *) master= ;; esac']
    if ask_nodes:
        lines += [f"for host in {nodes}; do"]
        lines += [f'  [ -n "$master" ] || [ "$(ask "$host" {PORT} ROLE | head -n 1)" != master ] || master=$host', "done"]
    return [*lines, f'[ -n "$master" ] || master={nodes.partition(" ")[0]}']


def _start_node(environment: EnvironmentSpec, spec: RedisSpec, host: str | None) -> str:
    """A script for ``sh`` that becomes the server. Its own file includes the rendered one, and lies where Sentinels can have it
    rewritten."""
    lines = _beginning(environment, spec, host, NAME)
    lines += _users((user, user.rules) for user in users(environment))
    own = [f"echo 'include {NODE}'"]
    if spec.sentinels:
        lines += _master(environment, spec, ask_nodes=False)
        own += [
            'echo "replica-announce-ip $own"',
            f"echo 'masteruser {REPLICATION}'",
            f"printf 'masterauth %s\\n' \"$(quoted {password_file(REPLICATION)})\"",
            f'[ "$master" = "$own" ] || echo "replicaof $master {PORT}"',
        ]
    lines += ["{", *(f"  {line}" for line in own), "} > $run/redis.conf", "exec redis-server $run/redis.conf"]
    return "\n".join(lines) + "\n"


def _start_sentinel(environment: EnvironmentSpec, spec: RedisSpec, host: str | None) -> str:
    """A script for ``sh`` that becomes a Sentinel. What it learns is in memory: the others, and the nodes, tell it again."""
    lines = _beginning(environment, spec, host, SENTINEL)
    lines += _users((user, user.watching) for user in users(environment) if user.watching is not None)
    lines += _master(environment, spec, ask_nodes=True)
    watcher = f"$(quoted {password_file(WATCHER)})"
    own = [
        f"cat {WATCH}",
        'echo "sentinel announce-ip $own"',
        f'echo "sentinel monitor {MASTER} $master {PORT} {spec.quorum}"',
        f"echo 'sentinel down-after-milliseconds {MASTER} {spec.failover_after}'",
        f"echo 'sentinel failover-timeout {MASTER} {12 * spec.failover_after}'",
        f"echo 'sentinel parallel-syncs {MASTER} 1'",
        f"echo 'sentinel auth-user {MASTER} {WATCHER}'",
        f"printf 'sentinel auth-pass {MASTER} %s\\n' \"{watcher}\"",
        f"echo 'sentinel sentinel-user {WATCHER}'",
        f"printf 'sentinel sentinel-pass %s\\n' \"{watcher}\"",
    ]
    lines += ["{", *(f"  {line}" for line in own), "} > $run/sentinel.conf"]
    return "\n".join([*lines, "exec redis-server $run/sentinel.conf --sentinel"]) + "\n"


def _probe(environment: EnvironmentSpec, spec: RedisSpec, host: str | None, name: str, port: int) -> str:
    """Ends with 0 once it answers: not while it reads its files. Its password is in no argument."""
    lines = _beginning(environment, spec, host, name)
    lines += [
        f"REDISCLI_AUTH=$(cat $run/{PROBE}.password)",
        "export REDISCLI_AUTH",
        f'[ "$(timeout 4 redis-cli --user {PROBE} --no-auth-warning $tls -h "$own" -p {port} PING)" = PONG ]',
    ]
    return "\n".join(lines) + "\n"
