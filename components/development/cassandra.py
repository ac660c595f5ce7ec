"""How the container of Cassandra is configured and started. Pure."""

import shlex
from collections.abc import Iterable, Iterator

from components.cassandra_agent.properties import JVM_FLAGS
from components.core import versions, yaml_text
from components.core.rendered import HealthCheck, Mount, Workload
from components.core.secrets import mounted
from components.development import cassandra_demo as demo
from components.development.cassandra_spec import DevelopmentCassandraSpec
from components.development.derive import databases, readers
from components.development.names import ADMINISTRATOR_FILE, APPLICATION, CASSANDRA, CASSANDRA_PORT, COMPONENT
from components.environment import EnvironmentSpec
from components.kafka.render_docker import TEMPORARY

FOLDER, SECRETS, DATA, RUN = "/etc/cdc", "/run/secrets/cassandra", "/var/lib/cassandra", "/run/cassandra"
CONFIGURATION, JVM, LOGGING = f"{FOLDER}/cassandra.yaml", f"{FOLDER}/jvm.options", f"{FOLDER}/logback.xml"
SCHEMA, ROWS, START = f"{FOLDER}/schema.cql", f"{FOLDER}/rows.cql", f"{FOLDER}/start.sh"
READY = f"{RUN}/ready"
USER = "999:999"
"""``cassandra`` of Cassandra's image."""
SUPERUSER = "cassandra"
"""Whom a new node has, with its name as its password."""


def workload(spec: EnvironmentSpec, cassandra: DevelopmentCassandraSpec, volume: str) -> Workload:
    """Healthy once the tables, the users and their rights are there; until then no agent can log in."""
    return Workload(
        component=COMPONENT,
        name=CASSANDRA,
        image=cassandra.image or versions.CASSANDRA_IMAGE,
        command=("bash", START),
        environment={"HOME": "/tmp"},  # noqa: S108 - the container's own
        files=files(spec, cassandra),
        mounts=(Mount(DATA, volume=volume), mounted(CASSANDRA, SECRETS)),
        ports=((cassandra.host_port, CASSANDRA_PORT),),
        tmpfs=(f"{RUN}:mode=1777,size=1m", TEMPORARY),
        user=USER,
        memory_bytes=cassandra.resources.memory,
        cpu_millicores=cassandra.resources.cpu_limit_millicores,
        health=HealthCheck(("test", "-f", READY), start_period_seconds=180),
        stateful=True,
    )


def files(environment: EnvironmentSpec, spec: DevelopmentCassandraSpec) -> dict[str, str]:
    """By their path in the container."""
    keyspaces = databases(environment, CASSANDRA)
    replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    made = [f"CREATE KEYSPACE IF NOT EXISTS {_identifier(name)} WITH replication = {replication}" for name in keyspaces]
    return {
        CONFIGURATION: yaml_text.dump(_configuration()),
        JVM: _jvm_options(spec),
        LOGGING: _LOGGING,
        SCHEMA: _cql([*made, *(demo.schema(keyspaces) if spec.demo else ())]),
        ROWS: _cql(demo.rows(keyspaces) if spec.demo else ()),
        START: "\n".join(_start(environment, keyspaces)) + "\n",
    }


def _cql(statements: Iterable[str]) -> str:
    return "".join(f"{statement};\n" for statement in statements)


def _configuration() -> dict[str, object]:
    """Changes are synced to the log ten times a second, and lie in small files: so the agent sees them at once."""
    return {
        "cluster_name": COMPONENT,
        "num_tokens": 1,
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "authenticator": "PasswordAuthenticator",
        "authorizer": "CassandraAuthorizer",
        "data_file_directories": [f"{DATA}/data"],
        "commitlog_directory": f"{DATA}/commitlog",
        "cdc_enabled": True,
        "cdc_raw_directory": f"{DATA}/cdc_raw",
        "commitlog_sync": "periodic",
        "commitlog_sync_period": "100ms",
        "commitlog_segment_size": "4MiB",
        "saved_caches_directory": f"{DATA}/saved_caches",
        "hints_directory": f"{DATA}/hints",
        "endpoint_snitch": "SimpleSnitch",
        "seed_provider": [
            {"class_name": "org.apache.cassandra.locator.SimpleSeedProvider", "parameters": [{"seeds": CASSANDRA}]}
        ],
        "listen_address": CASSANDRA,
        "rpc_address": CASSANDRA,
        "native_transport_port": CASSANDRA_PORT,
        "start_native_transport": True,
        "auto_snapshot": False,
    }


