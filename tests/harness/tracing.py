"""The rendered collector and the rendered Jaeger on loopback, with TLS between them, and what Jaeger knows in the end."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from components.tracing import configuration
from components.tracing.names import GRPC_PORT, HEALTH_PORT, HTTP_PORT, JAEGER, METRICS_PORT, UI_PORT
from components.tracing.spec import TracingSpec
from tests.harness.certificates import CertificateAuthority
from tests.harness.processes import LOOPBACK, Process, free_port, is_listening
from tests.toolchain.jaeger import jaeger_program

READY_SECONDS = 120
PORTS = (GRPC_PORT, HTTP_PORT, HEALTH_PORT, METRICS_PORT, UI_PORT, 16685)

Trace = dict[str, Any]


@dataclass(frozen=True)
class Tracer:
    """Where spans go, what their senders must trust, and what became of them."""

    http: str
    grpc: str
    ca: Path
    metrics_port: int
    ui_port: int

    def services(self) -> list[str]:
        """Those that have sent a span."""
        return list(self._ask("/api/services").get("data") or [])

    def traces(self, service: str) -> list[Trace]:
        """The last of a service, as Jaeger's own pages get them."""
        return list(self._ask("/api/traces", service=service, limit="200").get("data") or [])

    def trace(self, trace_id: str) -> list[Trace]:
        """One by its id; none while Jaeger does not know it."""
        return list(self._ask(f"/api/traces/{trace_id}").get("data") or [])

    def metrics(self) -> str:
        """The collector's own."""
        return httpx.get(f"http://{LOOPBACK}:{self.metrics_port}/metrics", timeout=30, trust_env=False).raise_for_status().text

    def _ask(self, path: str, **query: str) -> dict[str, Any]:
        response = httpx.get(f"http://{LOOPBACK}:{self.ui_port}{path}", params=query, timeout=30, trust_env=False)
        return dict(response.json()) if response.status_code == httpx.codes.OK else {}


@contextmanager
def running_tracer(folder: Path, spec: TracingSpec | None = None) -> Iterator[Tracer]:
    """Both, from the texts that are rendered for their containers; only addresses, ports and folders are others."""
    spec = spec or TracingSpec()
    authority = CertificateAuthority("tracing")
    folder.mkdir(parents=True, exist_ok=True)
    own = authority.issue("collector", LOOPBACK)
    secrets = {
        configuration.CERTIFICATE: own.certificate,
        configuration.KEY: own.key,
        configuration.BACKEND_CA: authority.certificate,
    }
    for name, text in secrets.items():
        (folder / name).write_text(text)
    jaeger, collector = ({port: free_port() for port in PORTS} for _ in range(2))
    with ExitStack() as stack:
        text = _placed(configuration.jaeger(spec.jaeger, LOOPBACK), jaeger, folder)
        stack.enter_context(_started("jaeger", text, folder, jaeger[HEALTH_PORT]))
        text = configuration.collector(spec, LOOPBACK)
        text = text.replace(f"{JAEGER}:{GRPC_PORT}", f"{LOOPBACK}:{jaeger[GRPC_PORT]}")
        text = _placed(text, collector, folder)
        stack.enter_context(_started("collector", text, folder, collector[HEALTH_PORT]))
        yield Tracer(
            f"https://{LOOPBACK}:{collector[HTTP_PORT]}",
            f"https://{LOOPBACK}:{collector[GRPC_PORT]}",
            folder / configuration.BACKEND_CA,
            collector[METRICS_PORT],
            jaeger[UI_PORT],
        )


def _placed(text: str, ports: dict[int, int], folder: Path) -> str:
    for port, own in ports.items():
        text = text.replace(f"{LOOPBACK}:{port}", f"{LOOPBACK}:{own}").replace(f"port: {port}\n", f"port: {own}\n")
    return text.replace(configuration.SECRETS, str(folder))


@contextmanager
def _started(name: str, text: str, folder: Path, health: int) -> Iterator[None]:
    file = folder / f"{name}.yaml"
    file.write_text(text)
    with Process(name, [jaeger_program(), "--config", file], folder / f"{name}.log") as process:
        process.wait_ready(lambda: _is_well(health), READY_SECONDS)
        yield
        process.kill()  # asked to end, it takes ten seconds for its open connections


def _is_well(port: int) -> bool:
    if not is_listening(port):
        return False
    try:
        answer = httpx.get(f"http://{LOOPBACK}:{port}{configuration.HEALTH_PATH}", timeout=5, trust_env=False)
    except httpx.TransportError:
        return False
    return answer.status_code == httpx.codes.OK
