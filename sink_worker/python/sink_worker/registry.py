"""The schema registry (Confluent's API): schemas by id, their references inlined, definite answers told from outages."""

import json
import ssl
import time
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx
import structlog
import tenacity

from sink_worker.errors import RegistryUnavailableError
from sink_worker.settings import RegistrySettings, read_secret

_log = structlog.get_logger("sink_worker.registry")
_SCHEMA_NOT_FOUND: Final = 40403
_TRIES: Final = 3
_PRIMITIVES: Final = frozenset({
    "null", "boolean", "int", "long", "float", "double", "bytes", "string", "record", "enum", "array", "map", "fixed",
    "error", "union", "request",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Missing:
    """The registry says that it has no usable schema of the id."""

    reason: str


@dataclass(slots=True)
class _Answer:
    status: int
    body: Any = field(default=None)


class Registry:
    """Looks schemas up. :class:`RegistryUnavailableError` where there is no definite answer."""

    def __init__(self, settings: RegistrySettings, transport: httpx.BaseTransport | None = None) -> None:
        self._urls = [url.rstrip("/") for url in settings.urls]
        self._client = httpx.Client(timeout=settings.timeout_seconds, auth=_auth(settings), verify=_verify(settings),
                                    transport=transport, headers={"Accept": "application/vnd.schemaregistry.v1+json"},
                                    follow_redirects=True)  # fmt: skip
        self._ttl = settings.schema_cache_ttl_seconds
        self._missing_until: dict[int, float] = {}

    def fetch(self, schema_id: int) -> str | Missing:
        """The Avro schema of an id as JSON text, or that there is none."""
        if not self._urls:
            return Missing("no schema registry is set (registry.urls)")
        answer = self._get(f"/schemas/ids/{schema_id}")
        if answer.status == 404:
            return self._missing(schema_id, answer)
        kind = answer.body.get("schemaType", "AVRO")
        if kind != "AVRO":
            return Missing(f"schema {schema_id} is of type {kind}; only AVRO is read")
        try:
            return self._inlined(answer.body)
        except ValueError as error:
            return Missing(f"schema {schema_id} is no usable Avro schema: {error}")

    def stale_missing(self) -> list[int]:
        """Ids that were missing, and so long ago that they are to be asked for again."""
        now = time.monotonic()
        return [schema_id for schema_id, until in self._missing_until.items() if until <= now]

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _missing(self, schema_id: int, answer: _Answer) -> Missing:
        """A 404 is believed only from a registry that has schemas at all: an empty or wrong one refuses no rows."""
        code = answer.body.get("error_code") if isinstance(answer.body, dict) else None
        if code != _SCHEMA_NOT_FOUND:
            raise RegistryUnavailableError(f"schema {schema_id}: a 404 without the code {_SCHEMA_NOT_FOUND}; is "
                                           f"{', '.join(self._urls)} a schema registry's base address?")  # fmt: skip
        subjects = self._get("/subjects")
        if subjects.status != 200 or not subjects.body:
            raise RegistryUnavailableError(f"schema {schema_id}: the registry has no subject at all; it may have lost its data")
        self._missing_until[schema_id] = time.monotonic() + self._ttl
        return Missing(f"the registry has no schema {schema_id}")

    def _inlined(self, body: dict[str, Any]) -> str:
        schema = json.loads(body["schema"])
        if not body.get("references"):
            return str(body["schema"])
        return json.dumps(_Inliner(self._named(body["references"], {})).inline(schema, ""))

    def _named(self, references: list[dict[str, Any]], found: dict[str, Any]) -> dict[str, Any]:
        for reference in references:
            if reference["name"] in found:
                continue
            answer = self._get(f"/subjects/{quote(reference['subject'], safe='')}/versions/{reference['version']}")
            if answer.status == 404:
                raise ValueError(f"it refers to {reference['subject']} version {reference['version']}, which is not there")
            self._named(answer.body.get("references", []), found)
            found[reference["name"]] = json.loads(answer.body["schema"])
        return found

    def _get(self, path: str) -> _Answer:
        retrying = tenacity.Retrying(stop=tenacity.stop_after_attempt(_TRIES), reraise=True,
                                     wait=tenacity.wait_exponential_jitter(multiplier=0.1, max=1.0),
                                     retry=tenacity.retry_if_exception_type(RegistryUnavailableError))  # fmt: skip
        return retrying(self._ask_each, path)

    def _ask_each(self, path: str) -> _Answer:
        problems = []
        for url in self._urls:
            try:
                response = self._client.get(url + path)
            except httpx.HTTPError as error:
                problems.append(f"{url}: {type(error).__name__}")
                continue
            body = _json(response)
            if (response.status_code == 200 and body is not None) or response.status_code == 404:
                return _Answer(response.status_code, body)
            problems.append(f"{url}: status {response.status_code}")
        raise RegistryUnavailableError(f"{path}: no registry answered ({'; '.join(problems)})")


class _Inliner:
    """Puts the definition of a referenced name where it is first used."""

    def __init__(self, named: dict[str, Any]) -> None:
        self._named = dict(named)
        self._defined: set[str] = set()

    def inline(self, schema: Any, namespace: str) -> Any:
        if isinstance(schema, str):
            return self._resolved(schema, namespace)
        if isinstance(schema, list):
            return [self.inline(item, namespace) for item in schema]
        if not isinstance(schema, dict):
            return schema
        inner = self._define(schema, namespace)
        out = dict(schema)
        for part in ("items", "values"):
            if part in out:
                out[part] = self.inline(out[part], inner)
        if "fields" in out:
            out["fields"] = [{**item, "type": self.inline(item["type"], inner)} for item in out["fields"]]
        elif isinstance(out.get("type"), (dict, list)):
            out["type"] = self.inline(out["type"], inner)
        return out

    def _define(self, schema: dict[str, Any], namespace: str) -> str:
        if schema.get("type") not in {"record", "error", "enum", "fixed"}:
            return namespace
        name, inner = schema["name"], schema.get("namespace", namespace)
        if "." in name:
            inner = name.rpartition(".")[0]
        self._defined.add(name if "." in name or not inner else f"{inner}.{name}")
        return str(inner)

    def _resolved(self, name: str, namespace: str) -> Any:
        if name in _PRIMITIVES:
            return name
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        for candidate in (full, name):
            if candidate not in self._defined and candidate in self._named:
                definition = self._named[candidate]
                if isinstance(definition, str):
                    return self._resolved(definition, "")
                # A definition without namespace would take that of where it is put: say that it has none of its own.
                return self.inline({"namespace": "", **definition} if isinstance(definition, dict) else definition, "")
        return name


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _auth(settings: RegistrySettings) -> tuple[str, str] | None:
    return (settings.username, read_secret(settings.password_file) or "") if settings.username else None


def _verify(settings: RegistrySettings) -> ssl.SSLContext | bool:
    if settings.ca_file is None and settings.certificate_file is None:
        return True
    context = ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)
    if settings.certificate_file is not None:
        context.load_cert_chain(str(settings.certificate_file), str(settings.key_file) if settings.key_file else None)
    return context
