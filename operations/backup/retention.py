"""Which backups are kept: the newest of each kind, as many as are wanted. Pure but for the deleting."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from operations.backup.manifest import Kind, Manifest
from operations.backup.store import Store


def outlived(manifests: Iterable[Manifest], keep: Mapping[Kind, int]) -> list[str]:
    """Ids that may go. Those made by hand have no number in ``keep``, and stay until somebody deletes them."""
    by_kind: defaultdict[Kind, list[str]] = defaultdict(list)
    for manifest in manifests:
        by_kind[manifest.kind].append(manifest.id)
    return sorted(name for kind, names in by_kind.items() if kind in keep for name in sorted(names)[: -keep[kind] or None])


def prune(store: Store, manifests: Iterable[Manifest], keep: Mapping[Kind, int]) -> list[str]:
    """Delete what is outlived; the caller holds the store's lock, and a newer one is whole."""
    gone = outlived(manifests, keep)
    for name in gone:
        store.drop(name)
    return gone
