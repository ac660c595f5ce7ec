"""What ``cdc drift`` finds, as metrics in Prometheus' text form, served to whoever asks."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from components.core.errors import CdcError
from operations.live.changes import Hold, Kind
from operations.live.external import counted, external
from operations.live.session import Look

_TYPE = "text/plain; version=0.0.4; charset=utf-8"
KINDS: tuple[Kind, ...] = ("topic", "user", "quota", "subject", "connector")
STATES: dict[Hold, str] = {"": "open", "refused": "refused", "manual": "manual"}


class Metrics:
    """The last look in numbers. A look that fails leaves the numbers out: an old one would look like a new one."""

    def __init__(self, stack: str) -> None:
        self._stack, self._lock = stack, threading.Lock()
        self._found: list[str] = []
        self._up, self._seen, self._took = 0, 0.0, 0.0

    def look(self, once: Callable[[], Look]) -> None:
        """Look, and remember."""
        began = time.monotonic()
        try:
            found = list(self._lines(once()))
            up = 1
        except CdcError:
            found, up = [], 0
        with self._lock:
            self._found, self._up, self._took = found, up, time.monotonic() - began
            self._seen = time.time() if up else self._seen

    def text(self) -> str:
        """All metrics."""
        stack = f'stack="{self._stack}"'
        with self._lock:
            lines = [
                "# HELP cdc_drift_up Whether the last look at the live system succeeded.",
                "# TYPE cdc_drift_up gauge",
                f"cdc_drift_up{{{stack}}} {self._up}",
                "# HELP cdc_drift_last_look_timestamp_seconds When a look succeeded last.",
                "# TYPE cdc_drift_last_look_timestamp_seconds gauge",
                f"cdc_drift_last_look_timestamp_seconds{{{stack}}} {self._seen:.3f}",
                "# HELP cdc_drift_look_seconds How long the last look took.",
                "# TYPE cdc_drift_look_seconds gauge",
                f"cdc_drift_look_seconds{{{stack}}} {self._took:.3f}",
                *self._found,
            ]
        return "\n".join(lines) + "\n"

    def _lines(self, found: Look) -> Iterator[str]:
        differing = Counter((one.object.kind, STATES[one.hold]) for one in found.plan)
        yield "# HELP cdc_drift_differences Changes that lead from the live system to the spec."
        yield "# TYPE cdc_drift_differences gauge"
        for kind in KINDS:
            for hold in STATES.values():
                amount = differing[kind, hold]
                yield f'cdc_drift_differences{{stack="{self._stack}",kind="{kind}",state="{hold}"}} {amount}'
        others, left = counted(external(found)), Counter(thing.kind for thing in found.leftover)
        groups: tuple[tuple[str, str, Mapping[Kind, int]], ...] = (
            ("cdc_drift_external", "What is there and is nobody's here.", others),
            ("cdc_drift_leftover", "What is ours and no longer in the spec.", left),
        )
        for name, told, amounts in groups:
            yield f"# HELP {name} {told}"
            yield f"# TYPE {name} gauge"
            yield from (f'{name}{{stack="{self._stack}",kind="{kind}"}} {amounts.get(kind, 0)}' for kind in KINDS)


def parse_address(text: str) -> tuple[str, int]:
    """``127.0.0.1:9405``."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise CdcError(f"--listen {text}: is no address\n      → write it as 127.0.0.1:9405")
    return host.strip("[]"), int(port)


@contextmanager
def serve(address: tuple[str, int], metrics: Metrics) -> Iterator[int]:
    """Serve ``/metrics``; gives the port, which the system chooses where it is 0."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path.partition("?")[0] in {"/", "/metrics"}
            body = metrics.text().encode() if known else b"not here\n"
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", _TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    try:
        server = ThreadingHTTPServer(address, Handler)
    except OSError as error:
        raise CdcError(f"{address[0]}:{address[1]}: {error.strerror}\n      → choose another address with --listen") from None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
