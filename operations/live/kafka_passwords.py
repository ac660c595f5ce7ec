"""A Kafka cluster whose users are given new passwords."""

import time
from typing import Any

from confluent_kafka.admin._scram import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from components.core.errors import CdcError
from components.vault.login_rotation import KafkaLogin
from operations.live.kafka import Settings, UnreachableError
from operations.live.kafka_admin import KafkaAdmin, RefusedError
from operations.live.making import ITERATIONS
from operations.live.rights import needed
from operations.live.wire import Connection, MechanismError

_KNOWN_SECONDS, _PAUSE_SECONDS = 60, 0.1


class KafkaPasswords:
    """The brokers, as a user that may change others' passwords. May be used from several threads."""

    def __init__(self, name: str, settings: Settings) -> None:
        self._admin, self._settings = KafkaAdmin(name, settings), settings
        self._brokers = tuple((broker.host, broker.port) for broker in self._admin.cluster().brokers)

    def set_password(self, login: KafkaLogin, mechanism: str, password: str) -> None:
        """From now on its user enters with ``password`` by this mechanism, too; with the other one as before. The controller is
        told a salted hash only. Returns once every broker lets it in so, as far as that can be tried: over a listener that asks
        for no password it cannot."""
        info = ScramCredentialInfo(ScramMechanism[mechanism.replace("-", "_")], ITERATIONS)
        change: Any = UserScramCredentialUpsertion(login.user, info, password.encode())
        try:
            self._admin.give_password(change)
        except RefusedError:
            raise UnreachableError(needed(self._settings, "Alter", "the cluster")) from None
        if self._settings.get("security.protocol", "").upper().startswith("SASL"):
            own = {"sasl.mechanism": mechanism, "sasl.username": login.user, "sasl.password": password}
            for broker in self._brokers:
                _enter(broker, {**self._settings, **own}, login.user)


def _enter(broker: tuple[str, int], settings: Settings, user: str) -> None:
    """A broker learns of it a moment after the controller."""
    deadline = time.monotonic() + _KNOWN_SECONDS
    while True:
        try:
            Connection(broker, settings).close()
        except MechanismError as error:
            remedy = "apply what is rendered, which lets users enter by both SCRAM mechanisms, and restart the brokers"
            raise CdcError(f"{str(error).partition(chr(10))[0]}; {user} goes on as before\n      → {remedy}") from None
        except UnreachableError as error:
            if time.monotonic() > deadline:
                why = str(error).partition("\n")[0]
                raise CdcError(f"{why}: user {user} is not let in; it goes on as before\n      → run the same again") from None
            time.sleep(_PAUSE_SECONDS)
        else:
            return
