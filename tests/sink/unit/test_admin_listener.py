"""The admin API's listener with real certificates: who has none, a wrong one or one that ran out does not come in."""

import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sink_worker.admin.serving import AdminServer
from sink_worker.admin.settings import AdminSettings, AdminTlsSettings, Role
from sink_worker.errors import SettingsError

from tests.harness.certificates import ENDED, CertificateAuthority, Identity, write
from tests.sink.unit.fake_backend import FakeBackend

LOCAL, LIMIT_SECONDS = "127.0.0.1", 120


@dataclass
class Site:
    """A server that runs, and what its clients can have."""

    folder: Path
    servers: CertificateAuthority
    clients: CertificateAuthority
    server: AdminServer

    def ask(self, path: str, identity: Identity | None = None) -> httpx.Response:
        """GET, with the client's certificate if it has one."""
        context = ssl.create_default_context(cadata=self.servers.certificate)
        if identity is not None:
            pem = self.folder / "client.pem"
            pem.write_text(identity.keystore)
            context.load_cert_chain(pem)
        with httpx.Client(verify=context, trust_env=False, timeout=30) as client:
            return client.get(f"https://{LOCAL}:{self.server.port}{path}")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    servers, clients = CertificateAuthority("servers"), CertificateAuthority("clients")
    own = servers.issue("admin", LOCAL)
    files = write(tmp_path / "tls", {"tls.crt": own.certificate, "tls.key": own.key, "ca.crt": clients.certificate})
    tls = AdminTlsSettings(
        certificate_file=files / "tls.crt", key_file=files / "tls.key", client_ca_file=files / "ca.crt",
        subjects={"O=shop,CN=alice": Role.VIEWER},
    )  # fmt: skip
    server = AdminServer(AdminSettings(port=0, tls=tls), FakeBackend())
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    found = Site(tmp_path, servers, clients, server)
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:  # it listens already; the first answer comes once the loop turns
        if found.ask("/health").is_success:
            break
    yield found
    server.close()
    thread.join(LIMIT_SECONDS)
    assert not thread.is_alive()


def test_a_certificate_of_the_ca_with_a_known_subject_comes_in_and_nobody_else_does(site: Site) -> None:
    """Health is open, which a probe without a certificate asks for."""
    assert site.ask("/v1/state", site.clients.issue("alice", organization="shop")).status_code == 200
    assert site.ask("/v1/state", site.clients.issue("alice")).status_code == 401  # another subject of the same CA
    assert site.ask("/v1/state").status_code == 401
    assert site.ask("/health").json() == {"status": "ok"}
    refused = {
        "another CA's": CertificateAuthority("clients").issue("alice", organization="shop"),
        "the servers' CA's": site.servers.issue("alice", organization="shop"),
        "one that ran out": site.clients.issue("alice", organization="shop", lifetime=ENDED),
    }
    for what, identity in refused.items():
        for path in ("/v1/state", "/health"):
            with pytest.raises((httpx.TransportError, ssl.SSLError)):
                pytest.fail(f"{what} came in: {site.ask(path, identity).status_code}")


def test_plain_http_gets_nothing(site: Site) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{LOCAL}:{site.server.port}/health", trust_env=False, timeout=30)


def test_a_renewed_certificate_is_used_without_a_restart(site: Site) -> None:
    renewed = CertificateAuthority("new servers")
    own = renewed.issue("admin", LOCAL)
    write(site.folder / "tls", {"tls.crt": own.certificate, "tls.key": own.key})
    site.server.renew()
    with pytest.raises((httpx.TransportError, ssl.SSLError)):
        site.ask("/health")
    site.servers = renewed
    assert site.ask("/health").is_success


def test_files_that_are_no_certificates_are_told_without_a_traceback(tmp_path: Path) -> None:
    files = write(tmp_path, {"tls.crt": "nonsense", "tls.key": "nonsense"})
    tls = AdminTlsSettings(certificate_file=files / "tls.crt", key_file=files / "tls.key", client_ca_file=files / "tls.crt",
                           subjects={"CN=a": Role.VIEWER})  # fmt: skip
    with pytest.raises(SettingsError, match="cannot be used"):
        AdminServer(AdminSettings(port=0, tls=tls), FakeBackend())
