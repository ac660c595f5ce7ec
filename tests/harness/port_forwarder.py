"""Forwards the connections of one address to another inside a namespace, as docker does for a published port."""

import contextlib
import socket
import threading
import time

from tests.harness.namespace import Namespace

Address = tuple[str, int]
CHUNK_BYTES = 1 << 16


class PortForwarder:
    """Accepts on ``outside`` until it is closed; a connection whose other side cannot be reached is closed at once. What comes
    from either side waits for ``delay_seconds`` before it goes on."""

    def __init__(self, namespace: Namespace, outside: Address, inside: Address) -> None:
        self._inside = inside
        self.delay_seconds = 0.0
        self._namespace = namespace
        self._listening = namespace.run(lambda: socket.create_server(outside))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more; this also wakes the accepting thread."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        self._namespace.enter()
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._inside)
            except OSError:
                client.close()
                continue
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        """Until ``source`` ends; the other direction then ends by itself."""
        with contextlib.suppress(OSError):
            while chunk := source.recv(CHUNK_BYTES):
                time.sleep(self.delay_seconds)
                sink.sendall(chunk)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
