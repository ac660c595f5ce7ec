"""Which credentials are rotated, and where the server is that must be told. Pure; the decision is in ADR 10."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components.environment import EnvironmentSpec
from components.postgres.derive import destination
from components.sink.derive import pipelines
from components.vault.references import references


@dataclass(frozen=True, slots=True, order=True)
class Login:
    """A role of a PostgreSQL server."""

    host: str
    port: int
    database: str
    role: str


@dataclass(frozen=True, slots=True)
class Rotated:
    """One path in Vault, with the roles that log in with each of its keys; none where the server reads the three itself."""

    path: str
    keys: Mapping[str, tuple[Login, ...]]


def rotated(spec: EnvironmentSpec) -> tuple[Rotated, ...]:
    """The passwords that lie in Vault, of the sink workers' roles, whose clients try another when one is refused, and of
    HAProxy's users, where the server does. What anybody else reads too is not among them."""
    if spec.vault is None:
        return ()
    alone = {(path, key) for path, key in _read_elsewhere(spec)}
    found: defaultdict[str, defaultdict[str, set[Login]]] = defaultdict(lambda: defaultdict(set))
    for user in spec.haproxy.users if spec.haproxy is not None else ():
        path, _, key = (user.password or "").partition(":")[2].partition("#")
        if user.is_rotated and (path, key) not in alone:
            found[path].setdefault(key, set())
    for _, pipeline in pipelines(spec) if spec.sink is not None else ():
        target = destination(spec, pipeline)
        if target.password is not None and target.password.vault and (target.password.vault, target.password.key) not in alone:
            login = Login(target.host, target.port, target.database, target.user)
            found[target.password.vault][target.password.key].add(login)
    return tuple(
        Rotated(path, {key: tuple(sorted(logins)) for key, logins in sorted(keys.items())})
        for path, keys in sorted(found.items())
    )


def _read_elsewhere(spec: EnvironmentSpec) -> Iterator[tuple[str, str]]:
    """(path, key) of every reference but those of the pipelines that sink workers write, and of HAProxy's users."""
    written = {index for index, _ in pipelines(spec)}
    own = {f"pipelines[{index}].sink.postgres.password" for index in written}
    own |= {f"haproxy.users[{index}].password" for index in range(0 if spec.haproxy is None else len(spec.haproxy.users))}
    yield from ((path, key) for where, path, key in references(spec) if where not in own)
