"""Secrets as the files that a program reads: where each comes from, never what it is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from components.core.rendered import SECRETS_DIRECTORY, Mount

JAVA_STORES = (".p12", ".jks")
"""What the keys of Java's stores end in. They are no text: Vault keeps them as base64."""


@dataclass(frozen=True, slots=True, order=True)
class SecretFile:
    """One file in a program's folder of secrets. On Kubernetes it is ``key`` of the Secret ``secret`` in the platform's
    namespace; on docker whoever runs the stack puts ``name`` into ``$CDC_SECRETS_DIR/<container>``. ``vault`` is the path under
    which Vault keeps ``key``; empty for what is not from there. With keys ``beside`` it, all read at once, the file has a line
    ``key=value`` for each (docker only)."""

    name: str
    secret: str
    key: str
    vault: str = ""
    beside: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """All that it is made of."""
        return (self.key, *self.beside)

    @property
    def is_text(self) -> bool:
        """Whether Vault's value is the file's content as it is."""
        return not self.key.endswith(JAVA_STORES)


@dataclass(frozen=True, slots=True)
class Use:
    """One program and the files that it reads. ``containers`` are its instances on docker, and the names that it is called
    by there; ``hosts`` the Services that it answers as on Kubernetes. ``pooled``: a client may reach one of its pods by a name
    of that pod's own."""

    workload: str
    files: tuple[SecretFile, ...]
    containers: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    pooled: bool = False


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


def lines(values: Mapping[str, str]) -> str:
    """The text of a file of several keys: Java's properties, and easily read by anybody else. Values are letters and digits."""
    return "".join(f"{key}={value}\n" for key, value in sorted(values.items()))


def read_lines(text: str) -> dict[str, str]:
    """What :func:`lines` has written."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {key.strip(): value.strip() for key, sign, value in pairs if sign}


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
