"""What things are called in Vault. Pure."""

from components.core.context import Context

COMPONENT = "vault"
NAME = "vault"
KV = "secret"
"""The mount of the secrets that people write. Others may share it: it is made where it is missing, and never changed."""

AUDIENCE = "vault"
"""Whom the tokens of service accounts are for that identities prove themselves with."""


def folder(context: Context) -> str:
    """Where the environment's secrets lie in the mount."""
    return f"cdc-pipeline/{context.environment}"


def own(context: Context, name: str) -> str:
    """A mount, policy or device of this environment's own."""
    return f"cdc-{context.environment}-{name}"


def auth_mount(context: Context) -> str:
    """Where identities prove who they are."""
    return own(context, "kubernetes" if context.target == "kubernetes" else "approle")


def account(identity: str) -> str:
    """The service account that stands for an identity on Kubernetes; no pod runs as it."""
    return f"vault-{identity}"


def is_path(context: Context, path: str) -> bool:
    """Whether ``path`` of a reference is ``cdc-pipeline/<environment>/<service>`` or below."""
    steps = path.split("/")
    return "/".join(steps[:2]) == folder(context) and len(steps) > 2 and not {"", ".", ".."} & set(steps)
