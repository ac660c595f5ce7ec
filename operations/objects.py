"""What is rendered as plain values by id, and how two such sets differ. Pure."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from components.core import yaml_text
from components.core.rendered import Manifest, Rendered
from operations.compare import FieldChange, compare
from operations.tree import KUSTOMIZATION

Json = Any
Action = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """One object that is added, removed, or changed in ``fields``."""

    id: str
    action: Action
    fields: tuple[FieldChange, ...] = ()

    @property
    def kind(self) -> str:
        return self.id.partition("/")[0]

    @property
    def name(self) -> str:
        """All of the id but the kind and, for an object of Kubernetes, its namespace."""
        rest = self.id.partition("/")[2]
        return rest if self.kind == "File" else rest.rpartition("/")[2]

    def as_json(self) -> dict[str, Json]:
        """For a machine."""
        return {"id": self.id, "change": self.action, "fields": [change.as_json() for change in self.fields]}


def rendered_objects(rendered: Rendered) -> dict[str, Json]:
    """Every rendered object by its id."""
    found: dict[str, Json] = {manifest.id: manifest.body for manifest in rendered.manifests}
    found |= {workload.id: dataclasses.asdict(workload) for workload in rendered.workloads}
    found |= {f"Volume/{name}": {} for name in rendered.volumes}
    if rendered.network is not None:
        found[f"Network/{rendered.network}"] = {}
    bound = {workload.tree_path(target) for workload in rendered.workloads for target in workload.files}
    return found | {f"File/{path}": _parsed(path, text) for path, text in rendered.files.items() if path not in bound}


def file_objects(files: Mapping[str, str]) -> dict[str, Json]:
    """The objects in files of a rendered tree by the same ids. Kustomizations follow from the others and are left out."""
    found: dict[str, Json] = {}
    for path, text in files.items():
        if path.rpartition("/")[2] == KUSTOMIZATION:
            continue
        value = _parsed(path, text)
        manifest = as_manifest(path, value)
        found[f"File/{path}" if manifest is None else manifest.id] = value
    return found


def as_manifest(path: str, value: Json) -> Manifest | None:
    """``value`` as a Kubernetes object, when it is one."""
    if not isinstance(value, dict) or not isinstance(value.get("metadata"), dict) or "name" not in value["metadata"]:
        return None
    return Manifest(path.rpartition("/")[0], value) if {"apiVersion", "kind"} <= value.keys() else None


def _parsed(path: str, text: str) -> Json:
    if path.endswith(".yaml"):
        return yaml_text.load(text, path)
    if path.endswith(".json"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def compare_objects(before: Mapping[str, Json], after: Mapping[str, Json]) -> list[ObjectChange]:
    """What is added, removed and changed, each sorted by id."""
    added = [ObjectChange(name, "added") for name in sorted(after.keys() - before.keys())]
    removed = [ObjectChange(name, "removed") for name in sorted(before.keys() - after.keys())]
    return [*added, *removed, *_changed(before, after)]


def _changed(before: Mapping[str, Json], after: Mapping[str, Json]) -> Iterable[ObjectChange]:
    for name in sorted(before.keys() & after.keys()):
        fields = tuple(compare(before[name], after[name])) if before[name] != after[name] else ()
        if fields:
            yield ObjectChange(name, "changed", fields)
