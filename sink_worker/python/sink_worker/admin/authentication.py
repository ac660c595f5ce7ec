"""Who asks: a bearer token's name, or a client certificate's subject; and what role it has."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sink_worker.admin.settings import AdminSettings, Role
from sink_worker.errors import SettingsError, SinkError

TOKEN_BYTES: Final = 32
SHORTEST_TOKEN: Final = 32
LONGEST_TOKEN: Final = 512
_HEX_DIGITS: Final = frozenset("0123456789abcdef")
_SHORT_NAMES: Final = {
    "commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU", "countryName": "C", "localityName": "L",
    "stateOrProvinceName": "ST", "emailAddress": "emailAddress", "serialNumber": "serialNumber",
}  # fmt: skip
_MEMBERS: Final = {"name", "role", "sha256", "expires"}


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody known. ``how`` is ``token`` or ``certificate``."""

    name: str
    role: Role
    how: str


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token: not the token."""

    name: str
    role: Role
    digest: bytes
    expires: datetime | None


class TokensError(SinkError):
    """The file of tokens cannot be used; nobody is let in by a token until it can."""


def digest_of(token: str) -> bytes:
    """SHA-256 is enough for a token of 256 random bits: there is nothing to guess."""
    return hashlib.sha256(token.encode()).digest()


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def read_tokens(path: Path) -> list[Token]:
    """The tokens of a file. :class:`TokensError` with every problem of it."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TokensError(
            f"{path}: cannot be read as JSON ({type(error).__name__}); write a list of tokens' digests"
        ) from error
    if not isinstance(entries, list):
        raise TokensError(f"{path}: holds no list; write what `sink-worker admin token` prints, in [ ]")
    found, problems = list[Token](), list[str]()
    for number, entry in enumerate(entries):
        parsed = _token(entry)
        if isinstance(parsed, Token):
            found.append(parsed)
        else:
            problems.append(f"{path}: entry {number}: {parsed}")
    if len({token.name for token in found}) != len(found):
        problems.append(f"{path}: a name stands there twice")
    if problems:
        raise TokensError("\n".join(problems))
    return found


def _token(entry: Any) -> Token | str:
    if not isinstance(entry, dict) or set(entry) - _MEMBERS:
        return f"is no object of {', '.join(sorted(_MEMBERS))}"
    name, role, digest, expires = (entry.get(member) for member in ("name", "role", "sha256", "expires"))
    if not isinstance(name, str) or not name:
        return "name is missing"
    if role not in set(Role):
        return f"role must be one of {', '.join(Role)}"
    if not isinstance(digest, str) or len(digest) != 64 or not set(digest) <= _HEX_DIGITS:
        return "sha256 must be 64 hexadecimal digits"
    moment: datetime | None = None
    if expires is not None:
        try:
            moment = datetime.fromisoformat(expires)
        except (TypeError, ValueError):
            return "expires is no date or time"
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return Token(name, Role(role), bytes.fromhex(digest), moment)


def by_token(tokens: list[Token], given: str, now: datetime) -> Principal | None:
    """Whose token it is. Every digest is compared, and each in constant time, so that time tells nothing."""
    if not SHORTEST_TOKEN <= len(given) <= LONGEST_TOKEN:
        return None
    digest = digest_of(given)
    known: Principal | None = None
    for token in tokens:
        same = hmac.compare_digest(digest, token.digest)
        if same and (token.expires is None or now < token.expires):
            known = Principal(token.name, token.role, "token")
    return known


def subject_text(certificate: Mapping[str, Any]) -> str:
    """``O=shop,CN=alice`` of what :meth:`ssl.SSLSocket.getpeercert` tells; commas and backslashes of a value are escaped."""
    parts = []
    for relative in certificate.get("subject", ()):
        for name, value in relative:
            escaped = str(value).replace("\\", "\\\\").replace(",", "\\,")
            parts.append(f"{_SHORT_NAMES.get(name, name)}={escaped}")
    return ",".join(parts)


class Authenticator:
    """Knows who is let in. :class:`SettingsError` when nobody could be, or everybody would be."""

    def __init__(self, settings: AdminSettings) -> None:
        self._settings = settings
        if problems := list(_problems(settings)):
            raise SettingsError("the admin API does not start:\n" + "\n".join(f"  {problem}" for problem in problems))

    def principal(self, authorization: str | None, subject: str | None) -> Principal | None:
        """The caller, by its certificate or else by its token. :class:`TokensError` when the file cannot be used."""
        tls = self._settings.tls
        if subject is not None and tls is not None and (role := tls.subjects.get(subject)) is not None:
            return Principal(subject, role, "certificate")
        scheme, _, given = (authorization or "").partition(" ")
        if self._settings.tokens_file is None or scheme.lower() != "bearer":
            return None
        return by_token(read_tokens(self._settings.tokens_file), given.strip(), datetime.now(UTC))


def _problems(settings: AdminSettings) -> list[str]:
    tls, tokens = settings.tls, settings.tokens_file
    problems = []
    if tokens is None and (tls is None or tls.client_ca_file is None):
        problems.append("nobody could be told from anybody: set admin.tls.client_ca_file, or admin.tokens_file")
    if tls is not None and tls.client_ca_file is not None and not tls.subjects:
        problems.append("admin.tls.subjects: no subject has a role; name at least one")
    if tls is None and settings.host not in {"127.0.0.1", "::1", "localhost"}:
        problems.append(f"admin.host: {settings.host} is no loopback address; tokens need admin.tls there")
    if tokens is not None:
        try:
            if not read_tokens(tokens):
                problems.append(f"{tokens}: has no tokens; make one with `sink-worker admin token`")
        except TokensError as error:
            problems += str(error).splitlines()
    files = [] if tls is None else [tls.certificate_file, tls.key_file, *([tls.client_ca_file] if tls.client_ca_file else [])]
    problems += [f"admin.tls: {file} is no readable file" for file in files if not file.is_file()]
    return problems
