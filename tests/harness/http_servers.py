"""Fakes of the servers behind HAProxy: they answer what a test tells them, and remember what they were asked."""

import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.harness.processes import LOOPBACK

HEALTH = "/own/health"


@dataclass(frozen=True)
class Request:
    """One that a server has seen."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not believe who it has found is no error."""


@dataclass
class FakeServer:
    """Answers 200 with its name, or ``status``; after ``delay`` seconds; not at all while it is ``mute``. It is healthy
    while ``healthy``."""

    name: str
    status: int = 200
    delay: float = 0
    mute: bool = False
    healthy: bool = True
    seen: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._http = _Quiet((LOOPBACK, 0), _handler(self))
        self._http.daemon_threads = True

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    def encrypt(self, keystore: Path) -> None:
        """Speak TLS alone, with the key and the certificate in a file."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(keystore)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.shutdown()
        self._http.server_close()


def _handler(server: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path == HEALTH:
                self._send(200 if server.healthy else 503)
                return
            server.seen.append(Request(self.command, self.path, dict(self.headers.items()), body))
            time.sleep(server.delay)
            if server.mute:
                self.close_connection = True
                return
            self._send(server.status)

        def _send(self, status: int) -> None:
            text = server.name.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the library's names

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's word
            """Tests look at ``seen``."""

    return Handler
