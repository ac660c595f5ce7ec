"""How long Vault's part of a large environment takes: 100 workloads brought to the spec, pulled, and rotated under load.

``python -m bench.vault``: a real Vault on Raft and TLS, a real PostgreSQL, one client that connects without a pause. Demand of
the issue: rotation of 100 identities under 60 s, and no client fails.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from sink_worker.control import connect
from sink_worker.settings import PostgresSettings

from components.environment import EnvironmentSpec
from components.loading import build_environment
from operations import vault_rotate
from operations.live.postgres_roles import PostgresServers
from operations.live.vault import Vault, VaultAccess
from operations.secret_files import gather, write
from operations.vault_apply import apply
from operations.vault_plan import observe, plan
from tests.harness.postgres_server import PostgresServer
from tests.harness.processes import LOOPBACK, wait_until
from tests.harness.unprivileged import make_folder
from tests.harness.vault_server import VaultServer

IDENTITIES = 100
MOST_SECONDS = 60
HBA = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\nlocal all all trust\n"


def environment(port: int) -> EnvironmentSpec:
    """100 pipelines, each with a database role and a password of its own."""
    pipelines = [
        {
            "name": f"p{number}",
            "tenant": "shop",
            "source": {"mysql": {"host": f"db{number}", "password": "secret:db#password", "tables": ["shop.t"]}},
            "sink": {
                "postgres": {
                    "host": LOOPBACK,
                    "port": port,
                    "database": "postgres",
                    "user": f"sink_{number}",
                    "password": f"vault:cdc-pipeline/bench/sink-{number}#password",
                }
            },
        }
        for number in range(IDENTITIES)
    ]
    kafka = {
        "controllers": 0,
        "brokers": 1,
        "listeners": [{"name": "plain", "port": 9092, "tls": False, "authentication": "none"}],
        "tls": {"internal": False},
        "authorization": {"type": "none"},
    }
    values: dict[str, Any] = {
        "tier": "development",
        "target": "docker",
        "kafka": kafka,
        "sink": {"image": "acme/sink:1", "replicas": 1, "postgresTls": "disable"},
        "vault": {},
        "tenants": [{"name": "shop", "owner": "team-shop"}],
        "pipelines": pipelines,
    }
    return build_environment(values, "bench", "bench")


def main() -> int:
    """Measures and prints; 1 when the rotation takes too long or a client was refused."""
    hba = make_folder("bench-vault") / "pg_hba.conf"
    hba.write_text(HBA)
    with tempfile.TemporaryDirectory() as name, PostgresServer(Path(name) / "postgres", {"hba_file": str(hba)}) as postgres:
        spec = environment(postgres.port)
        postgres.psql("; ".join(f"CREATE ROLE sink_{number} LOGIN PASSWORD 'first-{number}'" for number in range(IDENTITIES)))
        with VaultServer(Path(name) / "vault", spec) as server, Vault(_access(server)) as vault:
            _timed("apply: mounts, policies, identities", lambda: _apply(spec, vault))
            for number in range(IDENTITIES):
                server.put(f"cdc-pipeline/bench/sink-{number}", password=f"first-{number}")
            _apply(spec, vault)
            _timed("plan: nothing differs", lambda: _apply(spec, vault))
            folder = Path(name) / "secrets"
            _timed("pull: every file, as each identity", lambda: _pull(spec, vault, folder))
            taken, refused, entered = _rotated_under_load(spec, vault, folder, postgres)
    print(f"rotate: {IDENTITIES} identities {taken:.1f} s; {entered} connections meanwhile, {refused} refused")
    return 0 if taken < MOST_SECONDS and not refused and entered else 1


def _rotated_under_load(spec: EnvironmentSpec, vault: Vault, folder: Path, postgres: PostgresServer) -> tuple[float, int, int]:
    """Seconds, connections refused and connections made by a client that keeps the files of before."""
    counts = [0, 0]
    ended = threading.Event()

    def work() -> None:
        number = 0
        while not ended.is_set():
            file = folder / f"sink-p{number}-0" / "postgres.password"
            settings = PostgresSettings(
                host=LOOPBACK,
                port=str(postgres.port),
                database="postgres",
                user=f"sink_{number}",
                password_file=file,
                sslmode="disable",
            )
            try:
                connect(settings, "bench", "bench").close()
                counts[1] += 1
            except psycopg.Error:
                counts[0] += 1
            number = (number + 1) % IDENTITIES

    client = threading.Thread(target=work)
    client.start()
    wait_until("the client connects", lambda: sum(counts) > 0, 60)
    now, began = datetime.now(UTC) + timedelta(days=31), time.monotonic()
    found = vault_rotate.observe(spec, vault, now)
    logins = [login for each in found for logins in each.rotated.keys.values() for login in logins]
    with PostgresServers(logins, {"user": "postgres", "host": LOOPBACK}) as servers:
        done = vault_rotate.rotate(vault, servers, found, now)
    taken = time.monotonic() - began
    seen = sum(counts)
    wait_until("the client has been everywhere", lambda: sum(counts) > seen + IDENTITIES, 120)
    ended.set()
    client.join()
    if len(done) != IDENTITIES:
        raise RuntimeError(f"{len(done)} were rotated")
    return taken, counts[0], counts[1]


def _access(server: VaultServer) -> VaultAccess:
    return VaultAccess(server.url, server.ca_file, server.token)


def _apply(spec: EnvironmentSpec, vault: Vault) -> None:
    found = plan(spec, observe(spec, vault), datetime.now(UTC))
    apply(vault, [change for change in found.changes if change.entry.kind != "audit"])


def _pull(spec: EnvironmentSpec, vault: Vault, folder: Path) -> None:
    write(folder, gather(spec, vault, folder, datetime.now(UTC)), None)


def _timed(what: str, work: Callable[[], None]) -> None:
    began = time.monotonic()
    work()
    print(f"{what}: {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    sys.exit(main())
