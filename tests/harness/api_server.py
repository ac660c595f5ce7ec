"""A real Kubernetes API server on loopback, with the custom resource definitions of the operators in it."""

import json
import ssl
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.harness.kubernetes_client import Document, KubernetesClient, Refused, read_documents
from tests.harness.processes import LOOPBACK, Process, free_ports, wait_until
from tests.toolchain.debian import ensure_packages
from tests.toolchain.kubernetes import chaos_crds, etcd, keda_crds, kube_apiserver, kubectl, strimzi_crds
from tests.toolchain.postgres import cluster_definitions
from tests.toolchain.prometheus import monitoring_definitions
from tests.toolchain.vault import secret_definitions

READY_SECONDS = 60
REQUEST_SECONDS = 30
TOKEN = "token-of-the-test-administrator"
ADMINISTRATOR = f'{TOKEN},administrator,administrator,"system:masters"\n'


class ApiServer:
    """etcd and kube-apiserver, for the time of the context. There are no controllers: what is stored stays as it is.

    Everybody who has the token is an administrator; others are refused by RBAC. Its data, logs and certificates are in the
    folder that it is given.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        self.port, self._etcd_port, self._etcd_peer_port = free_ports(3)
        self.url = f"https://{LOOPBACK}:{self.port}"
        self._stack = ExitStack()

    @property
    def http(self) -> httpx.Client:
        """A client that has the address and the administrator's token."""
        return self.client.http

    def apply(self, documents: Sequence[Document] | Path, *, dry_run: bool = False) -> list[Refused]:
        """See :meth:`KubernetesClient.apply`."""
        return self.client.apply(documents, dry_run=dry_run)

    def kubectl(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run ``kubectl`` as the administrator."""
        command = [str(kubectl()), f"--kubeconfig={self.kubeconfig}", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command line of a shell in which ``kubectl`` is the administrator's."""
        path, home = f"{kubectl().parent}:/usr/bin:/bin", str(self.kubeconfig.parent)
        environment = {"PATH": path, "HOME": home, "KUBECONFIG": str(self.kubeconfig)}
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False, env=environment
        )

    def kubectl_apply(self, folder: Path) -> subprocess.CompletedProcess[str]:
        """Apply a folder that has a kustomization, as a user would: server-side, with strict validation."""
        return self.kubectl("apply", "-k", folder, "--server-side", "--validate=strict")

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._start_etcd()
            self._start_api_server()
            self._install_crds()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def _start(self, name: str, command: list[str | Path]) -> Process:
        process = Process(name, command, self.folder / f"{name}.log")
        self._stack.callback(process.kill)
        return process

    def _start_etcd(self) -> None:
        peer = f"http://{LOOPBACK}:{self._etcd_peer_port}"
        address = f"http://{LOOPBACK}:{self._etcd_port}"
        process = self._start(
            "etcd",
            [
                etcd(),
                f"--data-dir={self.folder / 'etcd'}",
                f"--listen-client-urls={address}",
                f"--advertise-client-urls={address}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
            ],
        )
        with httpx.Client(base_url=address, trust_env=False) as http:
            process.wait_ready(lambda: _answers(http, "/health"), READY_SECONDS)

    def _start_api_server(self) -> None:
        key, tokens = self.folder / "service-account.key", self.folder / "tokens.csv"
        _write_private_key(key)
        tokens.write_text(ADMINISTRATOR)
        process = self._start(
            "kube-apiserver",
            [
                kube_apiserver(),
                f"--etcd-servers=http://{LOOPBACK}:{self._etcd_port}",
                f"--bind-address={LOOPBACK}",
                f"--secure-port={self.port}",
                f"--cert-dir={self.folder / 'certificates'}",
                f"--token-auth-file={tokens}",
                "--authorization-mode=RBAC",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={key}",
                f"--service-account-signing-key-file={key}",
                "--service-cluster-ip-range=10.0.0.0/16",
                "--disable-admission-plugins=ServiceAccount",
                "--endpoint-reconciler-type=none",
                "--enable-priority-and-fairness=false",
                "--allow-privileged=true",
            ],
        )
        certificate = self.folder / "certificates" / "apiserver.crt"
        process.wait_ready(certificate.exists, READY_SECONDS)
        self.client = KubernetesClient(self._stack.enter_context(self._connect(certificate)))
        process.wait_ready(lambda: _answers(self.http, "/readyz"), READY_SECONDS)
        self.kubeconfig.write_text(json.dumps(_kubeconfig(self.url, certificate)))

    def _connect(self, certificate: Path) -> httpx.Client:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        context = ssl.create_default_context(cafile=str(certificate))
        return httpx.Client(base_url=self.url, headers=headers, verify=context, timeout=REQUEST_SECONDS, trust_env=False)

    def _install_crds(self) -> None:
        operators = (*strimzi_crds(), *keda_crds(), *chaos_crds(), *cluster_definitions())
        files = (*operators, *secret_definitions(), *monitoring_definitions())
        definitions = [document for file in files for document in read_documents(file)]
        refused = self.apply(definitions)
        if refused:
            raise RuntimeError(f"the API server refused the operators' definitions: {refused}")
        for definition in definitions:
            name = definition["metadata"]["name"]
            wait_until(f"{name} is established", partial(self._is_established, definition), READY_SECONDS)

    def _is_established(self, definition: Document) -> bool:
        live = self.client.get(definition) or {}
        conditions = live.get("status", {}).get("conditions") or []
        return any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions)


def _answers(http: httpx.Client, path: str) -> bool:
    try:
        return http.get(path).is_success
    except httpx.TransportError:
        return False


def _write_private_key(file: Path) -> None:
    """A key for the service accounts' tokens, which the server wants though nobody asks for one."""
    openssl = ensure_packages({"openssl": "openssl"})["openssl"]
    subprocess.run([openssl, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", file], check=True)


def _kubeconfig(url: str, certificate: Path) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": str(certificate)}}],
        "users": [{"name": "test", "user": {"token": TOKEN}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
