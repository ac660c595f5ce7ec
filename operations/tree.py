"""The rendered tree: one file per object, laid out so that ``kubectl apply -k``, Argo CD or Flux can point at it. Pure.

Names of files cannot collide, because ``_`` occurs in no Kubernetes name and in no kind: ``<kind>_<name>.yaml``,
``<kind>_<namespace>_<name>.yaml`` outside the environment's own namespace, and ``<name>.yaml`` in a folder that holds one kind.
(kustomize itself joins kind and name by ``_`` in ``kustomize build -o``.)
"""

from collections import defaultdict
from collections.abc import Iterator

from components.core import yaml_text
from components.core.compose import compose
from components.core.context import Context
from components.core.errors import RenderError
from components.core.rendered import Manifest, Rendered

KUSTOMIZATION = "kustomization.yaml"
COMPOSE = "compose.yaml"
FOLDERS_OF_ONE_KIND = {"kafka/topics": "KafkaTopic", "kafka/users": "KafkaUser"}
"""Folders with thousands of files of one kind, where repeating it in each name would only hide the name."""


def tree(rendered: Rendered, context: Context) -> dict[str, str]:
    """Every file by its path, sorted: objects and kustomizations on Kubernetes, files and ``compose.yaml`` on docker."""
    first_line = header(context)
    files = dict(rendered.files)
    for manifest in rendered.manifests:
        _add(files, path_of(manifest, context), first_line + yaml_text.dump(manifest.body))
    if context.target == "docker":
        _add(files, COMPOSE, first_line + compose(rendered, context))
    else:
        paths = [path_of(manifest, context) for manifest in rendered.manifests]
        for path, text in kustomizations(paths):
            _add(files, path, first_line + text)
    return dict(sorted(files.items()))


def stream(rendered: Rendered, context: Context) -> Iterator[str]:
    """The same objects as one YAML stream, one document after the other."""
    if context.target == "docker":
        yield header(context) + compose(rendered, context)
        return
    yield header(context)
    for manifest in rendered.manifests:
        yield "---\n" + yaml_text.dump(manifest.body)


def header(context: Context) -> str:
    """The comment that begins every rendered YAML file."""
    return f"# rendered by cdc-platform from Pulumi.{context.environment}.yaml; do not edit\n"


def path_of(manifest: Manifest, context: Context) -> str:
    """Where an object's file is in the tree; the same for the same object, whatever else there is."""
    kind, name, namespace = manifest.kind, manifest.name, manifest.namespace
    at_home = namespace is None or namespace == context.namespace
    if FOLDERS_OF_ONE_KIND.get(manifest.component) == kind and at_home and f"{name}.yaml" != KUSTOMIZATION:
        return f"{manifest.component}/{name}.yaml"
    return f"{manifest.component}/{kind.lower()}_{'' if at_home else f'{namespace}_'}{name}.yaml"


def kustomizations(paths: list[str]) -> Iterator[tuple[str, str]]:
    """A kustomization for the root and each folder, listing its files and subfolders, sorted."""
    entries: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        folder, _, entry = path.rpartition("/")
        entries[folder].add(entry)
        while folder:
            folder, _, entry = folder.rpartition("/")
            entries[folder].add(entry)
    for folder, names in sorted(entries.items()):
        body = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": sorted(names)}
        yield f"{folder}/{KUSTOMIZATION}" if folder else KUSTOMIZATION, yaml_text.dump(body)


def _add(files: dict[str, str], path: str, text: str) -> None:
    if path in files:
        raise RenderError(f"two parts of the platform render {path}\n      → this is a bug in cdc-platform; please report it")
    files[path] = text
