"""Giving a Kafka user its next login: the mechanism that is not in use, with the next password."""

from collections.abc import Mapping
from typing import Any, Protocol

from components.kafka.logins import MECHANISM, MECHANISMS, NEXT_PASSWORD, PASSWORD, other
from components.vault.login_rotation import KafkaLogin
from components.vault.names import KV
from operations.live.vault import Vault, VaultError
from operations.vault_apply import new_password


class KafkaServers(Protocol):
    """Where passwords of Kafka's users are set."""

    def set_password(self, login: KafkaLogin, mechanism: str, password: str) -> None:
        """Returns once the user is let in by ``mechanism`` with ``password``."""


def rotate_login(vault: Vault, servers: KafkaServers, path: str, login: KafkaLogin, version: int) -> None:
    """The brokers are told first; then Vault, in one write that nobody else's may come before. In between, and whenever this is
    killed, the login that Vault has is right, and running it again tells the brokers the same.

    ``version`` is what the secret was when it was found to be old: whoever has written since may have rotated it, and two
    rotations at once would take away what clients still enter with.
    """
    answer = vault.read(f"{KV}/data/{path}")
    data: Mapping[str, Any] = {} if answer is None else answer["data"]["data"] or {}
    missing = [key for key in (MECHANISM, PASSWORD, NEXT_PASSWORD) if not isinstance(data.get(key), str)]
    if missing:
        raise VaultError(f"{path}: {', '.join(missing)}: is missing\n      → run cdc vault apply, and rotate a while later")
    if data[MECHANISM] not in MECHANISMS:
        raise VaultError(f"{path}: {MECHANISM} is none of {', '.join(MECHANISMS)}\n      → write the one that is in use")
    if answer["data"]["metadata"]["version"] != version:
        raise VaultError(f"{path}: was written while this ran\n      → look again who rotates it too")
    mechanism, password = other(data[MECHANISM]), data[NEXT_PASSWORD]
    servers.set_password(login, mechanism, password)
    new = {MECHANISM: mechanism, PASSWORD: password, NEXT_PASSWORD: new_password()}
    vault.ask("PATCH", f"{KV}/data/{path}", {"data": new, "options": {"cas": version}})
