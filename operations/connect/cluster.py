"""What ``cdc connect`` needs of a Kafka Connect cluster, however it is reached."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from components.core.errors import CdcError

Config = Mapping[str, str]
Offsets = tuple[Mapping[str, Any], ...]
"""``{"partition": …, "offset": …}`` each, as Connect's REST interface has them (KIP-875)."""

Lives = Literal["running", "failed", "paused", "stopped", "starting"]


class ConnectError(CdcError):
    """A Connect cluster refused something or does not answer."""

    exit_code = 1


class Silent(ConnectError):
    """Who acts for the cluster does not answer. To ask it for anything more, such as to go back, is no use."""


class NotRead(ConnectError):
    """To know this something would have to be written, and nothing was to be."""


@dataclass(frozen=True, slots=True)
class State:
    """What one connector does. ``why`` is the beginning of what failed; ``tasks`` how many there are."""

    lives: Lives
    tasks: int = 0
    why: str = ""


class Cluster(Protocol):
    """One colour. Each method raises :class:`ConnectError` where it cannot do what it says."""

    @property
    def name(self) -> str:
        """``blue`` or ``green``."""
        ...

    def states(self) -> Mapping[str, State]:
        """Every connector of the cluster."""
        ...

    def config(self, connector: str) -> Config:
        """Its live configuration, without its name."""
        ...

    def refusals(self, connector: str, config: Config) -> list[str]:
        """What the connector's own plugin finds wrong with a configuration, ``key: message`` each."""
        ...

    def put(self, connector: str, config: Config) -> None:
        """Make it, running, or change its configuration."""
        ...

    def create_stopped(self, connector: str, config: Config) -> None:
        """Make it without starting it."""
        ...

    def stop(self, connector: str) -> None:
        """Ask it to stop; :meth:`states` tells when it has."""
        ...

    def resume(self, connector: str) -> None:
        """Ask it to run."""
        ...

    def restart_failed(self, connector: str) -> None:
        """Start again what of it has failed."""
        ...

    def restart(self, connector: str) -> None:
        """Start it again with all its tasks, which read their secrets anew."""
        ...

    def delete(self, connector: str) -> None:
        """Remove it; its offsets stay where they are."""
        ...

    def offsets(self, connector: str) -> Offsets:
        """Its committed positions."""
        ...

    def write_offsets(self, connector: str, offsets: Offsets) -> None:
        """Set positions of a connector that is stopped. With exactly-once sources this also locks out what may be left of its
        old tasks (KIP-618)."""
        ...
