"""HAProxy and the prober export what rules and dashboards name of them, read as Prometheus reads it."""

import re
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.backup.plan import plan_of
from components.core import yaml_text
from components.haproxy.backend import Backend, Server
from components.haproxy.spec import HaproxySpec
from components.observability import prober
from components.observability.alert import INFO
from components.observability.alerts_of_stores import BACKUP_ENDED
from components.observability.names import CERTIFICATES, EXPORTER
from components.observability.scraping import PROMETHEUS_PORT, jobs
from operations.backup.figures import tell_whoever_watches
from operations.backup.manifest import Manifest
from tests.harness.certificates import CertificateAuthority
from tests.harness.docker_stack import DockerStack
from tests.harness.haproxy_process import haproxy_process
from tests.harness.metric_names import CLOUDNATIVE_PG, EXPORTED, exposed
from tests.harness.observed import observed
from tests.harness.processes import LOOPBACK, Process, free_ports, is_listening, wait_until
from tests.toolchain.postgres import default_queries
from tests.toolchain.prometheus import prober_program

pytestmark = pytest.mark.integration

WAIT_SECONDS = 120
STACKS = Path(__file__).parent


def read(port: int, path: str = "/metrics") -> str:
    return httpx.get(f"http://{LOOPBACK}:{port}{path}", timeout=30, trust_env=False).raise_for_status().text


def test_haproxy_exports_what_is_named_of_it(tmp_path: Path) -> None:
    service, port, statistics = free_ports(3)
    spec = HaproxySpec.model_validate({"authentication": "none", "statsPort": statistics})
    backend = Backend("schema-registry", port, (Server("a", LOOPBACK, service),))
    authority = CertificateAuthority("platform")
    with haproxy_process(tmp_path, spec, backend, authority, "") as haproxy:
        haproxy.wait_ready(lambda: is_listening(statistics), WAIT_SECONDS)
        text = read(statistics)
        assert exposed(text) >= EXPORTED["haproxy"]
        assert re.search(r'^haproxy_backend_active_servers{proxy="schema-registry"} \d', text, re.MULTILINE)
        assert 'haproxy_backend_http_responses_total{proxy="schema-registry",code="5xx"} 0' in text


def test_the_prober_says_when_a_certificate_ends(tmp_path: Path) -> None:
    """Also of a CA that it does not know; and of a port that shows none it says so."""
    own = CertificateAuthority("somebody").issue("server", "server")
    (tmp_path / "server.pem").write_text(own.keystore)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    port, silent = free_ports(2)
    (tmp_path / "prober.yml").write_text(prober.configuration())
    words = [word.replace(prober.CONFIGURATION, str(tmp_path / "prober.yml")) for word in prober.command(LOOPBACK, port)]
    with _tls_server(context) as served, Process("prober", [prober_program(), *words[1:]], tmp_path / "prober.log") as process:
        process.wait_ready(lambda: is_listening(port), WAIT_SECONDS)
        text = read(port, f"/probe?module={prober.MODULE}&target={LOOPBACK}:{served}")
        assert exposed(text) >= EXPORTED[CERTIFICATES]
        assert re.search(r"^probe_success 1$", text, re.MULTILINE)
        [ends] = re.findall(r"^probe_ssl_earliest_cert_expiry (\S+)$", text, re.MULTILINE)
        expected = ssl.cert_time_to_seconds(_not_after(tmp_path / "server.pem"))
        assert float(ends) == expected
        none = read(port, f"/probe?module={prober.MODULE}&target={LOOPBACK}:{silent}")
        assert re.search(r"^probe_success 0$", none, re.MULTILINE)


def _not_after(file: Path) -> str:
    decoded = ssl._ssl._test_decode_cert(str(file))  # type: ignore[attr-defined]
    return str(decoded["notAfter"])


class _tls_server:  # noqa: N801 - a context
    """Shows its certificate to whoever connects, in a thread of its own."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._socket = socket.create_server((LOOPBACK, 0))
        self._context = context

    def __enter__(self) -> int:
        threading.Thread(target=self._serve, daemon=True).start()
        return int(self._socket.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
                with self._context.wrap_socket(connection, server_side=True):
                    pass
            except ssl.SSLError:
                continue
            except OSError:
                return


def test_every_program_that_is_scraped_is_one_whose_metrics_are_known() -> None:
    assert {job.name for job in jobs(observed("prod"))} - {"sink"} <= set(EXPORTED)


def test_the_rendered_prometheus_runs_its_rules_and_reads_its_targets(tmp_path: Path) -> None:
    """As ``compose.yaml`` starts it: read-only, unprivileged, from its files. What stands in for the exporter of lag is silent,
    so that only pipelines are known, and what is left at the end of a backup."""
    text = (STACKS / "Pulumi.observed.yaml").read_text() + f"    backup: {{directory: {tmp_path / 'backups'}}}\n"
    (tmp_path / "Pulumi.observed.yaml").write_text(text)
    stack = DockerStack.lay_out(tmp_path, "observed", tmp_path)
    backup = Manifest("20260102T000000Z", "observed", "c", "daily", "", "2026-01-02T00:00:00Z", "plain", "", "", ())
    with stack.project() as project:
        assert stack.spec.backup is not None
        tell_whoever_watches(plan_of(stack.spec, stack.spec.backup), None, [backup])

        def ask(path: str) -> Any:
            url = f"http://prometheus:{PROMETHEUS_PORT}/api/v1/{path}"
            return project.namespace.run(lambda: httpx.get(url, timeout=30, trust_env=False).raise_for_status().json()["data"])

        def known() -> list[Any]:
            return list(ask(f"query?query={INFO}")["result"])

        wait_until("the pipeline is known", lambda: bool(known()), WAIT_SECONDS, 0.2)
        [pipeline] = known()
        assert (pipeline["metric"]["pipeline"], pipeline["metric"]["owner"]) == ("orders", "team-shop")
        found = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
        assert {rule["health"] for rule in found} <= {"ok", "unknown"}
        assert {rule["name"] for rule in found} >= {"HighConsumerLag", "OfflinePartitions", "TargetDown"}

        def jobs() -> set[str]:
            return {target["labels"]["job"] for target in ask("targets")["activeTargets"]}

        wait_until("it has found its targets", lambda: bool(jobs()), WAIT_SECONDS, 0.2)
        assert jobs() == {EXPORTER, "backup"}

        def ended() -> dict[str, str]:
            found = ask(f"query?query={BACKUP_ENDED}")["result"]
            return {one["metric"]["kind"]: one["value"][1] for one in found if one["metric"]["stack"] == "observed"}

        wait_until("it knows of the backup", lambda: "daily" in ended(), WAIT_SECONDS, 0.2)
        assert ended()["daily"] == "1767312000"
        assert float(ended()["weekly"]) > float(ended()["daily"])


def test_cloudnative_pg_has_queries_that_give_what_is_named_of_its_servers() -> None:
    """By the operator's own default queries; nothing runs. Names of its collector are in its Go code, and are not compared."""
    queries = yaml_text.load(default_queries().read_text(), "queries")
    given = {
        f"cnpg_{query.get('name', name)}_{column}"
        for name, query in queries.items()
        for metric in query["metrics"]
        for column in metric
    }
    assert {name for name in CLOUDNATIVE_PG if not name.startswith("cnpg_collector_")} <= given
