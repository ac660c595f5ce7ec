"""What brings the live system to the spec on one's own machine: ``cdc apply``, in containers. Pure.

One makes the topics, before anything comes that would make its own. The other brings all to the spec, and is a program that
stays, like the one that keeps PostgreSQL: a connector that failed while its broker was away is started again, and what somebody
changed is changed back.
"""

import shlex
from collections.abc import Iterator

from components.connect.derive import REST_PORT, worker_names
from components.connect.names import COLOURS
from components.core import yaml_text
from components.core.rendered import HealthCheck, Workload
from components.development.derive import open_listener, waits_for_kafka
from components.development.names import APPLY, COMPONENT, MARIADB, TOPICS
from components.environment import CONFIG_KEY, EnvironmentSpec
from components.haproxy.derive import NAME as HAPROXY
from components.kafka.clients import bootstrap
from components.schema_registry.derive import instances

IMAGE = "cdc-platform/cdc:local"
BUILD = "."
"""The project itself is what it is built from."""

PROJECT, FOLDER, RUN = "/project", "/etc/cdc", "/run/cdc"
CLIENT, START = f"{FOLDER}/client.properties", f"{FOLDER}/apply.sh"
APPLIED, PASSWORDS = f"{RUN}/applied", f"{RUN}/passwords"
USER = "10001:10001"
_MEMORY = 256 << 20
_AGAIN_SECONDS, _RETRY_SECONDS, _START_SECONDS = 60, 2, 300
_DECIDE = 3
"""``cdc apply`` ends so where what is left is for a person to decide."""


def workloads(spec: EnvironmentSpec) -> tuple[Workload, Workload]:
    """Each is healthy while its last run found or made everything as it must be."""
    nowhere = [f"--{name}=none" for name in ("registry", *COLOURS)]
    brokers = tuple(name for name in waits_for_kafka(spec) if name != TOPICS)
    return _workload(spec, TOPICS, nowhere, brokers), _workload(spec, APPLY, [*_workers(spec)], (TOPICS, *_servers(spec)))


def _workload(spec: EnvironmentSpec, name: str, options: list[str], waits: tuple[str, ...]) -> Workload:
    listener = open_listener(spec.kafka)
    if listener is None:
        raise ValueError("no listener that asks for nothing; the spec's own check refuses this")
    command = [
        "cdc",
        "--root",
        PROJECT,
        "apply",
        spec.name,
        "--yes",
        "--kafka-config",
        CLIENT,
        "--secrets",
        PASSWORDS,
        *options,
    ]
    users = [user.name for user in spec.kafka_state.users if user.authentication == "scram-sha-512"]
    return Workload(
        component=COMPONENT,
        name=name,
        image=IMAGE,
        build=BUILD,
        command=("sh", START),
        environment={"CDC_AUDIT_LOG": f"{RUN}/audit.jsonl", "HOME": RUN, "USER": name},
        files={
            f"{PROJECT}/Pulumi.yaml": yaml_text.dump({"name": "cdc-platform", "runtime": "python"}),
            f"{PROJECT}/Pulumi.{spec.name}.yaml": yaml_text.dump({"config": {CONFIG_KEY: spec.published()}}),
            CLIENT: f"bootstrap.servers={bootstrap(spec.kafka, spec.context, listener)}\n",
            START: _script(command, users, again=name == APPLY),
        },
        tmpfs=(f"{RUN}:mode=1777,size=16m", "/tmp:mode=1777,size=16m"),  # noqa: S108 - the container's own
        user=USER,
        memory_bytes=_MEMORY,
        cpu_millicores=500,
        health=HealthCheck(("test", "-f", APPLIED), start_period_seconds=_START_SECONDS),
        depends_on=waits,
    )


def _workers(spec: EnvironmentSpec) -> Iterator[str]:
    for colour in COLOURS if spec.connect is not None else ():
        for name in worker_names(spec.connect, spec.kafka, colour) if spec.connect is not None else ():
            yield f"--{colour}=http://{name}:{REST_PORT}"


def _servers(spec: EnvironmentSpec) -> Iterator[str]:
    """What has to answer before a connector can be made."""
    if spec.schema_registry is not None:
        yield from instances(spec.schema_registry)
    if spec.haproxy is not None:
        yield HAPROXY
    if spec.development is not None and spec.development.mariadb is not None:
        yield MARIADB
    for colour in COLOURS if spec.connect is not None else ():
        yield from worker_names(spec.connect, spec.kafka, colour) if spec.connect is not None else ()


def _script(command: list[str], users: list[str], *, again: bool) -> str:
    """Until it is done; ``again`` each minute from then on. No listener asks Kafka's users for a password, yet each gets one:
    a random one, that nobody keeps."""
    pause = str(_AGAIN_SECONDS) if again else "infinity"
    return f"""#!/bin/sh
set -eu
umask 077
mkdir -p {PASSWORDS}
for user in {shlex.join(users)}; do
  head -c 24 /dev/urandom | base64 > "{PASSWORDS}/$user.password"
done
apply() {{
  {shlex.join(command)}
}}
trap 'exit 0' TERM INT
while :; do
  if apply || [ $? -eq {_DECIDE} ]; then
    touch {APPLIED}
    pause={pause}
  else
    rm -f {APPLIED}
    pause={_RETRY_SECONDS}
  fi
  sleep "$pause" & wait $!
done
"""
