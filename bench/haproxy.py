"""What HAProxy adds to a registry look-up: ``python -m bench.haproxy`` prints medians as JSON.

One real registry, real HAProxies with the rendered configuration, one client that asks each of them in turn for the same
schema over a connection that it keeps, so that what else the machine does falls on all of them alike.
"""

import base64
import http.client
import json
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bench import machine
from components.haproxy.backend import Affinity, Backend, Server
from components.haproxy.spec import HaproxySpec
from tests.harness.certificates import CertificateAuthority
from tests.harness.haproxy_process import haproxy_process
from tests.harness.processes import LOOPBACK, free_ports, is_listening
from tests.harness.schema_registry import SchemaRegistry

RUNS, LOOKUPS, WARM_UP = 7, 1500, 500
GOAL_MS = 1.0
PREFIX = "/apis/ccompat/v7"
PASSWORD = "of no importance"
SCHEMA = json.dumps({"type": "record", "name": "R", "fields": [{"name": f"f{n}", "type": "long"} for n in range(20)]})

Lookup = Callable[[], float]


def main() -> int:
    """0, or 1 where the goal was missed."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        registry = stack.enter_context(SchemaRegistry(folder / "registry"))
        schema_id = registry.register("bench-value", SCHEMA)
        ways = _ways(stack, folder, registry.port, f"/schemas/ids/{schema_id}")
        for _ in range(WARM_UP):
            for lookup in ways.values():
                lookup()
        runs = [_run(ways) for _ in range(RUNS)]
    medians = {name: statistics.median(run[name] for run in runs) for name in ways}
    added = {name: round(medians[name] - medians["direct"], 3) for name in ways if name != "direct"}
    result = {
        "what": f"milliseconds of one look-up, the median of {LOOKUPS} in each of {RUNS} runs",
        "machine": machine.facts(),
        "runs": runs,
        "median": {name: round(value, 3) for name, value in medians.items()},
        "added": added,
        "goal": f"less than {GOAL_MS:g} ms added",
        "met": all(value < GOAL_MS for value in added.values()),
    }
    sys.stdout.write(json.dumps(result, indent=2, default=str) + "\n")
    return 0 if result["met"] else 1


def _run(ways: dict[str, Lookup]) -> dict[str, float]:
    """The median of each way, all asked in turn."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(LOOKUPS):
        for name, lookup in ways.items():
            taken[name].append(lookup())
    return {name: round(statistics.median(times), 3) for name, times in taken.items()}


def _ways(stack: ExitStack, folder: Path, registry_port: int, path: str) -> dict[str, Lookup]:
    plain = HaproxySpec.model_validate({"authentication": "none", "tls": {"enabled": False}})
    secured = HaproxySpec.model_validate({"users": [{"name": "app", "passwordHash": "secret:users#app"}]})
    authority = CertificateAuthority("authority")
    trust = ssl.create_default_context(cadata=authority.certificate)
    token = base64.b64encode(f"app:{PASSWORD}".encode()).decode()
    ports = {
        name: _start(stack, folder / name, spec, authority, registry_port)
        for name, spec in (("plain", plain), ("tls", secured))
    }
    return {
        "direct": _lookup(http.client.HTTPConnection(LOOPBACK, registry_port), PREFIX + path, {}),
        "haproxy": _lookup(http.client.HTTPConnection(LOOPBACK, ports["plain"]), path, {}),
        "haproxy with TLS and password": _lookup(
            http.client.HTTPSConnection(LOOPBACK, ports["tls"], context=trust), path, {"Authorization": f"Basic {token}"}
        ),
    }


def _lookup(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> Lookup:
    """Milliseconds of one request on ``connection``."""

    def ask() -> float:
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        response.read()
        if response.status != http.client.OK:
            raise RuntimeError(f"{path} answered {response.status}")
        return (time.perf_counter() - began) * 1000

    return ask


def _start(stack: ExitStack, folder: Path, spec: HaproxySpec, authority: CertificateAuthority, registry_port: int) -> int:
    """HAProxy with the rendered files, its folders under ``folder``; gives its port."""
    port, stats_port = free_ports(2)
    spec = spec.model_copy(update={"stats_port": stats_port})
    affinity = (Affinity("/subjects/", 3),)
    server = Server("one", LOOPBACK, registry_port)
    backend = Backend("registry", port, (server,), f"{PREFIX}/subjects", prefix=PREFIX, affinity=affinity, retried=(404, 503))
    process = stack.enter_context(haproxy_process(folder, spec, backend, authority, PASSWORD))
    process.wait_ready(lambda: is_listening(port), 20)
    return port


if __name__ == "__main__":
    sys.exit(main())
