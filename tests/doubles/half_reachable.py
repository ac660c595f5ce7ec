"""A double of a server that is there for some: it hands requests on to a real one, and hangs up on those that it is told to."""

import http.client
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.harness.namespace import Namespace
from tests.harness.processes import LOOPBACK

SECONDS = 120
_ONE_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@contextmanager
def half_reachable(server: str, hangs_up: Callable[[str, str], bool], namespace: Namespace) -> Iterator[str]:
    """The address at which ``server`` (``http://host:port``) is reached in ``namespace``; a request of which
    ``hangs_up(method, path)`` holds gets no answer and never arrives."""
    target = urllib.parse.urlsplit(server).netloc

    class Handler(BaseHTTPRequestHandler):
        def _hand_on(self) -> None:
            self.close_connection = True
            if hangs_up(self.command, self.path):
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _ONE_HOP}
            connection = http.client.HTTPConnection(target, timeout=SECONDS)
            try:
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                content = answer.read()
            finally:
                connection.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _ONE_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = _hand_on  # noqa: N815 - named by http.server

        def log_message(self, *_: object) -> None:
            """Nothing."""

    def begin() -> ThreadingHTTPServer:
        listening = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        threading.Thread(target=listening.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()
        return listening

    listening = namespace.run(begin)
    try:
        yield f"http://{LOOPBACK}:{listening.server_address[1]}"
    finally:
        listening.shutdown()
        listening.server_close()
