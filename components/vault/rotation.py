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
    """One path in Vault, with the roles that log in with each of its keys."""

    path: str
    keys: Mapping[str, tuple[Login, ...]]


def rotated(spec: EnvironmentSpec) -> tuple[Rotated, ...]:
    """The passwords of the sink workers' roles that lie in Vault. What is read by a program that cannot try another password
    when one is refused is not among them, even where a worker reads it too."""
    if spec.vault is None or spec.sink is None:
        return ()
    alone = {(path, key) for path, key in _read_elsewhere(spec)}
    found: defaultdict[str, defaultdict[str, set[Login]]] = defaultdict(lambda: defaultdict(set))
    for _, pipeline in pipelines(spec):
        target = destination(spec, pipeline)
        if target.password is not None and target.password.vault and (target.password.vault, target.password.key) not in alone:
            login = Login(target.host, target.port, target.database, target.user)
            found[target.password.vault][target.password.key].add(login)
    return tuple(
        Rotated(path, {key: tuple(sorted(logins)) for key, logins in sorted(keys.items())})
        for path, keys in sorted(found.items())
    )


def _read_elsewhere(spec: EnvironmentSpec) -> Iterator[tuple[str, str]]:
    """(path, key) of every reference but those of the pipelines that sink workers write."""
    written = {index for index, _ in pipelines(spec)}
    own = {f"pipelines[{index}].sink.postgres.password" for index in written}
    yield from ((path, key) for where, path, key in references(spec) if where not in own)
