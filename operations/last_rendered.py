"""Reads back the tree that ``cdc render`` wrote last."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.core import yaml_text
from components.core.errors import CdcError
from components.core.rendered import Rendered
from operations.objects import as_manifest
from operations.survey import survey


@dataclass(frozen=True, slots=True)
class LastRendered:
    """``files`` are the platform's own, as they are now; ``edited`` those changed by hand; ``missing`` those deleted."""

    files: Mapping[str, str]
    edited: tuple[str, ...]
    missing: tuple[str, ...]


def last_rendered(folder: Path, stack: str) -> LastRendered | None:
    """The tree in ``folder``; ``None`` where nothing has been rendered. An error where it is another stack's."""
    seen = survey(folder)
    if not seen.ledger.stack:
        return None
    if seen.ledger.stack != stack:
        raise CdcError(f"{folder}: holds the rendered tree of stack {seen.ledger.stack}\n      → name that stack")
    files = {path: content.decode(errors="replace") for path, content in sorted(seen.own.items())}
    missing = sorted(seen.ledger.files.keys() - seen.own.keys())
    return LastRendered(files, tuple(sorted(seen.edited)), tuple(missing))


def manifests_of(files: Mapping[str, str]) -> Rendered:
    """The Kubernetes objects in a tree's files, as they were rendered."""
    values = ((path, yaml_text.load(text, path)) for path, text in files.items() if path.endswith(".yaml"))
    found = (as_manifest(path, value) for path, value in values)
    return Rendered(manifests=tuple(manifest for manifest in found if manifest is not None))
