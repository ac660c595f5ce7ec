"""Encryption of a backup's files, and the proof that its manifest is ours.

The key file's 256 bits seal nothing themselves: HKDF-SHA256 with the backup's own random 32 bytes of salt gives one key for its
files and one for its manifest. A file's nonce is its number in the backup, which no other file of that backup has and which
another backup uses with another key only, so none is ever used twice. Its name and the backup's id are authenticated with it: a
file that was renamed, or taken from another backup, does not open.
"""

import hashlib
import hmac
import re
import secrets
import struct
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from operations.backup.errors import BackupError, DamagedError

KEY_BYTES = SALT_BYTES = 32
MAGIC = b"CDCBACK1"
_HEADER = struct.Struct(">8sQ")
_HEX_KEY = re.compile(r"[0-9a-fA-F]{64}")
SEALED, PLAIN = "aes-256-gcm", "none"


def new_salt() -> bytes:
    """Of a new backup."""
    return secrets.token_bytes(SALT_BYTES)


def read_key(file: Path) -> bytes:
    """The key in a file: 64 hexadecimal digits, as ``openssl rand -hex 32`` prints them. Never repeats what it read."""
    try:
        text = file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise BackupError(f"{file}: cannot be read: {error.strerror}\n      → name a readable file with --key-file") from None
    except UnicodeDecodeError:
        text = ""
    if not _HEX_KEY.fullmatch(text):
        raise BackupError(
            f"{file}: holds no key\n      → make one: openssl rand -hex 32 > FILE, and keep it apart from the backups"
        )
    return bytes.fromhex(text)


@dataclass(frozen=True, slots=True)
class Seal:
    """Seals and opens the files of one backup. Without a key they are only numbered, and the manifest's proof is a checksum."""

    backup: str
    files: AESGCM | None
    manifest: bytes
    key_id: str

    @property
    def kind(self) -> str:
        return PLAIN if self.files is None else SEALED

    def close(self, name: str, number: int, content: bytes) -> bytes:
        """``content`` as the file ``name``. No number may be used twice in one backup."""
        header = _HEADER.pack(MAGIC, number)
        if self.files is None:
            return header + content
        return header + self.files.encrypt(_nonce(number), content, self._bound(name))

    def open(self, name: str, content: bytes) -> bytes:
        """What was sealed. Raises :class:`DamagedError` where the file is any other than that."""
        if len(content) < _HEADER.size or not content.startswith(MAGIC):
            raise DamagedError(f"{name}: is no file of a backup\n      → use another backup")
        number = _HEADER.unpack_from(content)[1]
        if self.files is None:
            return content[_HEADER.size :]
        try:
            return self.files.decrypt(_nonce(number), memoryview(content)[_HEADER.size :], self._bound(name))
        except InvalidTag:
            raise DamagedError(f"{name}: does not open with this key: it was changed\n      → use another backup") from None

    def proof(self, content: bytes) -> str:
        """Of the manifest: nobody without the key can write another one with a proof."""
        if self.files is None:
            return hashlib.sha256(content).hexdigest()
        return hmac.new(self.manifest, content, hashlib.sha256).hexdigest()

    def _bound(self, name: str) -> bytes:
        return f"{self.backup}\0{name}".encode()


def seal_of(backup: str, salt: bytes, key: bytes | None) -> Seal:
    """The seal of one backup."""
    if key is None:
        return Seal(backup, None, b"", "")

    def derived(purpose: str) -> bytes:
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=f"cdc backup {purpose}".encode()).derive(key)

    return Seal(backup, AESGCM(derived("files")), derived("manifest"), derived("id")[:8].hex())


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")
