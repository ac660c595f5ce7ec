"""Files of secrets for containers: gathered from Vault as each workload itself, then written; nothing is written before all is
there."""

import os
import secrets as entropy
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from components.core.errors import CdcError
from components.core.secrets import SecretFile, Use, lines
from components.core.tls import CERTIFICATE, KEY
from components.environment import EnvironmentSpec
from components.kafka.listeners import KEYSTORE_FILE
from components.platform import render
from components.vault.identities import Access, Certificate, access, authority_of, mount_of
from components.vault.names import KV, auth_mount
from operations.live.vault import Vault, VaultError

MODE = 0o400


@dataclass(frozen=True, slots=True)
class Pulled:
    """The files of one container by their names in its folder, and the user that reads them. ``left`` are those that somebody
    else puts there."""

    container: str
    user: str
    files: Mapping[str, bytes]
    left: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Pulled({self.container!r}, {sorted(self.files)!r})"


def gather(spec: EnvironmentSpec, vault: Vault, folder: Path, now: datetime) -> tuple[Pulled, ...]:
    """What every container needs. A certificate in ``folder`` that is still good is kept. Raises :class:`VaultError` with every
    key that is missing."""
    found = access(spec)
    users = {workload.name: workload.user for workload in render(spec).workloads}
    gatherer = _Gatherer(spec, vault, found, folder, now)
    made = [pulled for each in vault.each(gatherer.of, [use for use in found.uses if use.containers]) for pulled in each]
    if gatherer.missing:
        lines = [f"  {path}: {key}" for path, key in sorted(gatherer.missing)]
        remedy = "      → write them with vault kv patch, or run cdc vault apply for those that it makes up"
        raise VaultError("\n".join([f"{vault.url}: {len(lines)} keys are missing; nothing was written", *lines, remedy]))
    return tuple(Pulled(each.container, users.get(each.container, ""), each.files, each.left) for each in made)


