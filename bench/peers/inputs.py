"""What the peers read: the same topics and users as plain short entries, with all that they have in common left out. Pure."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from components.core.rendered import Manifest

Objects = dict[tuple[str, str], Any]


def topics_and_users(manifests: Iterable[Manifest]) -> list[Manifest]:
    """What the peers render too. The nine objects of the cluster itself are ours alone."""
    return [manifest for manifest in manifests if manifest.kind in {"KafkaTopic", "KafkaUser"}]


def entries(manifests: Iterable[Manifest]) -> dict[str, list[dict[str, Any]]]:
    """``{"topics": […], "users": […]}``: per object only what tells it from the others."""
    found: dict[str, list[dict[str, Any]]] = {"topics": [], "users": []}
    for manifest in manifests:
        if manifest.kind == "KafkaTopic":
            found["topics"].append(_topic(manifest.body))
        else:
            found["users"].append(_user(manifest.body))
    return found


def _common(body: Mapping[str, Any]) -> dict[str, Any]:
    metadata = body["metadata"]
    return {
        "name": metadata["name"],
        "tenant": metadata["labels"]["cdc.platform/tenant"],
        "owner": metadata["annotations"]["cdc.platform/owner"],
    }


def _topic(body: Mapping[str, Any]) -> dict[str, Any]:
    spec = body["spec"]
    own = {"retentionMs": spec["config"]["retention.ms"], "flushMs": spec["config"]["flush.ms"]}
    return {**_common(body), "topic": spec["topicName"], "partitions": spec["partitions"], **own}


def _user(body: Mapping[str, Any]) -> dict[str, Any]:
    acls = [
        {**{key: acl["resource"][key] for key in ("type", "name", "patternType")}, "operations": acl["operations"]}
        for acl in body["spec"]["authorization"]["acls"]
    ]
    return {**_common(body), "acls": acls, "quotas": body["spec"]["quotas"]}


def as_yaml(entries: Mapping[str, list[dict[str, Any]]]) -> str:
    """One entry a line, each in flow style: JSON, which is YAML too."""
    lines = []
    for key, items in entries.items():
        lines += [f"{key}:", *(f"  - {json.dumps(item)}" for item in items)]
    return "\n".join(lines) + "\n"


def by_identity(bodies: Iterable[Any]) -> Objects:
    """Objects by kind and name, for comparison."""
    return {(body["kind"], body["metadata"]["name"]): body for body in bodies if body}
