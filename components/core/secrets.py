"""Secrets as the files that a program reads: where each comes from, never what it is."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from components.core.rendered import SECRETS_DIRECTORY, Mount

JAVA_STORES = (".p12", ".jks")
"""What the keys of Java's stores end in. They are no text: Vault keeps them as base64."""


@dataclass(frozen=True, slots=True, order=True)
class SecretFile:
    """One file in a program's folder of secrets. On Kubernetes it is ``key`` of the Secret ``secret`` in the platform's
    namespace; on docker whoever runs the stack puts ``name`` into ``$CDC_SECRETS_DIR/<container>``. ``vault`` is the path under
    which Vault keeps ``key``; empty for what is not from there."""

    name: str
    secret: str
    key: str
    vault: str = ""

    @property
    def is_text(self) -> bool:
        """Whether Vault's value is the file's content as it is."""
        return not self.key.endswith(JAVA_STORES)


def referenced(reference: str, name: str, fallback: str) -> SecretFile:
    """The file ``name`` behind ``secret:<name>#<key>`` or ``vault:<path>#<key>``; what is in Vault reaches the cluster as the
    Secret ``fallback``, with the same key."""
    scheme, _, rest = reference.partition(":")
    path, _, key = rest.partition("#")
    return SecretFile(name, path, key) if scheme == "secret" else SecretFile(name, fallback, key, path)


NEXT, PREVIOUS = "next", "previous"


def overlapping(file: SecretFile) -> tuple[SecretFile, ...]:
    """What lies beside a password that is rotated: the one after it and the one before it, which a client tries as well. While
    some have fetched the new ones and some have not, and whether or not the server has been told, one of the three is right."""
    return tuple(SecretFile(f"{file.name}.{end}", file.secret, f"{file.key}-{end}", file.vault) for end in (NEXT, PREVIOUS))


def projected(files: Iterable[SecretFile]) -> dict[str, Any]:
    """The source of a Kubernetes volume that holds ``files`` under their names, readable by its owner and group only."""
    by_secret: dict[str, list[dict[str, str]]] = {}
    for file in sorted(set(files)):
        by_secret.setdefault(file.secret, []).append({"key": file.key, "path": file.name})
    sources = [{"secret": {"name": secret, "items": items}} for secret, items in by_secret.items()]
    return {"projected": {"defaultMode": 0o440, "sources": sources}}


def mounted(container: str, folder: str) -> Mount:
    """The folder of ``container``'s secrets on docker, seen at ``folder``."""
    return Mount(folder, host_path=f"{SECRETS_DIRECTORY}/{container}", read_only=True)
