"""A little of Kafka's own protocol, for the questions that librdkafka has no call for: a connection to one broker.

Entering is by what the client's settings say for librdkafka: nothing, TLS, SCRAM, PLAIN, or TLS with either. Whoever enters in
another way (Kerberos, OAuth) gets :class:`UnsupportedError`, and what is asked over this is then unknown.
"""

import base64
import hashlib
import hmac
import os
import socket
import ssl
import struct
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from operations.live.kafka import ANSWER_SECONDS, Settings, UnreachableError

Item = TypeVar("Item")
_CLIENT = "cdc"
_HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
_SASL_HANDSHAKE, _SASL_AUTHENTICATE = 17, 36
_LONGEST_ANSWER = 512 << 20


class UnsupportedError(UnreachableError):
    """The settings enter in a way that is not spoken here."""


class MechanismError(UnreachableError):
    """The listener does not take this way to enter."""


class Writer:
    """A request's body, in the compact form of flexible versions (KIP-482)."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def pack(self, form: str, *values: Any) -> Self:
        """Big-endian fixed-size values, as :mod:`struct` writes ``form``."""
        self._parts.append(struct.pack(f">{form}", *values))
        return self

    def uvarint(self, number: int) -> Self:
        while number > 0x7F:
            self._parts.append(bytes([number & 0x7F | 0x80]))
            number >>= 7
        self._parts.append(bytes([number]))
        return self

    def text(self, value: str | None) -> Self:
        if value is None:
            return self.uvarint(0)
        raw = value.encode()
        self.uvarint(len(raw) + 1)
        self._parts.append(raw)
        return self

    def array(self, items: Sequence[Item] | None, write: Callable[[Item], object]) -> Self:
        """``write`` writes one item, its tags excluded: these are written here."""
        if items is None:
            return self.uvarint(0)
        self.uvarint(len(items) + 1)
        for item in items:
            write(item)
        return self

    def tags(self) -> Self:
        """No tagged fields."""
        return self.uvarint(0)

    def bytes(self) -> bytes:
        return b"".join(self._parts)


class Reader:
    """An answer's body."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def unpack(self, form: str) -> Any:
        """One big-endian value."""
        [value] = struct.unpack_from(f">{form}", self._content, self._at)
        self._at += struct.calcsize(f">{form}")
        return value

    def uvarint(self) -> int:
        number = shift = 0
        while True:
            byte = self._content[self._at]
            self._at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7

    def text(self) -> str | None:
        length = self.uvarint()
        return None if length == 0 else self.raw(length - 1).decode()

    def name(self) -> str:
        """A text that is there."""
        return self.text() or ""

    def raw(self, length: int) -> bytes:
        begin, self._at = self._at, self._at + length
        return self._content[begin : self._at]

    def array(self, read: Callable[[], Item]) -> list[Item]:
        """``read`` reads one item, its tags included."""
        return [read() for _ in range(self.uvarint() - 1)]

    def tags(self) -> None:
        """Whatever fields are new since."""
        for _ in range(self.uvarint()):
            self.uvarint()
            self.raw(self.uvarint())


