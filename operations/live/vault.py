"""A Vault as it runs, through its HTTP API. Answers may hold secrets: nothing of them is ever part of an error."""

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx

from components.core.errors import CdcError
from operations.files import read_text, trusting

ANSWER_SECONDS = 60
CONCURRENT = 16
MERGE = "application/merge-patch+json"
_LONGEST_MESSAGE = 300
_FORBIDDEN, _NOT_FOUND = 403, 404
T = TypeVar("T")
U = TypeVar("U")


class VaultError(CdcError):
    """A Vault that cannot be reached, is not open, or refuses what it was asked."""


@dataclass(frozen=True, slots=True)
class VaultAccess:
    """Where a Vault is, who vouches for it, and the token to enter with, which is never shown."""

    url: str
    ca_file: Path | None
    token: str

    def __repr__(self) -> str:
        return f"VaultAccess({self.url!r})"


def find_access(spec_address: str, address: str | None, ca_file: Path | None, token_file: Path | None) -> VaultAccess:
    """What the command line says, else Vault's own variables (``VAULT_ADDR``, ``VAULT_CACERT``, ``VAULT_TOKEN``), else the
    spec's address and the file that ``vault login`` writes."""
    url = (address or os.environ.get("VAULT_ADDR") or spec_address).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise CdcError(
            f"{parts.hostname or 'the address'}: is no address of a Vault\n      → write one such as https://vault:8200"
        )
    trusted = os.environ.get("VAULT_CACERT")
    return VaultAccess(url, ca_file or (Path(trusted) if trusted else None), _token(token_file))


def _token(file: Path | None) -> str:
    token = None if file is not None else os.environ.get("VAULT_TOKEN")
    if token is None:
        place = file or Path.home() / ".vault-token"
        if file is None and not place.is_file():
            raise CdcError("there is no token for Vault\n      → set VAULT_TOKEN, or name a file with --token-file")
        return read_token(place)
    return _usable(token, "VAULT_TOKEN")


def read_token(file: Path) -> str:
    """The token in a file."""
    return _usable(read_text(file), str(file))


def _usable(token: str, source: str) -> str:
    if not token.strip() or not token.strip().isascii() or not token.strip().isprintable():
        raise CdcError(f"{source}: holds no token\n      → put the token there, and nothing else")
    return token.strip()


