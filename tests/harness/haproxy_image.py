"""Stands in for ``haproxy:3-alpine``: the same command, from Debian's package (an older release)."""

from pathlib import Path

from tests.harness.compose_project import Image
from tests.harness.namespace import bind
from tests.harness.system_files import system_files
from tests.toolchain.haproxy import haproxy_program

WGET = """#!/bin/bash
# As busybox has it, for what the health check asks: -q -O FILE URL
url=${4#http://}; address=${url%%/*}
exec 3<>"/dev/tcp/${address%:*}/${address#*:}" || exit 1
printf 'GET /%s HTTP/1.0\\r\\n\\r\\n' "${url#*/}" >&3
read -r -t 4 _ status _ <&3 && [ "$status" = 200 ]
"""


def haproxy_image() -> Image:
    """With ``sh``, ``wget`` and a resolver that nobody answers: names come from the hosts file, as they do at a start."""
    return Image(_fill, {"PATH": "/opt/bin:/usr/sbin:/usr/bin:/bin"})


def _fill(root: Path) -> None:
    system_files(root)
    bind(haproxy_program(), root / "opt" / "bin" / "haproxy", read_only=True)
    (root / "opt" / "bin" / "wget").write_text(WGET)
    (root / "opt" / "bin" / "wget").chmod(0o755)
    (root / "etc" / "resolv.conf").write_text("nameserver 127.0.0.11\n")
