"""Vault, rendered for the environment's target, and all that is made from what it keeps. Pure."""

from components.core import versions
from components.core.rendered import HealthCheck, Mount, Rendered, Workload
from components.core.secrets import mounted
from components.environment import EnvironmentSpec
from components.vault import certificates, external_secrets, render_kubernetes
from components.vault.configuration import (
    AUDIT,
    CA,
    CLUSTER_PORT,
    CONFIGURATION,
    DATA,
    SECRETS,
    START,
    address,
    configuration,
    secret_files,
    start_script,
)
from components.vault.identities import access
from components.vault.names import COMPONENT, NAME
from components.vault.render_kubernetes import GROUP, USER
from components.vault.spec import PORT, VaultSpec
from components.vault.state import state_text

_START_SECONDS = 30


def render(spec: EnvironmentSpec) -> Rendered:
    """Nothing where none is declared; no server where somebody else runs it."""
    vault = spec.vault
    if vault is None:
        return Rendered()
    files = {f"{COMPONENT}/desired-state.json": state_text(spec)}
    if spec.target == "docker":
        return Rendered(files=files) if vault.external is not None else _on_docker(spec, vault, files)
    found = access(spec)
    made = (*external_secrets.manifests(spec, vault, found), *certificates.manifests(spec, vault, found))
    server = render_kubernetes.manifests(spec, vault) if vault.external is None else render_kubernetes.reviewer(spec)
    return Rendered(manifests=(*made, *server), files=files)


def _on_docker(spec: EnvironmentSpec, vault: VaultSpec, files: dict[str, str]) -> Rendered:
    """One node. It is reached from the machine itself as well, where ``cdc vault`` and ``cdc secrets`` run."""
    url = address(spec, vault)
    volumes = {DATA: f"{NAME}-data", **({AUDIT: f"{NAME}-audit"} if vault.audit == "file" else {})}
    mounts = tuple(Mount(target, volume=volume) for target, volume in volumes.items())
    trust = {"VAULT_CACERT": f"{SECRETS}/{CA}"} if vault.tls.enabled else {}
    workload = Workload(
        component=COMPONENT,
        name=NAME,
        image=vault.image or versions.VAULT_IMAGE,
        command=("sh", START),
        environment={
            "VAULT_ADDR": url,
            "VAULT_API_ADDR": url,
            "VAULT_CLUSTER_ADDR": f"https://{NAME}:{CLUSTER_PORT}",
            **trust,
        },
        files={CONFIGURATION: configuration(spec, vault), START: start_script(vault)},
        mounts=(*mounts, mounted(NAME, SECRETS)) if secret_files(vault) else mounts,
        ports=((PORT, PORT),),
        user=f"{USER}:{GROUP}",
        memory_bytes=vault.resources.memory,
        cpu_millicores=vault.resources.cpu_limit_millicores,
        health=HealthCheck(("vault", "status"), start_period_seconds=_START_SECONDS),
        stateful=True,
    )
    own = {workload.tree_path(path): text for path, text in workload.files.items()}
    return Rendered(workloads=(workload,), volumes=tuple(volumes.values()), files={**files, **own})
