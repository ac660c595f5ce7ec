"""A schema registry as it runs, through Confluent's API, which every distribution serves."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from components.core.errors import CdcError
from operations.files import read_text, trusting
from operations.live.observed import ObservedSubject

ANSWER_SECONDS = 30
_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
_LONGEST_MESSAGE = 500
_NOT_FOUND, _NO_SUBJECT = 404, frozenset({404, 40401, 40402, 40403, 40408})
_INCOMPATIBLE = 409


class RegistryError(CdcError):
    """A registry that cannot be reached, or that refuses what it was asked."""


class IncompatibleError(RegistryError):
    """A schema that the registry does not let replace the one before it."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Access:
    """Where a registry is and how to enter; ``password_file`` and ``ca_file`` are read when it is opened. ``prefix`` is what
    the options that say so begin with, where a command has more than a registry: ``--registry``, ``--registry-user``."""

    url: str
    user: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    prefix: str = ""

    def option(self, name: str) -> str:
        """What the user writes for ``url``, ``user``, ``password-file`` or ``ca-file``."""
        return "--" + "-".join(filter(None, (self.prefix, "" if self.prefix and name == "url" else name)))


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a subject, with the id of its schema."""

    version: int
    id: int


class Registry:
    """An open registry. Every method raises :class:`RegistryError` with what to do."""

    def __init__(self, access: Access, transport: httpx.BaseTransport | None = None) -> None:
        self.url = self._url = access.url.rstrip("/")
        self._access = access
        self._client = httpx.Client(
            **entering(access),
            transport=transport,
            headers={"Content-Type": _MEDIA_TYPE, "Accept": f"{_MEDIA_TYPE}, application/json"},
        )

    def find(self, subject: str, schema: str, schema_type: str) -> Version | None:
        """The version of ``subject`` that is this schema, if there is one."""
        body = {"schema": schema, "schemaType": schema_type}
        found = self._ask("POST", f"/subjects/{quote(subject, safe='')}?normalize=true", body, missing=True)
        return None if found is None else Version(int(found["version"]), int(found["id"]))

    def latest(self, subject: str) -> Version | None:
        """Its newest version; ``None`` for a subject that has none."""
        found = self._ask("GET", f"/subjects/{quote(subject, safe='')}/versions/latest", missing=True)
        return None if found is None else Version(int(found["version"]), int(found["id"]))

    def subjects(self) -> list[str]:
        """All that have a version."""
        return sorted(self._ask("GET", "/subjects"))

    def newest(self, subject: str) -> ObservedSubject | None:
        """The newest version with its schema, and the subject's own level; ``None`` for one that has gone since."""
        found = self._ask("GET", f"/subjects/{quote(subject, safe='')}/versions/latest", missing=True)
        if found is None:
            return None
        kind, references = found.get("schemaType") or "AVRO", tuple(found.get("references") or ())
        level = self.compatibility(subject)
        return ObservedSubject(subject, int(found["version"]), int(found["id"]), kind, found["schema"], level, references)

    def objections(self, subject: str, schema: str, schema_type: str) -> tuple[str, ...]:
        """Why the schema may not become the subject's next version under the compatibility in force; nothing when it may."""
        body = {"schema": schema, "schemaType": schema_type}
        path = f"/compatibility/subjects/{quote(subject, safe='')}/versions/latest?verbose=true"
        found = self._ask("POST", path, body, missing=True)
        if found is None or found.get("is_compatible", False):
            return ()
        return tuple(_short(str(message)) for message in found.get("messages") or ()) or ("the registry does not say why",)

    def compatibility(self, subject: str | None = None) -> str | None:
        """The level of one subject, or of all that have none; ``None`` for a subject that has none of its own."""
        found = self._ask("GET", _config_path(subject), missing=subject is not None)
        return None if found is None else str(found.get("compatibilityLevel") or found.get("compatibility"))

    def set_compatibility(self, level: str, subject: str | None = None) -> None:
        """Change it."""
        self._ask("PUT", _config_path(subject), {"compatibility": level})

    def drop_compatibility(self, subject: str) -> None:
        """Leave ``subject`` to the level of all others."""
        self._ask("DELETE", _config_path(subject), missing=True)

    def delete(self, subject: str) -> None:
        """Take all its versions away; its ids are not given again."""
        self._ask("DELETE", f"/subjects/{quote(subject, safe='')}", missing=True)

    def register(self, subject: str, schema: str, schema_type: str) -> int:
        """The id of the schema, which is the newest version of ``subject`` from now on, or was a version of it before."""
        body = {"schema": schema, "schemaType": schema_type}
        found = self._ask("POST", f"/subjects/{quote(subject, safe='')}/versions?normalize=true", body)
        return int(found["id"])

    def _ask(self, method: str, path: str, body: Any = None, *, missing: bool = False) -> Any:
        """The JSON answer; ``None`` for what is not there, where it may be ``missing``."""
        try:
            response = self._client.request(method, f"{self._url}{path}", json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = _short(str(error)) or type(error).__name__
            untrusted = "CERTIFICATE_VERIFY_FAILED" in why
            own = self._access.option
            remedy = f"name its address with {own('url')}, as this machine reaches it"
            remedy = f"give its CA with {own('ca-file')}" if untrusted else remedy
            raise RegistryError(f"{self._url}: the schema registry cannot be reached: {why}\n      → {remedy}") from None
        if response.is_success:
            return _json(response, self._access)
        if missing and _is_missing(response):
            return None
        raise _refusal(response, method, self._access, path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()


def _config_path(subject: str | None) -> str:
    return "/config" if subject is None else f"/config/{quote(subject, safe='')}"


def entering(access: Access) -> dict[str, Any]:
    """What an HTTP client is made with: who it is, whom it believes, how long it waits."""
    verify = True if access.ca_file is None else trusting(access.ca_file)
    return {"auth": _credentials(access), "verify": verify, "timeout": ANSWER_SECONDS}


def _credentials(access: Access) -> httpx.BasicAuth | None:
    if (access.user is None) != (access.password_file is None):
        pair = f"{access.option('user')} and {access.option('password-file')}"
        raise CdcError(f"{pair} go together\n      → give both, or neither")
    if access.user is None or access.password_file is None:
        return None
    return httpx.BasicAuth(access.user, read_text(access.password_file).rstrip("\r\n"))


def _json(response: httpx.Response, access: Access) -> Any:
    try:
        return response.json() if response.content else {}
    except ValueError:
        remedy = f"name the address of Confluent's API with {access.option('url')}"
        raise RegistryError(f"{access.url}: answers, but is no schema registry\n      → {remedy}") from None


def _is_missing(response: httpx.Response) -> bool:
    return response.status_code == _NOT_FOUND and _described(response)[0] in _NO_SUBJECT


def _described(response: httpx.Response) -> tuple[int, str]:
    """The registry's own error code and message; the status where it gives none."""
    try:
        body = response.json()
        return int(body.get("error_code", response.status_code)), _short(str(body.get("message", "")))
    except (ValueError, AttributeError, TypeError):
        return response.status_code, ""


def _refusal(response: httpx.Response, method: str, access: Access, path: str) -> RegistryError:
    code, message = _described(response)
    what = f"{access.url.rstrip('/')}: {method} {path.partition('?')[0]}"
    if response.status_code in {401, 403}:
        remedy = f"give {access.option('user')} and {access.option('password-file')} of a user who may"
        return RegistryError(f"{what}: the credentials are refused ({response.status_code})\n      → {remedy}")
    if response.status_code == _INCOMPATIBLE:
        return IncompatibleError(f"{what}: incompatible: {message}\n      → change the schema so that it stays compatible")
    if response.status_code == 422:
        return RegistryError(f"{what}: not accepted: {message or code}\n      → mend the schema, or its schemaType")
    hint = (
        f"name the address of Confluent's API with {access.option('url')}"
        if response.status_code == _NOT_FOUND
        else "look into the registry's log"
    )
    return RegistryError(f"{what}: answered {response.status_code} {message}\n      → {hint}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[: _LONGEST_MESSAGE - 1]}…"
