"""Ways out of, and into, a network namespace: a port on its loopback that is one of another's."""

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.harness.namespace import Namespace
from tests.harness.processes import LOOPBACK

CHUNK_BYTES = 1 << 16


class Crossing:
    """Connections to ``port`` of one loopback go on to ``target`` of the other; a dead target closes them at once."""

    def __init__(self, listening: socket.socket, connect: Callable[[], socket.socket]) -> None:
        self._listening = listening
        self._connect = connect
        threading.Thread(target=self._accept, daemon=True).start()

    @classmethod
    def out_of(cls, namespace: Namespace, port: int, target: int) -> Self:
        """What is sent to ``port`` inside arrives at ``target`` outside."""
        listening = namespace.run(lambda: socket.create_server((LOOPBACK, port)))
        return cls(listening, lambda: socket.create_connection((LOOPBACK, target)))

    @classmethod
    def into(cls, namespace: Namespace, port: int, target: int) -> Self:
        """What is sent to ``port`` outside arrives at ``target`` inside."""
        listening = socket.create_server((LOOPBACK, port))
        return cls(listening, lambda: namespace.run(lambda: socket.create_connection((LOOPBACK, target))))

    def close(self) -> None:
        """Accept no more."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = self._connect()
            except OSError:
                client.close()
                continue
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=_copy, args=(source, sink), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    """Until ``source`` ends; the other direction then ends by itself."""
    with contextlib.suppress(OSError):
        while chunk := source.recv(CHUNK_BYTES):
            sink.sendall(chunk)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
