"""Vault as a Pulumi component."""

from components.targets.component import PlatformComponent
from components.vault import render
from components.vault.names import COMPONENT


class Vault(PlatformComponent):
    """Secrets and certificates. No secret's value passes through the stack: operators fetch them from Vault."""

    token = "cdc:vault:Vault"  # noqa: S105 - a Pulumi type token
    part = COMPONENT
    render = staticmethod(render.render)
