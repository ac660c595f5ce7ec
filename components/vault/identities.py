"""Who may read what in Vault: one identity for each program, with the least that it needs. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from components.core.once import once_for_each
from components.core.secrets import SecretFile, Use
from components.core.tls import AUTHORITY, CERTIFICATE, KEY
from components.environment import EnvironmentSpec
from components.kafka.clients import CLUSTER_CA, password_file
from components.kafka.listeners import CLIENTS_CA_FILE, CLUSTER_CA_FILE, KEYSTORE_FILE, needs_certificate
from components.kafka.logins import login_name
from components.kafka.nodes import nodes
from components.kafka.state import User
from components.vault.names import folder, own
from components.vault.references import named_secrets, references
from components.vault.uses import uses

_CERTIFIED = {CERTIFICATE, KEY, AUTHORITY, KEYSTORE_FILE, CLUSTER_CA_FILE, CLIENTS_CA_FILE}

PLATFORM, NODES, CLIENTS = "pki", "kafka-nodes-pki", "kafka-clients-pki"
"""The CAs. On Kubernetes Strimzi has its own for Kafka's nodes and clients."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """One that Vault's CA ``authority`` issues to ``workload``: as the Secret ``secret`` on Kubernetes, with a name for each of
    ``hosts``; on docker one for each container."""

    workload: str
    secret: str
    authority: str
    hosts: tuple[str, ...]
    pooled: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """One program: the paths in KV that it reads, and the certificate that it is issued."""

    name: str
    paths: tuple[str, ...]
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """A Secret of Kubernetes made from Vault: the path of each key, and the identity that fetches it."""

    name: str
    keys: Mapping[str, str]
    identity: str


@dataclass(frozen=True, slots=True)
class Access:
    """Everything that is derived from who reads what."""

    uses: tuple[Use, ...]
    identities: tuple[Identity, ...]
    secrets: tuple[SharedSecret, ...]
    authorities: tuple[str, ...]

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        return tuple(identity.certificate for identity in self.identities if identity.certificate is not None)

    @property
    def keys(self) -> Mapping[str, tuple[str, ...]]:
        """The keys that must be there under each path; names only."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for use in self.uses:
            for file in use.files:
                if file.vault:
                    found[file.vault].update(file.keys)
        return {path: tuple(sorted(keys)) for path, keys in sorted(found.items())}


@once_for_each
def access(spec: EnvironmentSpec) -> Access:
    """Who reads what in the environment's Vault; nobody where none is declared."""
    if spec.vault is None:
        return Access((), (), (), ())
    named = named_secrets(spec)
    everybody = uses(spec)
    known = {(file.secret, file.key): file.vault for use in everybody for file in use.files if file.vault}
    users = {name(user.name): user for user in spec.kafka_state.users for name in (password_file, login_name)}
    found = tuple(_located(spec, use, named, known, users) for use in everybody)
    certificates = {made.workload: made for use in found if (made := _certificate(spec, use)) is not None}
    identities = [
        Identity(use.workload, paths, certificates.get(use.workload))
        for use in found
        if (paths := _paths(use.files)) or use.workload in certificates
    ]
    secrets: list[SharedSecret] = []
    if spec.target == "kubernetes":
        readers: dict[str, list[Identity]] = defaultdict(list)
        for identity in identities:
            for path in identity.paths:
                readers[path].append(identity)
        for name, keys in _secrets(found).items():
            needed = set(keys.values())
            able = (one.name for one in readers[min(needed)] if needed <= set(one.paths)) if needed else iter(())
            reader = next(able, None)
            if reader is None:
                reader = f"secret-{name}"
                identities.append(own := Identity(reader, tuple(sorted(needed))))
                for path in own.paths:
                    readers[path].append(own)
            secrets.append(SharedSecret(name, keys, reader))
    ordered = tuple(sorted(identities, key=lambda identity: identity.name))
    return Access(found, ordered, tuple(secrets), authorities(spec))


def authorities(spec: EnvironmentSpec) -> tuple[str, ...]:
    """The CAs of the environment."""
    if spec.vault is None or not spec.vault.pki.enabled:
        return ()
    kafka = spec.target == "docker" and any(needs_certificate(spec.kafka, node) for node in nodes(spec.kafka))
    return (PLATFORM, NODES, CLIENTS) if kafka else (PLATFORM,)


