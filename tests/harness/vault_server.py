"""A real Vault on loopback, with the configuration that the platform renders: Raft storage, TLS, opened by a test's own key."""

import json
import os
import ssl
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from cryptography import x509

from components.environment import EnvironmentSpec
from components.vault.configuration import CA, CERTIFICATE, CONFIGURATION, KEY, SECRETS, configuration, start_script
from tests.harness.certificates import CertificateAuthority, Identity
from tests.harness.one_process import OneProcess
from tests.harness.processes import LOOPBACK, Process, free_ports, wait_until
from tests.toolchain.vault import vault_program

READY_SECONDS = 120
SEALED, STANDBY, UNINITIALISED = 503, 429, 501


class VaultServer(OneProcess):
    """One node, for the time of the context: initialised, open, its root token in ``token``. Data, log, certificates and token
    are in the folder that it is given."""

    def __init__(self, folder: Path, spec: EnvironmentSpec, *, by_script: bool = False) -> None:
        """``by_script``: started as its container is, which looks at its certificate every second here."""
        super().__init__("Vault")
        self.folder = folder
        self.port, self.cluster_port = free_ports(2)
        self.url = f"https://{LOOPBACK}:{self.port}"
        self.ca_file, self.token_file = folder / CA, folder / "token"
        self.token = self.unseal_key = ""
        self._authority = CertificateAuthority("test of Vault")
        self._spec = spec
        self._by_script = by_script
        trust = ssl.create_default_context(cadata=self._authority.certificate)
        self._client = httpx.Client(verify=trust, trust_env=False, timeout=60)

    def __enter__(self) -> Self:
        (self.folder / "data").mkdir(parents=True)
        self.ca_file.write_text(self._authority.certificate)
        self.install(self._authority.issue("vault", "vault", LOOPBACK))
        self._write_configuration()
        self.start()
        try:
            made = self.ask("POST", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
            self.token, self.unseal_key = made["root_token"], made["keys"][0]
            self.token_file.write_text(self.token)
            self.unseal()
        except BaseException:
            self.process.kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()
        if self._process is not None:
            self._process.kill()

    def start(self) -> None:
        """Start it; it is sealed then."""
        environment = {"VAULT_API_ADDR": self.url, "VAULT_CLUSTER_ADDR": f"https://{LOOPBACK}:{self.cluster_port}"}
        command: list[str | Path] = [vault_program(), "server", f"-config={self.folder / 'vault.json'}"]
        if self._by_script:
            environment["PATH"] = f"{vault_program().parent}:{os.environ['PATH']}"
            command = ["sh", self._script()]
        self._process = Process("vault", command, self.folder / "vault.log", env=environment)
        self._process.wait_ready(lambda: self.health() is not None, READY_SECONDS)

    def unseal(self) -> None:
        """Open it, and wait until it is the active node."""
        self.ask("POST", "sys/unseal", {"key": self.unseal_key})
        wait_until("Vault is active", lambda: self.health() == httpx.codes.OK, READY_SECONDS)

    def seal(self) -> None:
        """Close it."""
        self.ask("POST", "sys/seal")
        wait_until("Vault is sealed", lambda: self.health() == SEALED, READY_SECONDS)

    def renew(self) -> x509.Certificate:
        """Put another certificate in the place of its own, as an operator does; gives it."""
        identity = self._authority.issue("vault", "vault", LOOPBACK)
        self.install(identity)
        return x509.load_pem_x509_certificate(identity.certificate.encode())

    def shown(self) -> x509.Certificate:
        """The certificate that it shows to whoever connects now."""
        return x509.load_pem_x509_certificate(ssl.get_server_certificate((LOOPBACK, self.port)).encode())

    def install(self, identity: Identity) -> None:
        """Its certificate, from the next time on that it reads it."""
        (self.folder / KEY).write_text(identity.key)
        (self.folder / CERTIFICATE).write_text(identity.certificate)

    def health(self) -> int | None:
        """The status of its health; ``None`` when nobody answers."""
        try:
            return self.request("GET", "sys/health").status_code
        except httpx.TransportError:
            return None

    def request(
        self, method: str, path: str, body: Any = None, token: str | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """The answer to one request, whatever it is."""
        sent = {"X-Vault-Token": self.token if token is None else token, **(headers or {})}
        return self._client.request(method, f"{self.url}/v1/{path}", json=body, headers={k: v for k, v in sent.items() if v})

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        """The JSON answer to one request, which must be granted."""
        response = self.request(method, path, body, token)
        if not response.is_success:
            raise RuntimeError(f"{method} {path}: {response.status_code} {response.text}")
        return response.json() if response.content else None

    def put(self, path: str, **values: str) -> None:
        """Write a secret."""
        self.ask("POST", f"secret/data/{path}", {"data": values})

    def _script(self) -> Path:
        assert self._spec.vault is not None
        text = start_script(self._spec.vault).replace(CONFIGURATION, str(self.folder / "vault.json"))
        script = self.folder / "start.sh"
        script.write_text(text.replace(SECRETS, str(self.folder)).replace("sleep 10", "sleep 1"))
        return script

    def _write_configuration(self) -> None:
        """The rendered file with this machine's places and ports."""
        assert self._spec.vault is not None
        document = json.loads(configuration(self._spec, self._spec.vault).replace(SECRETS, str(self.folder)))
        [listener] = document["listener"]
        listener["tcp"] |= {"address": f"{LOOPBACK}:{self.port}", "cluster_address": f"{LOOPBACK}:{self.cluster_port}"}
        document["storage"]["raft"] = {"path": str(self.folder / "data"), "node_id": "vault"}
        (self.folder / "vault.json").write_text(json.dumps(document))