def _jvm_options(spec: DevelopmentCassandraSpec) -> str:
    """A node that is alone waits for no other."""
    heap = f"{spec.heap_bytes >> 20}m"
    own = {
        "foreground": "yes",
        "storagedir": DATA,
        "config": f"file://{DATA}/cassandra.yaml",
        "superuser_setup_delay_ms": 0,
        "skip_wait_for_gossip_to_settle": 0,
        "ring_delay_ms": 1,
        "skip_paxos_state_rebuild": "true",
    }
    lines = [f"-Xms{heap}", f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError"]
    lines += [*(f"-Dcassandra{'-' if key == 'foreground' else '.'}{key}={value}" for key, value in own.items())]
    lines += [f"-Dlogback.configurationFile={LOGGING}", "-Dio.netty.tryReflectionSetAccessible=true", *JVM_FLAGS]
    return "\n".join(lines) + "\n"


_LOGGING = """<configuration>
  <appender name="all" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX,UTC} %-5level %logger{20} %msg%n</pattern></encoder>
  </appender>
  <logger name="org.apache.cassandra.service.CassandraDaemon" level="INFO"/>
  <root level="WARN"><appender-ref ref="all"/></root>
</configuration>
"""


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_FUNCTIONS = r"""account() {
  password=$(sed -e "s/'/''/g" "$secrets/$2")
  printf "CREATE ROLE IF NOT EXISTS %s WITH LOGIN = true;\nALTER ROLE %s WITH %s = '%s';\n" "$1" "$1" PASSWORD "$password"
}
credentials() {
  printf '[PlainTextAuthProvider]\nusername = %s\npassword = %s\n' "$1" "$2"
}"""
"""``account USER FILE``: passwords are put into files that lie in memory, for ``cqlsh``, and into no command line."""


def _start(environment: EnvironmentSpec, keyspaces: tuple[str, ...]) -> Iterator[str]:
    """The agent reads the node's own configuration, so a copy of it lies in the volume of both. Users are made last: whoever
    can log in finds the tables. Rows are made once; what was taken out of them stays out."""
    yield from ("#!/bin/bash", "set -eu", "umask 077")
    yield f"data={DATA} secrets={SECRETS} run={RUN}"
    yield _FUNCTIONS
    yield from (f'cp {CONFIGURATION} "$data/cassandra.yaml.new"', 'mv "$data/cassandra.yaml.new" "$data/cassandra.yaml"')
    yield from ("{", f"  cat {SCHEMA}", f'  [ -e "$data/made" ] || cat {ROWS}')
    yield from (f"  {line}" for line in _users(environment, keyspaces))
    yield '} > "$run/setup.cql"'
    yield f'credentials {SUPERUSER} "$(cat "$secrets/{ADMINISTRATOR_FILE}")" > "$run/known"'
    yield f'credentials {SUPERUSER} {SUPERUSER} > "$run/new"'
    yield f"java @{JVM} -cp '/opt/cassandra/lib/*' org.apache.cassandra.service.CassandraDaemon &"
    yield _SET_UP.format(host=CASSANDRA, port=CASSANDRA_PORT, ready=READY)


_SET_UP = r"""server=$!
trap 'kill "$server"' TERM INT
until (exec 3<> /dev/tcp/{host}/{port}) 2> /dev/null; do
  kill -0 "$server" || exit 1
  sleep 0.5
done
first=new second=known
if [ -e "$data/made" ]; then first=known second=new; fi
until cqlsh --credentials="$run/$first" --request-timeout=60 --file="$run/setup.cql" {host} {port}; do
  kill -0 "$server" || exit 1
  last=$first first=$second second=$last
  sleep 1
done
rm "$run/setup.cql" "$run/known" "$run/new"
touch "$data/made" {ready}
ended=0
while kill -0 "$server" 2> /dev/null; do
  wait "$server" || ended=$?
done
exit $ended"""
"""A new node knows its superuser by the password that everybody knows: until this has run, no more than once."""


def _users(environment: EnvironmentSpec, keyspaces: tuple[str, ...]) -> Iterator[str]:
    """Who reads has the least rights that an agent needs, who writes all in what is read, the superuser its own password."""
    found = readers(environment, CASSANDRA)
    for user, file in sorted({reader.user: reader.file for reader in found}.items()):
        name = _identifier(user)
        own = sorted({keyspace for reader in found if reader.user == user for keyspace in reader.databases})
        yield f"account {shlex.quote(name)} {shlex.quote(file)}"
        yield from (f"echo {shlex.quote(f'GRANT SELECT ON KEYSPACE {_identifier(keyspace)} TO {name};')}" for keyspace in own)
    yield f"account {APPLICATION} {APPLICATION}.password"
    for keyspace in keyspaces:
        yield f"echo {shlex.quote(f'GRANT ALL PERMISSIONS ON KEYSPACE {_identifier(keyspace)} TO {APPLICATION};')}"
    yield f"account {SUPERUSER} {ADMINISTRATOR_FILE}"
