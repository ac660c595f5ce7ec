"""Which users of source databases are given new passwords, and what must hold for that. Pure; the decision is in ADR 10."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from components.connect.derive import has_source_connector
from components.core.errors import Problem
from components.development.derive import readers
from components.vault.references import references

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec
    from components.pipelines.spec import DatabaseSourceSpec

PORT = 3306
Kind = Literal["mysql", "mariadb"]


@dataclass(frozen=True, slots=True, order=True)
class SourceLogin:
    """A user of a MySQL or MariaDB server. ``pipelines`` are those whose connectors enter as it; ``encrypted``: not in plain
    text."""

    host: str
    port: int
    user: str
    kind: Kind
    encrypted: bool
    pipelines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Source:
    """One pipeline's, at ``path`` in the spec."""

    path: str
    pipeline: str
    kind: Kind
    spec: "DatabaseSourceSpec"

    @property
    def account(self) -> tuple[str, int, str]:
        return self.spec.host, self.spec.port or PORT, self.spec.user

    @property
    def place(self) -> tuple[str, str]:
        """Path and key in Vault."""
        path, _, key = self.spec.password.partition(":")[2].partition("#")
        return path, key


def source_logins(spec: "EnvironmentSpec") -> Mapping[tuple[str, str], tuple[SourceLogin, ...]]:
    """By path and key in Vault, the users whose password that is and is to be rotated; each once, however many pipelines read
    as it."""
    found: defaultdict[tuple[str, str], dict[tuple[str, int, str], list[_Source]]] = defaultdict(dict)
    for source in _sources(spec):
        if source.spec.rotate:
            found[source.place].setdefault(source.account, []).append(source)
    return {
        place: tuple(sorted(_login(account, sources) for account, sources in accounts.items()))
        for place, accounts in sorted(found.items())
    }


def _login(account: tuple[str, int, str], sources: list[_Source]) -> SourceLogin:
    encrypted = any(source.spec.tls is not None for source in sources)
    return SourceLogin(*account, sources[0].kind, encrypted, tuple(sorted(source.pipeline for source in sources)))


def misfits(spec: "EnvironmentSpec") -> Iterator[Problem]:
    """Everybody who knows a password that is rotated must be known, or would be refused by the rotation after the next."""
    sources = _sources(spec)
    rotated = [source for source in sources if source.spec.rotate]
    moved = {source.place for source in rotated}
    known = {f"{source.path}.password" for source in rotated}
    for where, path, key in references(spec):
        if (path, key) in moved and where not in known:
            remedy = "set rotate there too where it is another pipeline's source, else give that a password of its own"
            yield Problem(where, "is the password of a source that is rotated, and nobody tells its reader", remedy)
    accounts = {source.account: source for source in rotated}
    made_here = {reader.path for reader in readers(spec)} if _has_own_mariadb(spec) else set()
    for source in sources:
        other = accounts.get(source.account)
        if other is not None and other.spec.password != source.spec.password:
            said = f"user {source.spec.user} of {source.spec.host} has the password of {other.path}, which is rotated"
            yield Problem(f"{source.path}.password", said, "write the same reference, or another user")
        if source.spec.rotate and source.path in made_here:
            said = "the container's users have the passwords that they were made with"
            yield Problem(f"{source.path}.rotate", said, "leave it out: this server is for development")
        if source.spec.rotate and spec.connect is None:
            said = "nobody knows when its reader, which is none of this environment, has read the new password"
            yield Problem(f"{source.path}.rotate", said, "declare connect, or leave it out")


def shared_accounts(spec: "EnvironmentSpec", other: "EnvironmentSpec") -> Iterator[Problem]:
    """Of two environments that stand in for each other: each has its own Vault's paths, so they may not share a user whose
    password either changes."""
    theirs = {source.account: source for source in _sources(other)}
    for source in _sources(spec):
        same = theirs.get(source.account)
        if same is not None and (source.spec.rotate or same.spec.rotate):
            said = f"{other.name} reads as user {source.spec.user} of {source.spec.host} too, and one rotates its password"
            yield Problem(f"{source.path}.user", said, "give each environment a user of its own, or rotate in neither")


def _has_own_mariadb(spec: "EnvironmentSpec") -> bool:
    return spec.development is not None and spec.development.mariadb is not None


def _sources(spec: "EnvironmentSpec") -> list[_Source]:
    found = []
    for index, pipeline in enumerate(spec.pipelines):
        chosen = pipeline.source.chosen
        if chosen is not None and has_source_connector(pipeline):
            kind = cast("Kind", chosen[0])
            found.append(_Source(f"pipelines[{index}].source.{kind}", pipeline.name, kind, chosen[1]))
    return found
