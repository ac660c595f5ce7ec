"""How a stack's Vault is reached, as options tell, and that Vault, open."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from components.core.errors import CdcError
from components.environment import EnvironmentSpec
from components.vault.configuration import address as spec_address

if TYPE_CHECKING:
    from operations.live.vault import Vault


@dataclass(frozen=True, slots=True)
class Way:
    """What the command line says of Vault; its fields are the options."""

    address: Annotated[
        str | None,
        typer.Option("--address", metavar="URL", help="Vault, as this machine reaches it. Default: VAULT_ADDR, the spec."),
    ] = None
    ca_file: Annotated[
        Path | None, typer.Option("--ca-file", metavar="FILE", help="What signed its certificate, PEM. Default: VAULT_CACERT.")
    ] = None
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", metavar="FILE", help="File with the token. Default: VAULT_TOKEN, ~/.vault-token."),
    ] = None


@dataclass(frozen=True, slots=True)
class KafkaAdministrator:
    """What the command line says of a user that may give others their passwords; its fields are the options."""

    config: Annotated[
        Path | None,
        typer.Option("--kafka-config", metavar="FILE", help="Settings of a client of Kafka that may change passwords."),
    ] = None
    password: Annotated[
        Path | None, typer.Option("--kafka-password-file", metavar="FILE", help="File with that client's password.")
    ] = None


def opened(spec: EnvironmentSpec, way: Way) -> "Vault":
    """The stack's Vault, open. Raises :class:`CdcError` where the spec declares none."""
    from operations.live.vault import Vault, find_access

    if spec.vault is None:
        raise CdcError(f"{spec.name}: no Vault is declared\n      → declare vault, such as vault: {{}}")
    return Vault(find_access(spec_address(spec, spec.vault), way.address, way.ca_file, way.token_file))
