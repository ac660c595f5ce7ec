"""The admin API's own listener: TLS, client certificates, and certificates that are renewed under it."""

import asyncio
import os
import signal
import socket
import ssl
import threading
from pathlib import Path
from typing import Any, Final

import structlog
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from sink_worker.admin.application import make_application
from sink_worker.admin.authentication import subject_text
from sink_worker.admin.backend import Backend, PipelineBackend
from sink_worker.admin.settings import AdminSettings, AdminTlsSettings
from sink_worker.errors import FatalError, SettingsError
from sink_worker.logs import set_up_logs
from sink_worker.settings import Settings

_log = structlog.get_logger("sink_worker.admin")
LOOK_SECONDS: Final = 10.0
KEEP_ALIVE_SECONDS: Final = 30
MOST_CONNECTIONS: Final = 64


class _Protocol(H11Protocol):
    """Tells the application the subject of the client's certificate, which the handshake verified, as ASGI's TLS extension."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connection: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        certificate: dict[str, Any] = (connection.getpeercert() if connection is not None else None) or {}
        subject = subject_text(certificate) if certificate else None
        inner = self.app

        async def with_subject(scope: Scope, receive: Receive, send: Send) -> None:
            extensions = {**scope.get("extensions", {}), "tls": {"client_cert_name": subject}}
            await inner({**scope, "extensions": extensions}, receive, send)

        self.app = with_subject


def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    set_up_logs(settings.log, worker_id=settings.worker_id, component="admin")
    AdminServer(settings.admin, PipelineBackend(settings)).run()


class AdminServer:
    """``port`` is the real one, also where 0 was asked for. :class:`SettingsError` where it must not start."""

    def __init__(self, settings: AdminSettings, backend: Backend) -> None:
        application = make_application(settings, backend)
        self._tls = settings.tls
        self._socket = _bound(settings)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            application, http=_Protocol, ws="none", lifespan="off", loop="asyncio", log_config=None, access_log=False,
            server_header=False, date_header=False, proxy_headers=False, timeout_keep_alive=KEEP_ALIVE_SECONDS,
            limit_concurrency=MOST_CONNECTIONS, timeout_graceful_shutdown=10,
        )  # fmt: skip
        config.load()
        self._context = None if self._tls is None else _context(self._tls)
        config.ssl = self._context
        self._server = uvicorn.Server(config)
        self._ending = threading.Event()

    def run(self) -> None:
        """Serve in this thread; signals end it."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.close())
        self.serve()

    def serve(self) -> None:
        """Serve until closed."""
        watcher = threading.Thread(target=self._watch, name="certificates", daemon=True)
        watcher.start()
        _log.info("http_listening", host=self._socket.getsockname()[0], port=self.port, tls=self._tls is not None)
        try:
            # Without uvicorn's own signal handlers, which end the process in their way.
            asyncio.run(self._server._serve(sockets=[self._socket]))
        finally:
            self._ending.set()
            self._socket.close()

    def close(self) -> None:
        """Finish what is being answered, and end."""
        self._server.should_exit = True

    def renew(self) -> None:
        """Use the certificate and the CA that are in the files now, for new connections. OSError when they cannot be."""
        if self._tls is not None and self._context is not None:
            _load(self._context, self._tls)
            _log.info("certificates_renewed")

    def _watch(self) -> None:
        """Certificates are renewed in place."""
        if self._tls is None:
            return
        seen = _stamps(self._tls)
        while not self._ending.wait(LOOK_SECONDS):
            try:
                if (now := _stamps(self._tls)) != seen:
                    self.renew()
                    seen = now
            except OSError as error:  # ssl.SSLError is one: half of the files is new, perhaps
                _log.error("certificates_not_renewed", error=type(error).__name__)


def _bound(settings: AdminSettings) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise FatalError(f"admin: cannot listen on {where} ({error.strerror}); set admin.host and admin.port") from error


def _context(tls: AdminTlsSettings) -> ssl.SSLContext:
    """A client without certificate may connect, and is told 401 unless it asks for health (probes have none); one with a
    certificate that is not of the CA, or has run out, does not come through the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        _load(context, tls)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"admin.tls: its files cannot be used: {type(error).__name__}: {error}") from error
    context.verify_mode = ssl.CERT_NONE if tls.client_ca_file is None else ssl.CERT_OPTIONAL
    return context


def _load(context: ssl.SSLContext, tls: AdminTlsSettings) -> None:
    context.load_cert_chain(tls.certificate_file, tls.key_file)
    if tls.client_ca_file is not None:
        context.load_verify_locations(tls.client_ca_file)


def _stamps(tls: AdminTlsSettings) -> list[tuple[int, int]]:
    files: list[Path | None] = [tls.certificate_file, tls.key_file, tls.client_ca_file]
    found = [os.stat(file) for file in files if file is not None]
    return [(stat.st_mtime_ns, stat.st_ino) for stat in found]