class _Gatherer:
    """What is the same for all containers of one run."""

    def __init__(self, spec: EnvironmentSpec, vault: Vault, found: Access, folder: Path, now: datetime) -> None:
        self._spec, self._vault, self._folder, self._now = spec, vault, folder, now
        self._identities = {identity.name: identity for identity in found.identities}
        self._issued = found.certificates
        self._cas = {authority: self._ca(mount_of(spec, authority)) for authority in found.authorities}
        self.missing: set[tuple[str, str]] = set()

    def of(self, use: Use) -> list[Pulled]:
        """The containers of one workload, entered as that workload."""
        identity = self._identities.get(use.workload)
        token = "" if identity is None else self._login(identity.name)
        values = {} if identity is None else {path: self._read(path, token) for path in identity.paths}
        made = []
        for container in use.containers:
            texts = {file.name: self._content(file, values) for file in use.files}
            if identity is not None and identity.certificate is not None:
                made_here = self._certified(identity.certificate, use, container, token)
                texts |= {name: text.encode() for name, text in made_here.items()}
            files = {name: content for name, content in texts.items() if content is not None}
            left = tuple(name for name, content in texts.items() if content is None)
            made.append(Pulled(container, "", files, left))
        return made

    def _login(self, identity: str) -> str:
        """A token of the workload's own, so that its policy decides and Vault's record says who read."""
        mount = auth_mount(self._spec.context)
        role = f"auth/{mount}/role/{identity}"
        found = self._vault.read(f"{role}/role-id")
        if found is None:
            remedy = f"run cdc vault apply {self._spec.name}"
            raise VaultError(f"{self._vault.url}: there is no identity {identity}\n      → {remedy}")
        secret = self._vault.write(f"{role}/secret-id", {})["data"]["secret_id"]
        return self._vault.login(mount, {"role_id": found["data"]["role_id"], "secret_id": secret})

    def _read(self, path: str, token: str) -> Mapping[str, Any]:
        answer = self._vault.ask("GET", f"{KV}/data/{path}", missing=True, token=token)
        return {} if answer is None else answer["data"].get("data") or {}

    def _content(self, file: SecretFile, values: Mapping[str, Mapping[str, Any]]) -> bytes | None:
        """``None`` for what does not come from Vault."""
        if file.vault:
            found = {key: value for key in file.keys if isinstance(value := values[file.vault].get(key), str)}
            if len(found) < len(file.keys):
                self.missing.update((file.vault, key) for key in file.keys if key not in found)
                return b""
            if file.beside:
                return lines(found).encode()
            return found[file.key].encode() if file.is_text else self._decoded(file, found[file.key])
        authority = authority_of(self._spec, file, self._issued)
        return None if authority is None else self._cas[authority].encode()

    def _decoded(self, file: SecretFile, value: str) -> bytes:
        try:
            return b64decode("".join(value.split()), validate=True)
        except ValueError:
            remedy = f'vault kv patch -mount={KV} {file.vault} {file.key}="$(base64 -w0 {file.key})"'
            said = f"{file.vault}: {file.key} is a store of Java's, and not written as base64"
            raise VaultError(f"{self._vault.url}: {said}; nothing was written\n      → {remedy}") from None

    def _ca(self, mount: str) -> str:
        answer = self._vault.read(f"{mount}/cert/ca")
        text = str(((answer or {}).get("data") or {}).get("certificate") or "")
        if not text:
            raise VaultError(f"{self._vault.url}: {mount} has no CA\n      → run cdc vault apply {self._spec.name}")
        end = x509.load_pem_x509_certificate(text.encode()).not_valid_after_utc
        if end <= self._now:
            said = f"the CA of {mount} ended {end:%Y-%m-%d %H:%M} UTC"
            raise VaultError(f"{self._vault.url}: {said}\n      → run cdc vault apply {self._spec.name}, which renews it")
        return text.rstrip("\n") + "\n"

    def _certified(self, made: Certificate, use: Use, container: str, token: str) -> dict[str, str]:
        """Key and certificate, in one file or in two."""
        names = {file.key: file.name for file in use.files if file.secret == made.secret}
        hosts = sorted({container, *((made.workload,) if KEYSTORE_FILE not in names else ())})
        present = self._present(container, names)
        if present is not None and self._still_good(present, hosts, self._cas[made.authority]):
            return {}
        body = {"common_name": container, "alt_names": ",".join(hosts)}
        answer = self._vault.ask("POST", f"{mount_of(self._spec, made.authority)}/issue/{made.workload}", body, token=token)
        key, certificate = f"{answer['data']['private_key']}\n", f"{answer['data']['certificate']}\n"
        if KEYSTORE_FILE in names:
            return {names[KEYSTORE_FILE]: key + certificate}
        return {name: text for which, text in ((KEY, key), (CERTIFICATE, certificate)) if (name := names.get(which))}

    def _present(self, container: str, names: Mapping[str, str]) -> str | None:
        files = [names[KEYSTORE_FILE]] if KEYSTORE_FILE in names else [names[key] for key in (KEY, CERTIFICATE) if key in names]
        try:
            return "".join((self._folder / container / name).read_text(encoding="utf-8") for name in files)
        except (OSError, UnicodeDecodeError):
            return None

    def _still_good(self, pem: str, hosts: list[str], ca: str) -> bool:
        """Whether key and certificate belong together, are the CA's, name these hosts, and are not yet to be renewed."""
        if self._spec.vault is None:
            return False
        try:
            key = load_pem_private_key(pem.encode(), None).public_key()
            certificate = x509.load_pem_x509_certificate(pem.encode())
            certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(ca.encode()))
            named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except Exception:  # whatever lies there, it is no certificate of ours
            return False
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        ends = certificate.not_valid_after_utc - timedelta(milliseconds=self._spec.vault.pki.renew_before)
        names = sorted(named.get_values_for_type(x509.DNSName))
        return certificate.public_key().public_bytes(*form) == key.public_bytes(*form) and ends > self._now and names == hosts


def write(folder: Path, pulled: Iterable[Pulled], owner: tuple[int, int] | None) -> list[str]:
    """Put the files there, each whole or not at all, readable by their container's user alone (``owner`` in their stead). Gives
    what changed. A private key comes before its certificate: what was cut off between the two is told apart and made anew."""
    changed = []
    for each in pulled:
        own = owner or _user(each.user)
        for name in sorted(each.files, key=lambda name: (not name.endswith(".key"), name)):
            if _put(folder / each.container / name, each.files[name], folder, own):
                changed.append(f"{each.container}/{name}")
    return changed


def _user(user: str) -> tuple[int, int] | None:
    """Numbers of a container's ``uid:gid``; ``None`` for whoever may not give files away."""
    uid, _, gid = user.partition(":")
    return (int(uid), int(gid or uid)) if os.geteuid() == 0 and uid.isdigit() else None


def _put(path: Path, content: bytes, root: Path, owner: tuple[int, int] | None) -> bool:
    try:
        if path.is_file() and path.read_bytes() == content and path.stat().st_mode & 0o777 == MODE:
            return False
        for parent in reversed([folder for folder in path.parents if folder.is_relative_to(root)]):
            if not parent.is_dir():
                parent.mkdir(mode=0o700)
                _give(parent, owner if parent != root else None)
        beside = path.with_name(f".{path.name}.{entropy.token_hex(8)}")
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            _give(beside, owner)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CdcError(f"{path}: cannot be written: {error.strerror}\n      → name a folder that you may write to") from None
    return True


def _give(path: Path, owner: tuple[int, int] | None) -> None:
    if owner is not None:
        os.chown(path, *owner)