class Connection:
    """An open connection to one broker, entered. Raises :class:`UnreachableError` with what to do."""

    def __init__(self, address: tuple[str, int], settings: Settings) -> None:
        self._place, self._settings, self._number = f"{address[0]}:{address[1]}", settings, 0
        protocol = settings.get("security.protocol", "plaintext").upper()
        try:
            plain = socket.create_connection(address, ANSWER_SECONDS)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = _tls(settings).wrap_socket(plain, server_hostname=address[0]) if "SSL" in protocol else plain
        except OSError as error:
            raise UnreachableError(f"{self._place}: {_reason(error)}\n      → look at the broker and the settings") from None
        try:
            if protocol.startswith("SASL"):
                self._enter()
        except BaseException:
            self._socket.close()
            raise

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def ask(self, key: int, version: int, body: bytes) -> Reader:
        """The answer to one request of a flexible version."""
        reader = self._send(key, version, b"\x00" + body)
        reader.tags()
        return reader

    def _send(self, key: int, version: int, body: bytes) -> Reader:
        self._number += 1
        client = _CLIENT.encode()
        head = struct.pack(">hhih", key, version, self._number, len(client)) + client
        try:
            self._socket.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
            [length] = struct.unpack(">i", self._receive(4))
            if not 4 <= length <= _LONGEST_ANSWER:
                raise UnreachableError(f"{self._place}: does not speak Kafka's protocol\n      → look at its address")
            content = self._receive(length)
        except OSError as error:
            raise UnreachableError(f"{self._place}: {_reason(error)}\n      → look at the broker and the settings") from None
        return Reader(content[4:])

    def _receive(self, length: int) -> bytes:
        content = bytearray()
        while len(content) < length:
            part = self._socket.recv(min(length - len(content), 1 << 20))
            if not part:
                raise ConnectionResetError("the broker has hung up")
            content += part
        return bytes(content)

    def _enter(self) -> None:
        mechanism = (self._settings.get("sasl.mechanism") or self._settings.get("sasl.mechanisms") or "").upper()
        if mechanism != "PLAIN" and mechanism not in _HASHES:
            raise UnsupportedError(
                f"{mechanism or 'GSSAPI'} is not spoken by cdc itself\n      → enter with SCRAM, PLAIN or a certificate"
            )
        raw = mechanism.encode()
        answer = self._send(_SASL_HANDSHAKE, 1, struct.pack(">h", len(raw)) + raw)
        if answer.unpack("h") != 0:
            raise MechanismError(f"{self._place}: does not take {mechanism}\n      → look at its listener's mechanisms")
        user, password = self._settings.get("sasl.username", ""), self._settings.get("sasl.password", "")
        if mechanism == "PLAIN":
            self._authenticate(f"\0{user}\0{password}".encode())
        else:
            _scram(self._authenticate, _HASHES[mechanism], user, password)

    def _authenticate(self, content: bytes) -> bytes:
        answer = self._send(_SASL_AUTHENTICATE, 1, struct.pack(">i", len(content)) + content)
        code = answer.unpack("h")
        said = answer.unpack("h")
        message = answer.raw(said).decode() if said > 0 else ""
        if code != 0:
            raise UnreachableError(
                f"{self._place}: {message or 'the credentials are refused'}\n      → look at the user's name and password"
            )
        return answer.raw(answer.unpack("i"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _scram(exchange: Callable[[bytes], bytes], algorithm: str, user: str, password: str) -> None:
    """RFC 5802, without channel binding."""
    nonce = base64.b64encode(os.urandom(24)).decode()
    name = user.replace("=", "=3D").replace(",", "=2C")
    first = f"n={name},r={nonce}"
    challenge = exchange(f"n,,{first}".encode()).decode()
    said = dict(part.split("=", 1) for part in challenge.split(","))
    if not said["r"].startswith(nonce):
        raise UnreachableError("the broker answers with a nonce of its own\n      → look who answers at that address")
    salted = hashlib.pbkdf2_hmac(algorithm, password.encode(), base64.b64decode(said["s"]), int(said["i"]))
    key = hmac.digest(salted, b"Client Key", algorithm)
    final = f"c=biws,r={said['r']}"
    message = f"{first},{challenge},{final}".encode()
    signature = hmac.digest(hashlib.new(algorithm, key).digest(), message, algorithm)
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()
    verdict = exchange(f"{final},p={proof}".encode()).decode()
    expected = hmac.digest(hmac.digest(salted, b"Server Key", algorithm), message, algorithm)
    if base64.b64decode(verdict.removeprefix("v=")) != expected:
        raise UnreachableError("the broker does not know the password itself\n      → look who answers at that address")


def _tls(settings: Mapping[str, str]) -> ssl.SSLContext:
    """The client's certificate and trust, from librdkafka's keys."""
    context = ssl.create_default_context(cafile=settings.get("ssl.ca.location"), cadata=settings.get("ssl.ca.pem"))
    if settings.get("ssl.endpoint.identification.algorithm", "https") == "none":
        context.check_hostname = False
    if settings.get("enable.ssl.certificate.verification", "true").lower() == "false":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    password = settings.get("ssl.key.password")
    if "ssl.certificate.location" in settings:
        context.load_cert_chain(settings["ssl.certificate.location"], settings.get("ssl.key.location"), password)
    elif "ssl.certificate.pem" in settings:
        with tempfile.TemporaryDirectory() as folder:  # OpenSSL takes them from files only; nobody else may read this folder
            file = Path(folder) / "identity.pem"
            file.touch(mode=0o600)
            file.write_text(f"{settings.get('ssl.key.pem', '')}\n{settings['ssl.certificate.pem']}", encoding="utf-8")
            context.load_cert_chain(file, password=password)
    return context


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