def kafka_password_path(spec: EnvironmentSpec, user: str) -> str:
    """Where the password of one of Kafka's users lies that the spec does not name and no operator makes."""
    return f"cdc-pipeline/{spec.name}/kafka/{user}"


def generated(spec: EnvironmentSpec, found: Access) -> Mapping[str, tuple[str, ...]]:
    """Keys by path that ``cdc vault apply`` makes up where they are missing."""
    keys: defaultdict[str, set[str]] = defaultdict(set)
    for reference in () if spec.vault is None else spec.vault.generate:
        path, _, key = reference.partition(":")[2].partition("#")
        keys[path].add(key)
    said = {(path, key) for _, path, key in references(spec)}
    for path, names in found.keys.items():
        keys[path].update(name for name in names if (path, name) not in said)
    return {path: tuple(sorted(names)) for path, names in sorted(keys.items()) if names}


def _located(
    spec: EnvironmentSpec,
    use: Use,
    named: frozenset[str],
    known: Mapping[tuple[str, str], str],
    users: Mapping[str, User],
) -> Use:
    """With a path for every file that is kept in Vault: what another program was told lies there (``known``, by Secret and
    key), and every password that nobody is said to keep, which are those that the platform's own programs use among themselves
    and, where no operator makes them, those of Kafka's users."""
    files = []
    for file in use.files:
        user = users.get(file.name) if file.name in {password_file(file.secret), login_name(file.secret)} else None
        if file.vault or user is not None:
            files.append(file if user is None or spec.target == "kubernetes" else _of_user(spec, file, user))
        elif file.secret in named or file.name == CLUSTER_CA or file.key in _CERTIFIED:
            files.append(file)
        else:
            path = known.get((file.secret, file.key), f"{folder(spec.context)}/{file.secret}")
            files.append(replace(file, vault=path))
    return replace(use, files=tuple(files))


def _of_user(spec: EnvironmentSpec, file: SecretFile, user: User) -> SecretFile:
    if user.password is None:
        return replace(file, vault=kafka_password_path(spec, user.name))
    scheme, _, rest = user.password.partition(":")
    path, _, key = rest.partition("#")
    return replace(file, key=key, vault=path) if scheme == "vault" else file


def _paths(files: Iterable[SecretFile]) -> tuple[str, ...]:
    return tuple(sorted({file.vault for file in files if file.vault}))


def _certificate(spec: EnvironmentSpec, use: Use) -> Certificate | None:
    """Whoever reads a private key that is not kept in Vault is issued one, unless the spec says that somebody else does."""
    if spec.vault is None or not spec.vault.pki.enabled:
        return None
    for file in use.files:
        if file.vault or file.secret in spec.vault.pki.issued_elsewhere:
            continue
        if file.key == KEY:
            hosts = use.hosts if spec.target == "kubernetes" else use.containers
            return Certificate(use.workload, file.secret, PLATFORM, hosts or (use.workload,), use.pooled)
        if file.key == KEYSTORE_FILE:
            return Certificate(use.workload, file.secret, NODES, use.containers)
    return None


def authority_of(spec: EnvironmentSpec, file: SecretFile, issued: Iterable[Certificate]) -> str | None:
    """The CA whose certificate ``file`` is, on docker; ``None`` when it is not one of Vault's."""
    if file.vault:
        return None
    if file.name == CLUSTER_CA or file.key == CLUSTER_CA_FILE:
        return NODES if NODES in authorities(spec) else None
    if file.key == CLIENTS_CA_FILE:
        return CLIENTS if CLIENTS in authorities(spec) else None
    return PLATFORM if file.key == AUTHORITY and file.secret in {made.secret for made in issued} else None


def _secrets(found: Iterable[Use]) -> dict[str, dict[str, str]]:
    """The path of each key by Secret."""
    secrets: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for use in found:
        for file in use.files:
            if file.vault:
                secrets[file.secret][file.key] = file.vault
    return {name: dict(sorted(keys.items())) for name, keys in sorted(secrets.items())}


def mount_of(spec: EnvironmentSpec, authority: str) -> str:
    """Where a CA lives in Vault."""
    return own(spec.context, authority)
