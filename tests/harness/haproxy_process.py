"""HAProxy on loopback, from the files that are rendered for its container, with a test's folders in place of those there."""

import subprocess
from pathlib import Path

from components.haproxy.backend import Backend
from components.haproxy.configuration import SECRETS, configuration
from components.haproxy.spec import HaproxySpec
from components.haproxy.start import LOOK_SECONDS, RUN, start_script
from tests.harness.certificates import CertificateAuthority
from tests.harness.processes import LOOPBACK, Process
from tests.toolchain.haproxy import haproxy_program


def haproxy_process(
    folder: Path, spec: HaproxySpec, backend: Backend, authority: CertificateAuthority, password: str, client_ca: str = ""
) -> Process:
    """Started, not yet listening. Its certificate is for 127.0.0.1, and the password of every user who has a hash is
    ``password``; of the others the files are there already. It looks for new secrets five times a second."""
    for name in ("secrets", "run"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    own = authority.issue("haproxy", LOOPBACK)
    files = {"server.pem": own.certificate, "server.pem.key": own.key, "client-ca.pem": client_ca}
    files |= {f"{user.name}.hash": hash_of(password) for user in spec.users if user.password_hash is not None}
    for name, text in files.items():
        (folder / "secrets" / name).write_text(text)
    _write(folder, "haproxy.cfg", configuration(spec, (backend,), LOOPBACK))
    _write(folder, "start.sh", start_script(spec, (backend,), str(folder / "haproxy.cfg")))
    return Process("HAProxy", ["sh", folder / "start.sh"], folder / "haproxy.log")


def hash_of(password: str) -> str:
    """As the documentation tells users to make it."""
    made = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=password, capture_output=True, text=True, check=True)
    return made.stdout


def _write(folder: Path, name: str, text: str) -> None:
    places = {
        SECRETS: str(folder / "secrets"),
        RUN: str(folder / "run"),
        "exec haproxy": f"exec {haproxy_program()}",
        "sleep 1 ": "sleep 0.2 ",
        f"% {LOOK_SECONDS}": "% 1",
    }
    for old, new in places.items():
        text = text.replace(old, new)
    (folder / name).write_text(text)
