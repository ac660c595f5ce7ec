"""Schemas with their ids and versions, out of a registry and into an empty one.

Confluent's registry takes ids in its mode IMPORT. Apicurio's copy of that API has no such mode; its own export holds the ids,
and its import keeps them. Ids stand in every record, so a registry that can do neither is not written to at all.
"""

import base64
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from operations.backup.errors import BackupError
from operations.live.registry import Access, entering

_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
_APICURIO = "/apis/ccompat/"
_EXPORT_SECONDS = 120


class Schemas:
    """An open registry."""

    def __init__(self, access: Access) -> None:
        self.url = access.url.rstrip("/")
        self._client = httpx.Client(**entering(access), trust_env=False)

    def observe(self) -> dict[str, Any]:
        """Levels, and every version of every subject; ``export`` is Apicurio's own, base64, where it is one."""
        subjects = {subject: list(self._versions(subject)) for subject in sorted(self._ask("GET", "/subjects"))}
        levels = {subject: level for subject in subjects if (level := self._level(subject)) is not None}
        export = self._export()
        return {
            "compatibility": self._level(None),
            "levels": levels,
            "subjects": subjects,
            "export": None if export is None else base64.b64encode(export).decode(),
        }

    def is_empty(self) -> bool:
        """Whether it knows no subject."""
        return not self._ask("GET", "/subjects")

    def restore(self, seen: Mapping[str, Any]) -> None:
        """Bring an empty registry, or one that a run like this was writing to, to what was seen. Raises :class:`BackupError`
        where any id would be another one."""
        present = {subject: list(self._versions(subject)) for subject in self._ask("GET", "/subjects")}
        foreign = sorted(set(present) - set(seen["subjects"]))
        if foreign:
            raise BackupError(
                f"{self.url}: has subjects of its own: {', '.join(foreign[:5])}\n      → restore into an empty registry"
            )
        if _identities(present) != _identities(seen["subjects"]):
            if self._admin is not None:
                self._import(seen)
            else:
                self._register(seen["subjects"], present)
        for subject, level in [(None, seen["compatibility"]), *sorted(seen["levels"].items())]:
            if level is not None and self._level(subject) != level:
                self._ask("PUT", _config(subject), {"compatibility": level})
        now = {subject: list(self._versions(subject)) for subject in self._ask("GET", "/subjects")}
        if _identities(now) != _identities(seen["subjects"]):
            raise BackupError(f"{self.url}: gave other ids or versions than were backed up\n      → empty it and restore again")

    @property
    def _admin(self) -> str | None:
        """Where Apicurio's own interface for export and import is; ``None`` for others."""
        at = self.url.find(_APICURIO)
        return None if at < 0 else f"{self.url[:at]}/apis/registry/v3/admin"

    def _export(self) -> bytes | None:
        """Apicurio streams it from a link that lives for half a minute."""
        if self._admin is None:
            return None
        answer = self._send("GET", f"{self._admin}/export", params={"forBrowser": "true"})
        link = answer.json()["href"] if answer.headers.get("content-type", "").startswith("application/json") else None
        if link is None:
            return answer.content
        top = urlsplit(self.url)
        return self._send("GET", f"{top.scheme}://{top.netloc}{link}", timeout=_EXPORT_SECONDS).content

    def _import(self, seen: Mapping[str, Any]) -> None:
        if seen["export"] is None:
            raise BackupError(
                f"{self.url}: is Apicurio, and the backup is of another registry, whose ids it cannot take"
                "\n      → restore into Confluent's registry"
            )
        headers = {
            "Content-Type": "application/zip",
            "X-Registry-Preserve-GlobalId": "true",
            "X-Registry-Preserve-ContentId": "true",
        }
        content = base64.b64decode(seen["export"])
        self._send("POST", f"{self._admin}/import", content=content, headers=headers, timeout=_EXPORT_SECONDS)

    def _register(self, wanted: Mapping[str, Any], present: Mapping[str, Any]) -> None:
        """In mode IMPORT, those that others refer to first: ids grow in the order of registration."""
        self._ask("PUT", "/mode?force=true", {"mode": "IMPORT"})
        try:
            entries = [(entry["id"], subject, entry) for subject, entries in wanted.items() for entry in entries]
            for _, subject, entry in sorted(entries, key=lambda one: (one[0], one[1], one[2]["version"])):
                if not any(entry["version"] == there["version"] for there in present.get(subject, ())):
                    self._ask("POST", f"/subjects/{quote(subject, safe='')}/versions", entry)
        finally:
            self._ask("PUT", "/mode?force=true", {"mode": "READWRITE"})

    def _versions(self, subject: str) -> Iterator[dict[str, Any]]:
        path = f"/subjects/{quote(subject, safe='')}/versions"
        for version in self._ask("GET", path):
            found = self._ask("GET", f"{path}/{version}")
            yield {
                "version": int(found["version"]),
                "id": int(found["id"]),
                "schemaType": found.get("schemaType") or "AVRO",
                "schema": found["schema"],
                "references": found.get("references") or [],
            }

    def _level(self, subject: str | None) -> str | None:
        answer = self._send("GET", f"{self.url}{_config(subject)}", may_miss=subject is not None)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        body = answer.json()
        return str(body.get("compatibilityLevel") or body.get("compatibility"))

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        content = {} if body is None else {"json": body}
        return self._send(method, f"{self.url}{path}", headers={"Accept": f"{_MEDIA_TYPE}, application/json"}, **content).json()

    def _send(self, method: str, url: str, *, may_miss: bool = False, **more: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, url, **more)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = str(error) or type(error).__name__
            raise BackupError(
                f"{self.url}: the schema registry cannot be reached: {why}\n      → name it with --registry"
            ) from None
        if answer.is_success or (may_miss and answer.status_code == httpx.codes.NOT_FOUND):
            return answer
        said = " ".join(answer.text.split())[:300]
        remedy = (
            "give --registry-user and --registry-password-file of one who may"
            if answer.status_code in {401, 403}
            else "look into the registry's log"
        )
        raise BackupError(f"{self.url}: {method} {urlsplit(url).path}: {answer.status_code} {said}\n      → {remedy}")

    def close(self) -> None:
        self._client.close()


def _identities(subjects: Mapping[str, Any]) -> set[tuple[str, int, int]]:
    return {(subject, entry["version"], entry["id"]) for subject, entries in subjects.items() for entry in entries}


def _config(subject: str | None) -> str:
    return "/config" if subject is None else f"/config/{quote(subject, safe='')}"