class Vault:
    """An open Vault. Every method raises :class:`VaultError` with what to do. May be used from several threads."""

    def __init__(self, access: VaultAccess, transport: httpx.BaseTransport | None = None) -> None:
        self.url = access.url
        self._token = access.token
        self._client = httpx.Client(
            verify=True if access.ca_file is None else trusting(access.ca_file),
            timeout=ANSWER_SECONDS,
            transport=transport,
            trust_env=False,
            limits=httpx.Limits(max_connections=CONCURRENT, max_keepalive_connections=CONCURRENT),
            headers={"X-Vault-Request": "true"},
        )

    def check_open(self) -> None:
        """Refuses a Vault that is not initialised, or sealed, or does not know the token."""
        response = self._send("GET", "sys/seal-status", None, {})
        status = _json(response, self.url)
        if "sealed" not in status:
            raise _stranger(self.url)
        if not status.get("initialized", False):
            remedy = "run vault operator init once, and keep the keys that it prints apart from each other"
            raise VaultError(f"{self.url}: Vault is not initialised\n      → {remedy}")
        if status.get("sealed", True):
            remedy = "open it with vault operator unseal; docs/runbooks/vault-sealed.md says what else may be wrong"
            raise VaultError(f"{self.url}: Vault is sealed\n      → {remedy}")
        self.read("auth/token/lookup-self", "the token is not known, or no longer valid")

    def now(self) -> datetime:
        """Vault's clock: what it has dated is judged by it, however wrong this machine's is."""
        said = self._send("GET", "sys/seal-status", None, {}).headers.get("Date")
        return datetime.now(UTC) if said is None else parsedate_to_datetime(said).astimezone(UTC)

    def read(self, path: str, refused: str = "") -> Any:
        """What is at ``path``; ``None`` when nothing is."""
        return self.ask("GET", path, missing=True, refused=refused)

    def listed(self, path: str) -> list[str]:
        """The names below ``path``."""
        found = self.ask("LIST", path, missing=True)
        return [] if found is None else list(found["data"]["keys"])

    def write(self, path: str, body: Mapping[str, Any]) -> Any:
        """Make or change."""
        return self.ask("POST", path, body)

    def delete(self, path: str) -> None:
        """Take away."""
        self.ask("DELETE", path, missing=True)

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        missing: bool = False,
        refused: str = "",
        token: str | None = None,
    ) -> Any:
        """The JSON answer, ``None`` when it has none, or for what is not there, where it may be ``missing``."""
        headers = {"X-Vault-Token": self._token if token is None else token}
        if method == "PATCH":
            headers["Content-Type"] = MERGE
        response = self._send(method, path, body, headers)
        if response.is_success:
            return _json(response, self.url) if response.content else None
        if missing and response.status_code == _NOT_FOUND:
            return None
        raise _refusal(response, method, self.url, path, refused)

    def login(self, mount: str, body: Mapping[str, Any]) -> str:
        """A token of an identity of the auth method at ``mount``."""
        response = self._send("POST", f"auth/{mount}/login", body, {})
        if not response.is_success:
            raise _refusal(response, "POST", self.url, f"auth/{mount}/login", "")
        return str(_json(response, self.url)["auth"]["client_token"])

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]) -> httpx.Response:
        url = f"{self.url}/v1/{quote(path, safe='/')}"
        try:
            return self._client.request(method, url, json=body, headers=dict(headers))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = _short(str(error)) or type(error).__name__
            raise VaultError(f"{self.url}: Vault cannot be reached: {why}\n      → {_reach(why)}") from None

    def each(self, work: Callable[[T], U], items: Iterable[T]) -> list[U]:
        """``work`` of every item, several at a time, in order. All are ended before the first error is raised."""
        with ThreadPoolExecutor(CONCURRENT) as pool:
            return list(pool.map(work, items))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()


def _json(response: httpx.Response, url: str) -> Any:
    try:
        return response.json()
    except ValueError:
        raise _stranger(url) from None


def _stranger(url: str) -> VaultError:
    return VaultError(f"{url}: answers, but is no Vault\n      → name Vault's own address with --address or VAULT_ADDR")


def _reach(why: str) -> str:
    if "expired" in why:
        return "its certificate, or its CA's, is no longer valid: renew it; docs/vault.md says how"
    if "CERTIFICATE_VERIFY_FAILED" in why:
        return "give the CA that signed its certificate with --ca-file or VAULT_CACERT, and call it by a name in that"
    return "name its address, as this machine reaches it, with --address or VAULT_ADDR"


def _refusal(response: httpx.Response, method: str, url: str, path: str, refused: str) -> VaultError:
    try:
        said = "; ".join(_short(str(message)) for message in response.json().get("errors") or ())
    except (ValueError, AttributeError):
        said = ""
    what = f"{url}: {method} {path}"
    if response.status_code == _FORBIDDEN:
        if refused:
            return VaultError(f"{url}: {refused}\n      → log in again, and set VAULT_TOKEN or --token-file")
        return VaultError(
            f"{what}: the token may not\n      → use one whose policies allow it; docs/vault.md lists what is needed"
        )
    if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return VaultError(f"{url}: Vault is sealed, or has no active node\n      → see docs/runbooks/vault-sealed.md")
    return VaultError(f"{what}: answered {response.status_code} {said}\n      → {_remedy(said)}")


def _remedy(said: str) -> str:
    if "beyond the expiration of the CA" in said:
        return "the CA ends too soon: cdc vault apply renews it"
    return "look into Vault's log, or run the same again"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[: _LONGEST_MESSAGE - 1]}…"
