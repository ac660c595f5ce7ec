"""What ``cdc vault rotate`` is told about source databases and the connectors that read them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from components.connect.names import Colour
    from components.environment import EnvironmentSpec
    from components.vault.rotation import Rotated
    from operations.audit_log import AuditLog
    from operations.connect.cluster import Cluster
    from operations.live.source_passwords import SourceServers
    from operations.live.vault import Vault

PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Its fields are the options."""

    config: Annotated[
        Path | None,
        typer.Option(
            "--source-config",
            metavar="FILE",
            help="MySQL's option file: how sources are reached, and who changes their users.",
        ),
    ] = None
    blue: Annotated[
        list[str] | None, typer.Option("--blue", metavar="URL", help="REST address of a blue worker of Connect (docker).")
    ] = None
    green: Annotated[
        list[str] | None, typer.Option("--green", metavar="URL", help="REST address of a green worker of Connect (docker).")
    ] = None

    def servers(self) -> "SourceServers":
        """The source databases; none is reached before it is told something."""
        from operations.live.source_passwords import SourceServers
        from operations.live.source_ways import read_ways

        return SourceServers(read_ways(self.config))

    def restart(
        self, spec: "EnvironmentSpec", vault: "Vault", items: "Iterable[Rotated]", log: "AuditLog", *, quiet: bool
    ) -> None:
        """Have the connectors of ``items`` read their passwords anew."""
        from operations.source_restarts import restart

        assert spec.connect is not None, "a source is rotated where connectors read it"
        colour = spec.connect.active
        restart(vault, self._cluster(spec, colour), spec, colour, items, PATIENCE_SECONDS, _silent if quiet else print, log)

    def _cluster(self, spec: "EnvironmentSpec", colour: "Colour") -> "Cluster":
        from components.connect.check import addresses
        from operations.connect.commands import clusters_on_kubernetes
        from operations.connect.rest import RestCluster

        assert spec.connect is not None
        given: dict[Colour, list[str] | None] = {"blue": self.blue, "green": self.green}
        if spec.target == "docker":
            return RestCluster(colour, given[colour] or addresses(spec.connect, spec, colour))
        return clusters_on_kubernetes(spec, spec.connect, given, PATIENCE_SECONDS, acts=True)[colour]


def _silent(_: str) -> None:
    """Where a machine reads."""
