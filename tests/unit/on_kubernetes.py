"""One small environment on Kubernetes, changed in one place, and what is rendered of it."""

from typing import Any

from components.core.rendered import Manifest, Rendered
from components.platform import render
from tests.strategies.examples import build, shop


def rendered(changes: dict[str, Any] | None = None) -> Rendered:
    return render(build(shop(changes)))


def manifest(changes: dict[str, Any], identity: str) -> Manifest:
    """By kind and name: ``KafkaTopic/orders``."""
    found = [one for one in rendered(changes).manifests if f"{one.kind}/{one.name}" == identity]
    assert len(found) == 1, identity
    return found[0]


def spec(changes: dict[str, Any], identity: str) -> Any:
    return manifest(changes, identity).body["spec"]


def kafka(changes: dict[str, Any]) -> Any:
    return spec(changes, "Kafka/cdc")["kafka"]
