"""Servers that are told of new passwords, whatever kind they are of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class Server(Protocol):
    """All of one kind."""

    def tell(self, login: Any, present: str, following: str) -> None:
        """From now on ``login`` enters with ``following``. Where its clients cannot try another, ``present`` goes on beside it.
        May be repeated. Raises :class:`CdcError` where it is not so."""
        ...


@dataclass(frozen=True, slots=True)
class Servers:
    """By the type of their logins."""

    kinds: Mapping[type, Server]

    def tell(self, login: Any, present: str, following: str) -> None:
        """Its own server."""
        self.kinds[type(login)].tell(login, present, following)
