"""A real Vault, built from its Go module, and the definitions of what carries its secrets and certificates on Kubernetes.

Vault is built as its makers build their minimal edition (build tag ``minimal``: KV, PKI, transit, AppRole, Raft and no web
pages), with the Kubernetes auth method added, which that edition leaves out: 1,792 packages instead of 2,455.
"""

import shutil
from functools import partial
from pathlib import Path

from tests.toolchain import versions
from tests.toolchain.cache import ensure, run_step
from tests.toolchain.kubernetes import GO_ENVIRONMENT, go_json

TOOL = "vault"
MODULE = "github.com/hashicorp/vault"
UNSUMMED = {"GONOSUMDB": "github.com/hashicorp/*"}
"""The checksum database lacks some of their modules at these versions; Go still checks each against the module's own go.sum."""

REGISTRY = "helper/builtinplugins/registry_min.go"
WITH_KUBERNETES = """//go:build minimal

package builtinplugins

import credKube "github.com/hashicorp/vault-plugin-auth-kubernetes"

func extendAddonPlugins(r *registry) {
	r.credentialBackends["kubernetes"] = credentialBackend{Factory: credKube.Factory}
}
"""

DEFINITIONS = {
    "external-secrets": ("github.com/external-secrets/external-secrets", "config/crds/bases"),
    "cert-manager": ("github.com/cert-manager/cert-manager", "deploy/crds"),
}
KINDS = {
    "external-secrets": ("externalsecrets", "secretstores"),
    "cert-manager": ("certificates", "issuers"),
}


def vault_program() -> Path:
    """The program ``vault``, built on the first call (20 minutes on two cores that others used as well).

    Raises :class:`ToolUnavailable` when Go is missing, or a module is not served, or does not compile.
    """
    return ensure(TOOL, f"{versions.VAULT}-minimal", _build) / TOOL


def secret_definitions() -> list[Path]:
    """The definitions of ExternalSecret, SecretStore, Certificate and Issuer, as their makers publish them."""
    wanted = {"external-secrets": versions.EXTERNAL_SECRETS, "cert-manager": versions.CERT_MANAGER}
    return [
        path
        for name, version in wanted.items()
        for path in sorted(ensure(f"{name}-crds", version, partial(_copy_definitions, name=name, version=version)).iterdir())
    ]


def _build(folder: Path) -> None:
    """Go compiles what lies in its module cache as it is: the one file that differs lies in a copy of the module."""
    scratch, copy = folder / "scratch", folder / "source"
    scratch.mkdir()
    environment = {**GO_ENVIRONMENT, **UNSUMMED}
    (scratch / "go.mod").write_text("module scratch\n")
    run_step(TOOL, ["go", "get", "-tool", f"{MODULE}@{versions.VAULT}"], cwd=scratch, env=environment)
    made = go_json(TOOL, "mod", "download", "-json", f"{MODULE}@{versions.VAULT}")["Dir"]
    shutil.copytree(made, copy, ignore=shutil.ignore_patterns("ui", "website", "*_test.go"), copy_function=shutil.copyfile)
    (copy / REGISTRY).write_text(WITH_KUBERNETES)
    run_step(TOOL, ["go", "mod", "edit", f"-replace={MODULE}={copy}"], cwd=scratch, env=environment)
    options = ["-tags", "minimal", "-trimpath", "-ldflags=-s -w"]
    run_step(TOOL, ["go", "build", *options, "-o", str(folder / TOOL), MODULE], cwd=scratch, env=environment)
    for done in (scratch, copy):
        shutil.rmtree(done)


def _copy_definitions(folder: Path, name: str, version: str) -> None:
    module, inside = DEFINITIONS[name]
    made = Path(go_json(name, "mod", "download", "-json", f"{module}@{version}")["Dir"]) / inside
    for path in made.iterdir():
        if any(kind in path.name for kind in KINDS[name]) and "cluster" not in path.name:
            shutil.copyfile(path, folder / path.name)
