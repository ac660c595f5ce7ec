"""Three nodes with the configuration that production has find each other, and go on when the one that leads is killed."""

import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.vault.configuration import CA, CERTIFICATE, KEY, NODES, SECRETS, configuration
from components.vault.names import NAME
from tests.harness.certificates import CertificateAuthority
from tests.harness.processes import LOOPBACK, Process, free_ports, wait_until
from tests.strategies.examples import build, shop
from tests.toolchain.vault import vault_program

pytestmark = pytest.mark.integration

SECONDS = 120
COUNT = 3


class Node:
    """One of the StatefulSet's pods: the rendered file, with loopback ports in the place of the pods' names."""

    def __init__(
        self, folder: Path, number: int, ports: list[int], cluster_ports: list[int], authority: CertificateAuthority
    ) -> None:
        self.url = f"https://{LOOPBACK}:{ports[number]}"
        (folder / "data").mkdir(parents=True)
        identity = authority.issue(NAME, LOOPBACK)
        for name, text in ((CA, authority.certificate), (CERTIFICATE, identity.certificate), (KEY, identity.key)):
            (folder / name).write_text(text)
        spec = build(shop({"vault": {}}))
        assert spec.vault is not None
        text = configuration(spec, spec.vault).replace(SECRETS, str(folder)).replace("/vault/data", str(folder / "data"))
        for other in range(COUNT):
            text = text.replace(f"https://{NAME}-{other}.{NODES}:8200", f"https://{LOOPBACK}:{ports[other]}")
        document: dict[str, Any] = json.loads(text)
        [listener] = document["listener"]
        listener["tcp"] |= {"address": f"{LOOPBACK}:{ports[number]}", "cluster_address": f"{LOOPBACK}:{cluster_ports[number]}"}
        (folder / "vault.json").write_text(json.dumps(document))
        environment = {
            "VAULT_RAFT_NODE_ID": f"{NAME}-{number}",
            "VAULT_API_ADDR": self.url,
            "VAULT_CLUSTER_ADDR": f"https://{LOOPBACK}:{cluster_ports[number]}",
        }
        command: list[str | Path] = [vault_program(), "server", f"-config={folder / 'vault.json'}"]
        self.process = Process(f"{NAME}-{number}", command, folder / "vault.log", env=environment)
        trust = ssl.create_default_context(cadata=authority.certificate)
        self.client = httpx.Client(base_url=f"{self.url}/v1", verify=trust, trust_env=False, timeout=60)

    def status(self) -> int | None:
        """200: active; 429: stands by; 501, 503: not open; ``None``: does not answer."""
        try:
            return self.client.get("/sys/health").status_code
        except httpx.TransportError:
            return None

    def ask(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        response = self.client.request(method, f"/{path}", json=body, headers={"X-Vault-Token": token} if token else {})
        return response.raise_for_status().json() if response.content else None


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[Node]]:
    authority = CertificateAuthority("test of Vault")
    ports, cluster_ports = free_ports(COUNT), free_ports(COUNT)
    with ExitStack() as stack:
        found = []
        for number in range(COUNT):
            node = Node(tmp_path / str(number), number, ports, cluster_ports, authority)
            stack.callback(node.client.close)
            stack.callback(node.process.kill)
            found.append(node)
        yield found


def test_the_rendered_cluster_forms_and_survives_the_loss_of_its_leader(nodes: list[Node]) -> None:
    for node in nodes:
        node.process.wait_ready(lambda node=node: node.status() is not None, SECONDS)  # type: ignore[misc]
    made = nodes[0].ask("POST", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
    token, key = made["root_token"], made["keys"][0]
    nodes[0].ask("POST", "sys/unseal", {"key": key})
    wait_until("the first leads", lambda: nodes[0].status() == 200, SECONDS)
    for node in nodes[1:]:
        wait_until("it has found the cluster", lambda node=node: node.status() == 503, SECONDS)  # type: ignore[misc]
        node.ask("POST", "sys/unseal", {"key": key})
    for node in nodes[1:]:
        wait_until("it stands by", lambda node=node: node.status() == 429, SECONDS)  # type: ignore[misc]
    wait_until("all three vote", lambda: _voters(nodes[0], token) == COUNT, SECONDS)
    nodes[0].ask("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "1"}}, token)
    nodes[1].ask("POST", "secret/a", {"key": "kept"}, token)  # a node that stands by hands it on
    nodes[0].process.kill()
    wait_until("another leads", lambda: 200 in {node.status() for node in nodes[1:]}, SECONDS)
    assert [node.ask("GET", "secret/a", None, token)["data"]["key"] for node in nodes[1:]] == ["kept", "kept"]


def _voters(node: Node, token: str) -> int:
    servers = node.ask("GET", "sys/storage/raft/configuration", None, token)["data"]["config"]["servers"]
    return sum(bool(server["voter"]) for server in servers)
