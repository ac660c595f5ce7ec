"""Which logins of Kafka's users are rotated, and who reads them. Pure; the decision is in ADR 10."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components.environment import EnvironmentSpec
from components.kafka.logins import is_login
from components.kafka.uses import KAFKA_USERS
from components.vault.identities import access


@dataclass(frozen=True, slots=True, order=True)
class KafkaLogin:
    """A user of Kafka. ``readers`` are the containers that log in as it, with what its file says when they start."""

    user: str
    readers: tuple[str, ...]


def kafka_logins(spec: EnvironmentSpec) -> Mapping[str, KafkaLogin]:
    """By path in Vault: the users that programs of ours log in as. Whoever else has a user may know one mechanism only, and
    keeps the password that the spec names."""
    readers: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for path, user, containers in _read(spec):
        readers[path, user].update(containers)
    return {path: KafkaLogin(user, tuple(sorted(names))) for (path, user), names in sorted(readers.items())}


def login_users(spec: EnvironmentSpec) -> frozenset[str]:
    """Their names."""
    return frozenset(login.user for login in kafka_logins(spec).values())


def left_out(spec: EnvironmentSpec, path: str) -> str | None:
    """Why the password of a Kafka user that lies at ``path`` is not rotated; ``None`` for what is no such path."""
    for user in spec.kafka_state.users:
        scheme, _, rest = (user.password or "").partition(":")
        if scheme == "vault" and rest.partition("#")[0] == path:
            if spec.target == "kubernetes":
                return f"Strimzi sets the password of user {user.name}, and knows no second one; authentication: tls is renewed"
            return f"nobody knows whether the client of user {user.name} can change its mechanism; write its password by hand"
    return None


def _read(spec: EnvironmentSpec) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for use in access(spec).uses:
        if use.workload != KAFKA_USERS:
            yield from ((file.vault, file.secret, use.containers) for file in use.files if is_login(file))
