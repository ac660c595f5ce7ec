"""Server-side apply against a Kubernetes API server, many objects at a time."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import yaml

Document = dict[str, Any]

FIELD_MANAGER = "cdc-platform-tests"
APPLY_PATCH = {"Content-Type": "application/apply-patch+yaml"}
KUSTOMIZATION = "kustomization.yaml"
WORKERS = 8


class Refused(NamedTuple):
    """An object that the API server did not take, and why."""

    object_id: str
    message: str


class Resource(NamedTuple):
    """Where a kind's objects are."""

    plural: str
    namespaced: bool


def object_id(document: Document) -> str:
    """``KIND NAMESPACE/NAME (API VERSION)``, as far as the document states them."""
    metadata = document.get("metadata") or {}
    name = "/".join(str(metadata[key]) for key in ("namespace", "name") if key in metadata)
    return f"{document.get('kind')} {name} ({document.get('apiVersion')})"


def read_documents(path: Path) -> list[Document]:
    """The objects of a YAML file, or of every YAML file under a folder, kustomizations apart; lists are taken apart."""
    files = sorted({*path.rglob("*.yaml"), *path.rglob("*.yml")}) if path.is_dir() else [path]
    return [document for file in files if file.name != KUSTOMIZATION for document in _objects(file.read_text())]


class KubernetesClient:
    """What the tests ask of an API server."""

    def __init__(self, http: httpx.Client) -> None:
        """``http`` has the server's address and the credentials."""
        self.http = http
        self._resources = cache(self._discover)

    def apply(self, documents: Sequence[Document] | Path, *, dry_run: bool = False) -> list[Refused]:
        """Apply the documents, or those read from a path, with strict field validation; tell which were refused, and why.

        Namespaces go first, then all else at once. With ``dry_run`` nothing is stored but the namespaces: the server refuses
        an object whose namespace it does not have, dry run or not.
        """
        everything = read_documents(documents) if isinstance(documents, Path) else documents
        namespaces = [document for document in everything if document.get("kind") == "Namespace"]
        others = [document for document in everything if document.get("kind") != "Namespace"]
        self._resources.cache_clear()
        with ThreadPoolExecutor(WORKERS) as workers:
            outcomes = [
                *workers.map(partial(self._apply_one, dry_run=False), namespaces),
                *workers.map(partial(self._apply_one, dry_run=dry_run), others),
            ]
        return [outcome for outcome in outcomes if outcome]

    def get(self, document: Document) -> Document | None:
        """The live object that ``document`` names; None when there is none."""
        answer = self.http.get(self._path(document))
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        live: Document = answer.raise_for_status().json()
        return live

    def _apply_one(self, document: Document, dry_run: bool) -> Refused | None:
        parameters = {"fieldManager": FIELD_MANAGER, "force": "true", "fieldValidation": "Strict"}
        if dry_run:
            parameters["dryRun"] = "All"
        try:
            path = self._path(document)
        except KeyError as error:
            return Refused(object_id(document), f"the document has no {error}")
        except LookupError as error:
            return Refused(object_id(document), str(error))
        answer = self.http.patch(path, params=parameters, json=document, headers=APPLY_PATCH)
        return None if answer.is_success else Refused(object_id(document), _message(answer))

    def _path(self, document: Document) -> str:
        """The address of the object: LookupError where the server has no such kind, or the document no name."""
        version, kind = document["apiVersion"], document["kind"]
        resource = self._resources(version).get(kind)
        if resource is None:
            raise LookupError(f"the API server has no kind {kind!r} in {version!r}")
        metadata = document["metadata"]
        namespace = f"/namespaces/{metadata.get('namespace', 'default')}" if resource.namespaced else ""
        return f"{_root(version)}{namespace}/{resource.plural}/{metadata['name']}"

    def _discover(self, version: str) -> dict[str, Resource]:
        """The kinds of an API version, by name; none where the server does not serve the version."""
        answer = self.http.get(_root(version))
        if answer.status_code == httpx.codes.NOT_FOUND:
            return {}
        listed = answer.raise_for_status().json()["resources"]
        return {entry["kind"]: Resource(entry["name"], entry["namespaced"]) for entry in listed if "/" not in entry["name"]}


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _objects(text: str) -> Iterator[Document]:
    for document in yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if document and document.get("kind") == "List":
            yield from document["items"]
        elif document:
            yield document


def _message(answer: httpx.Response) -> str:
    """The server's own words."""
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError):
        return f"{answer.status_code}: {answer.text}"
