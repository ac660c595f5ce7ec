"""Which credentials are rotated, and where the server is that must be told. Pure; the decision is in ADR 10."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components.environment import EnvironmentSpec
from components.kafka.logins import PASSWORD
from components.postgres.derive import destination
from components.sink.derive import pipelines
from components.vault.login_rotation import KafkaLogin, kafka_logins
from components.vault.references import references
from components.vault.source_rotation import SourceLogin, source_logins


@dataclass(frozen=True, slots=True, order=True)
class Login:
    """A role of a PostgreSQL server."""

    host: str
    port: int
    database: str
    role: str


@dataclass(frozen=True, slots=True)
class Rotated:
    """One path in Vault, with the roles and users that log in with each of its keys; none where the server reads the three
    itself."""

    path: str
    keys: Mapping[str, tuple[Login, ...] | tuple[SourceLogin, ...]]
    kafka: KafkaLogin | None = None

    @property
    def sources(self) -> Mapping[str, tuple[SourceLogin, ...]]:
        """The users of source databases by key. Their connectors know one password, until they are started again."""
        found = {key: tuple(login for login in logins if isinstance(login, SourceLogin)) for key, logins in self.keys.items()}
        return {key: logins for key, logins in found.items() if logins}


def rotated(spec: EnvironmentSpec) -> tuple[Rotated, ...]:
    """The passwords that lie in Vault, of the sink workers' roles, whose clients try another when one is refused, of HAProxy's
    users, where the server does, and of the sources' users that the spec names, for whom the server keeps two. What anybody
    else reads too is not among them."""
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
    told: defaultdict[str, dict[str, tuple[Login, ...] | tuple[SourceLogin, ...]]] = defaultdict(dict)
    for path, keys in found.items():
        told[path] = {key: tuple(sorted(logins)) for key, logins in keys.items()}
    for (path, key), users in source_logins(spec).items():
        told[path][key] = users
    items = [Rotated(path, dict(sorted(keys.items()))) for path, keys in told.items()]
    items += [Rotated(path, {PASSWORD: ()}, login) for path, login in kafka_logins(spec).items()]
    return tuple(sorted(items, key=lambda item: item.path))


def _read_elsewhere(spec: EnvironmentSpec) -> Iterator[tuple[str, str]]:
    """(path, key) of every reference but those of the pipelines that sink workers write, and of HAProxy's users."""
    written = {index for index, _ in pipelines(spec)}
    own = {f"pipelines[{index}].sink.postgres.password" for index in written}
    own |= {f"haproxy.users[{index}].password" for index in range(0 if spec.haproxy is None else len(spec.haproxy.users))}
    yield from ((path, key) for where, path, key in references(spec) if where not in own)
