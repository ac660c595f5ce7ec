"""Stand in for the images of what observes. Prometheus and the exporters are the programs themselves. Grafana and the
exporter of consumer lag cannot be had: what stands in for them is a double, which says that it is well and nothing else."""

import os
from collections.abc import Callable
from pathlib import Path

from tests.harness.compose_project import Image
from tests.harness.haproxy_image import WGET
from tests.harness.namespace import bind
from tests.harness.system_files import system_files
from tests.toolchain.exporters import node_exporter, postgres_exporter, redis_exporter
from tests.toolchain.prometheus import prometheus_program

NOBODY, GRAFANA = 65534, 472
PATH = {"PATH": "/opt/bin:/usr/bin:/bin"}
DOUBLE = """#!/usr/bin/python3
# A double: it answers every request with 200.
import http.server, socket

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

http.server.ThreadingHTTPServer((socket.gethostname(), {port}), Handler).serve_forever()
"""


def prometheus_image() -> Image:
    """With the folder of its samples, which is the image's user's."""

    def fill(root: Path) -> None:
        _base(root)
        _program(root / "opt" / "bin" / "prometheus", f'#!/bin/sh\nexec {prometheus_program()} "$@"\n')
        _owned(root / "prometheus", NOBODY)

    return Image(fill, PATH)


def grafana_image() -> Image:
    """Its start script, and the folder of its state."""

    def fill(root: Path) -> None:
        _base(root)
        _program(root / "run.sh", DOUBLE.format(port=3000))
        _owned(root / "var" / "lib" / "grafana", GRAFANA)

    return Image(fill, PATH)


def kafka_exporter_image() -> Image:
    """Its program alone."""

    def fill(root: Path) -> None:
        _base(root)
        _program(root / "opt" / "bin" / "kafka_exporter", DOUBLE.format(port=9308))

    return Image(fill, PATH)


def redis_exporter_image() -> Image:
    """The program, and a shell."""
    return _exporter(redis_exporter, "redis_exporter")


def postgres_exporter_image() -> Image:
    """The program, and a shell."""
    return _exporter(postgres_exporter, "postgres_exporter")


def node_exporter_image() -> Image:
    """Debian's program, which is an older release."""
    return _exporter(node_exporter, "node_exporter")


def _exporter(program: Callable[[], Path], name: str) -> Image:
    def fill(root: Path) -> None:
        _base(root)
        bind(program(), root / "opt" / "bin" / name, read_only=True)

    return Image(fill, PATH)


def _base(root: Path) -> None:
    system_files(root)
    (root / "opt" / "bin").mkdir(parents=True)
    _program(root / "opt" / "bin" / "wget", WGET)


def _program(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o755)


def _owned(folder: Path, user: int) -> None:
    folder.mkdir(parents=True)
    os.chown(folder, user, user)
