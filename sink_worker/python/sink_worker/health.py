"""Liveness, readiness and metrics over HTTP, as a plain ASGI application."""

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
import uvicorn

from sink_worker.settings import HttpSettings

_log = structlog.get_logger("sink_worker.health")
Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
TEXT = b"text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Report:
    """``problems`` is empty where all is well; ``details`` are for people."""

    problems: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Probes:
    """What the server asks, in its own thread."""

    live: Callable[[], Report]
    ready: Callable[[], Report]
    metrics: Callable[[], bytes]


def application(probes: Probes) -> Callable[[Scope, Any, Send], Awaitable[None]]:
    """``GET /healthz/live``, ``/healthz/ready`` (200 or 503, JSON) and ``/metrics``."""

    def answer(path: str) -> tuple[int, bytes, bytes]:
        if path == "/metrics":
            return 200, TEXT, probes.metrics()
        checks = {"/healthz/live": probes.live, "/healthz/ready": probes.ready}
        if path not in checks:
            return 404, b"application/json", b'{"error":"there are /healthz/live, /healthz/ready and /metrics"}'
        report = checks[path]()
        body = {"status": "failing" if report.problems else "ok", "problems": report.problems, **report.details}
        return 503 if report.problems else 200, b"application/json", json.dumps(body, default=str).encode()

    async def serve(scope: Scope, _receive: Any, send: Send) -> None:
        if scope["type"] != "http":
            return
        status, kind, body = (
            await asyncio.to_thread(answer, scope["path"]) if scope["method"] == "GET" else (405, b"text/plain", b"")
        )
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": body})

    return serve


class HttpServer:
    """Serves in a thread. ``port`` is the real one, also where 0 was asked for."""

    def __init__(self, settings: HttpSettings, probes: Probes) -> None:
        self._socket = socket.create_server((settings.host, settings.port))
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            application(probes), log_config=None, access_log=False, lifespan="off", loop="asyncio", http="h11"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()
        _log.info("http_listening", host=self._socket.getsockname()[0], port=self.port)

    def close(self) -> None:
        """Answer no more."""
        self._server.should_exit = True
        self._thread.join(2.0)
        self._socket.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))
