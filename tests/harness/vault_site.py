"""A Vault with three environments in it: two on one machine, whose names begin alike, and one on Kubernetes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.environment import EnvironmentSpec
from components.loading import load_environment
from components.vault.identities import access
from operations.live.vault import Vault, VaultAccess
from tests.harness.api_server import ApiServer
from tests.harness.cdc_command import Outcome, Project, project
from tests.harness.vault_server import VaultServer

PLANTED = "planted-value-of"
STACK = """\
config:
  cdc-platform:environment:
    tier: staging
    target: {target}
    kafka:
      controllers: {controllers}
      brokers: {{replicas: 1, storage: 5Gi}}
      listeners: [{{name: clients, port: 9093}}]
    schemaRegistry: {{replicas: 1}}
    haproxy:
      users:
        - name: sink
          passwordHash: vault:cdc-pipeline/{stack}/haproxy#sink-hash
          password: vault:cdc-pipeline/{stack}/haproxy-sink#sink
    connect: {{image: "acme/connect:1"}}
    sink: {{image: "acme/sink:1", replicas: 1}}
    vault:
{vault}
    tenants: [{{name: shop, owner: team-shop}}]
    pipelines:
      - name: orders
        tenant: shop
        source:
          mysql: {{host: db, password: "vault:cdc-pipeline/{stack}/shop-db#password", tables: [shop.orders]}}
        sink: {{postgres: {{database: w, password: "vault:cdc-pipeline/{stack}/warehouse#password"}}}}
      - name: invoices
        tenant: shop
        source:
          mysql: {{host: db2, password: "vault:cdc-pipeline/{stack}/billing-db#password", tables: [b.invoices]}}
        sink: {{postgres: {{database: w, password: "vault:cdc-pipeline/{stack}/books#password"}}}}
"""


def stack(name: str, target: str, vault: str) -> str:
    return STACK.format(stack=name, target=target, controllers=1, vault=vault)


class Site:
    """A Vault with two environments on one machine whose names begin alike, and one on Kubernetes."""

    def __init__(self, server: VaultServer, made: Project, kubernetes: ApiServer) -> None:
        self.server, self.project, self.kubernetes = server, made, kubernetes
        self.said: list[str] = []

    def cdc(self, *arguments: str, token: Path | None = None, address: str | None = None) -> Outcome:
        """A verb that reaches this Vault; all that it says is kept."""
        way = ["--address", address or self.server.url, "--ca-file", str(self.server.ca_file)]
        done = self.project.cdc(*arguments, *way, "--token-file", str(token or self.server.token_file))
        self.said.append(done.text)
        assert "Traceback" not in done.text
        assert "bug in cdc" not in done.text, done.text
        return done

    def spec(self, name: str) -> EnvironmentSpec:
        return load_environment(self.project.root, name)

    def client(self) -> Vault:
        return Vault(VaultAccess(self.server.url, self.server.ca_file, self.server.token))

    def plant(self, name: str) -> None:
        """A value for every key that only a person can write."""
        for path, keys in access(self.spec(name)).keys.items():
            if "/kafka/" not in path:
                self.server.put(path, **{key: f"{PLANTED}-{path}-{key}" for key in keys})

    def token(self, policy: str) -> Path:
        """The file of a token with one policy."""
        made = self.server.ask("POST", "auth/token/create", {"policies": [policy]})["auth"]["client_token"]
        file = self.server.folder / f"token-{policy}"
        file.write_text(made)
        return file


@contextmanager
def vault_site(folder: Path, api_server: ApiServer) -> Iterator[Site]:
    """All that is desired is there, and a value for every key."""
    ca = (api_server.folder / "certificates" / "apiserver.crt").read_text()
    external = "\n".join(
        [
            "      external:",
            "        address: https://vault.example:8200",
            f"        kubernetesHost: {api_server.url}",
            "        kubernetesCa: |",
            *(f"          {line}" for line in ca.splitlines()),
        ]
    )
    root = folder / "project"
    root.mkdir()
    own, other = "      audit: stdout", "      external: https://vault.example:8200"
    made = project(root, trial=stack("trial", "docker", own), **{"trial-two": stack("trial-two", "docker", other)})
    made.write("cluster", stack("cluster", "kubernetes", external))
    with VaultServer(folder / "server", load_environment(root, "trial")) as server:
        found = Site(server, made, api_server)
        for name in ("trial", "trial-two"):
            assert found.cdc("vault", "apply", name, "--yes").code == 3  # people have not written their secrets yet
            found.plant(name)
        yield found
