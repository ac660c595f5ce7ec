"""A fake of a Kubernetes API server, in memory: objects of one namespace, with merge patches and the ownership of fields."""

import json
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from operations.connect.cluster import ConnectError
from operations.connect.kubectl import CONFIG_MAPS, CONNECTORS, Body

Path = tuple[str, ...]


class FakeApi:
    """``before`` is called before each request of a user, and may raise; ``after`` is what controllers do by then."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Body] = {}
        self.before: Callable[[str], None] = lambda _request: None
        self.after: Callable[[], None] = lambda: None
        self.rights: list[str] = []
        self._owned: dict[tuple[str, str], set[Path]] = {}
        self._versions = count(1)

    # As a user

    def find(self, kind: str, selector: str) -> list[Body]:
        self._ask(f"find {kind}")
        key, _, value = selector.partition("=")
        of_kind = [body for (other, _), body in self.objects.items() if other == kind]
        return [_copy(body) for body in of_kind if body["metadata"]["labels"].get(key) == value]

    def get(self, kind: str, name: str) -> Body | None:
        self._ask(f"get {kind}")
        found: Body | None = _copy(self.objects.get((kind, name)))
        return found

    def apply(self, body: Body) -> Body:
        self._ask(f"apply {body['kind']}")
        kind = CONNECTORS if body["kind"] == "KafkaConnector" else CONFIG_MAPS
        key = (kind, body["metadata"]["name"])
        live = _copy(self.objects.get(key, {}))
        wanted = set(_paths(body))
        for path in self._owned.get(key, set()) - wanted:
            _remove(live, path)
        self._owned[key] = wanted
        _merge(live, _copy(body))
        return self._store(key, live)

    def patch(self, kind: str, name: str, change: Body) -> Body:
        self._ask(f"patch {kind}")
        return self._patch(kind, name, change)

    def disown(self, kind: str, name: str) -> None:
        self._ask(f"patch {kind}")
        self._owned.pop((kind, name), None)

    def delete(self, kind: str, name: str) -> None:
        self._ask(f"delete {kind}")
        self.objects.pop((kind, name), None)
        self._owned.pop((kind, name), None)
        self.after()

    def missing_rights(self) -> list[str]:
        return self.rights

    def _ask(self, request: str) -> None:
        self.before(request)
        self.after()

    # As the operator

    def connectors(self) -> list[Body]:
        return [body for (kind, _), body in self.objects.items() if kind == CONNECTORS]

    def patch_connector(self, name: str, change: Body) -> None:
        self._patch(CONNECTORS, name, change)

    def set_status(self, name: str, status: Body) -> None:
        body = _copy(self.objects[CONNECTORS, name])
        self.objects[CONNECTORS, name] = body
        body["status"] = _copy(status)
        body["metadata"]["resourceVersion"] = str(next(self._versions))

    def config_map(self, name: str) -> Mapping[str, str] | None:
        found = self.objects.get((CONFIG_MAPS, name))
        return None if found is None else found["data"]

    def write_config_map(self, name: str, data: Mapping[str, str]) -> None:
        self.objects[CONFIG_MAPS, name] = {"metadata": {"name": name, "labels": {}}, "data": dict(data)}

    def _patch(self, kind: str, name: str, change: Body) -> Body:
        key = (kind, name)
        if key not in self.objects:
            raise ConnectError(f'{kind} "{name}" not found')
        live = _copy(self.objects[key])
        self._owned[key] = self._owned.get(key, set()) - set(_paths(change))
        _merge(live, _copy(change))
        return self._store(key, live)

    def _store(self, key: tuple[str, str], body: Body) -> Body:
        """A generation is one of the spec; nothing that changes nothing is an event."""
        before = self.objects.get(key)
        metadata = body["metadata"]
        metadata.setdefault("uid", f"uid-{next(self._versions)}")
        changed = before is None or before.get("spec") != body.get("spec")
        metadata["generation"] = (before or {"metadata": {}})["metadata"].get("generation", 0) + changed
        if before is None or before != body:
            metadata["resourceVersion"] = str(next(self._versions))
        self.objects[key] = body
        stored: Body = _copy(body)
        return stored


def _copy(body: Any) -> Any:
    return json.loads(json.dumps(body))


def _paths(body: Any, path: Path = ()) -> list[Path]:
    if not isinstance(body, dict):
        return [path]
    return [found for key, value in body.items() for found in _paths(value, (*path, key))]


def _merge(live: Body, change: Body) -> None:
    for key, value in change.items():
        if value is None:
            live.pop(key, None)
        elif isinstance(value, dict):
            _merge(live.setdefault(key, {}), value)
        else:
            live[key] = value


def _remove(live: Body, path: Path) -> None:
    place: Any = live
    for step in path[:-1]:
        place = place.get(step, {})
    place.pop(path[-1], None)
