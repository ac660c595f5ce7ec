"""How a registry is reached, and whether it takes what is new: the same of both distributions."""

from dataclasses import dataclass

CERTIFICATE, CERTIFICATE_KEY = "server.pem", "server.pem.key"
"""The chain and its key, in the folder of secrets."""


@dataclass(frozen=True, slots=True)
class Way:
    """``host`` is the name that a registry listens on, everywhere without one; ``secrets`` is its folder of them. ``read_only``
    is one of a standby."""

    host: str | None
    secrets: str
    encrypted: bool = False
    read_only: bool = False

    @property
    def address(self) -> str:
        """Where it listens."""
        return self.host or "0.0.0.0"  # noqa: S104 - a container's own network

    @property
    def scheme(self) -> str:
        return "https" if self.encrypted else "http"
