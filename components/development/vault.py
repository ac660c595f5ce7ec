"""A Vault to try references with: in memory, open from its start, and empty again after the next one. Pure."""

from components.core import versions
from components.core.rendered import HealthCheck, Workload
from components.core.secrets import mounted
from components.development.names import COMPONENT, TOKEN, VAULT, VAULT_PORT
from components.development.spec import DevelopmentVaultSpec
from components.vault.render_kubernetes import GROUP, USER

START, SECRETS = "/etc/cdc/start.sh", "/run/secrets/vault"


def workload(vault: DevelopmentVaultSpec) -> Workload:
    """Vault takes the token from its environment alone; it is put there where the program starts, and not by docker. What it
    says on its standard output is that token; its log goes to the other one."""
    serve = f"exec vault server -dev -dev-no-store-token -dev-listen-address={VAULT}:{VAULT_PORT} > /dev/null"
    token = f"VAULT_DEV_ROOT_TOKEN_ID=$(cat {SECRETS}/{TOKEN})"
    return Workload(
        component=COMPONENT,
        name=VAULT,
        image=vault.image or versions.VAULT_IMAGE,
        command=("sh", START),
        environment={"HOME": "/tmp", "VAULT_ADDR": f"http://{VAULT}:{VAULT_PORT}"},  # noqa: S108 - the container's own
        files={START: "\n".join(["#!/bin/sh", "set -eu", token, "export VAULT_DEV_ROOT_TOKEN_ID", serve]) + "\n"},
        mounts=(mounted(VAULT, SECRETS),),
        ports=((VAULT_PORT, VAULT_PORT),),
        user=f"{USER}:{GROUP}",
        memory_bytes=vault.resources.memory,
        cpu_millicores=vault.resources.cpu_limit_millicores,
        health=HealthCheck(("vault", "status")),
    )
