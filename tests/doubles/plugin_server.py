"""What the plugin doubles share: a gRPC server on the loopback address that the Pulumi engine starts, talks to and ends."""

import asyncio
import signal
import sys
from collections.abc import Callable

import grpc  # type: ignore[import-untyped]

UNLIMITED = -1
OPTIONS = (
    ("grpc.max_receive_message_length", UNLIMITED),
    ("grpc.max_send_message_length", UNLIMITED),
    ("grpc.so_reuseport", 0),
)


def serve(register: Callable[[grpc.aio.Server], None]) -> None:
    """Serve what ``register`` adds to the server, until the engine interrupts this process or is gone.

    The engine reads the port from the first line of output, and holds the other end of this process's standard input: it
    closes when the engine ends, however that ends.
    """
    asyncio.run(_serve(register))


async def _serve(register: Callable[[grpc.aio.Server], None]) -> None:
    server = grpc.aio.server(options=OPTIONS)
    register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await _told_to_end()
    await server.stop(grace=None)


async def _told_to_end() -> None:
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending.set)
    loop.add_reader(sys.stdin.fileno(), ending.set)  # nothing is ever written there: readable means closed
    await ending.wait()
