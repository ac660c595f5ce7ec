"""The few facts about a rendered object that a reviewer looks for first: ``3 brokers · 500Gi · 8Gi``. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from components.core.quantities import format_bytes, format_cpu, format_duration
from components.core.rendered import Manifest, Workload
from operations.terminal import count

Body = Mapping[str, Any]


def manifest_facts(manifest: Manifest) -> list[str]:
    """Facts about one Kubernetes object; none for a kind that needs no words."""
    describe = _BY_KIND.get(manifest.kind, _other)
    return [fact for fact in describe(manifest.body) if fact]


def shown_name(manifest: Manifest) -> str:
    """The name that people know it by: a topic's own name, where Kubernetes needs another."""
    spec = manifest.body.get("spec") or {}
    return str(spec.get("topicName", manifest.name)) if manifest.kind == "KafkaTopic" else manifest.name


def workload_facts(workload: Workload) -> list[str]:
    """Facts about one container."""
    ports = ", ".join(f"{host}→{inside}" for host, inside in workload.ports)
    facts = [
        workload.image,
        f"{format_cpu(workload.cpu_millicores)} CPU" if workload.cpu_millicores else "",
        format_bytes(workload.memory_bytes) if workload.memory_bytes else "",
        f"ports {ports}" if ports else "",
    ]
    return [fact for fact in facts if fact]


def _kafka(body: Body) -> Iterator[str]:
    kafka = body["spec"]["kafka"]
    config = kafka.get("config", {})
    yield f"{kafka['version']}"
    yield f"RF {config['default.replication.factor']}" if "default.replication.factor" in config else ""
    yield f"min ISR {config['min.insync.replicas']}" if "min.insync.replicas" in config else ""
    yield ", ".join(
        f"{listener['name']}:{listener['port']} {listener.get('authentication', {}).get('type', 'unauthenticated')}"
        + ("" if listener["tls"] else " plaintext")
        for listener in kafka["listeners"]
    )
    yield "tiered" if "tieredStorage" in kafka else ""
    yield "" if "authorization" in kafka else "no authorization"
    yield "Cruise Control" if "cruiseControl" in body["spec"] else ""


def _node_pool(body: Body) -> Iterator[str]:
    spec = body["spec"]
    roles = " and ".join(spec["roles"]) + ("s" if spec["replicas"] != 1 else "")
    yield f"{spec['replicas']} {roles}"
    volumes = spec["storage"].get("volumes", [spec["storage"]])
    sizes = [str(volume.get("size") or volume.get("sizeLimit") or "") for volume in volumes]
    yield (f"{len(sizes)} × " if len(sizes) > 1 else "") + sizes[0]
    yield "ephemeral" if any(volume["type"] == "ephemeral" for volume in volumes) else ""
    requests = spec.get("resources", {}).get("requests", {})
    yield f"{requests['cpu']} CPU" if "cpu" in requests else ""
    yield f"{requests['memory']}" if "memory" in requests else ""


def _topic(body: Body) -> Iterator[str]:
    spec = body["spec"]
    return topic_facts(spec["partitions"], spec["replicas"], spec.get("config", {}))


def topic_facts(partitions: int, replicas: int, config: Mapping[str, Any]) -> Iterator[str]:
    """Facts about one topic; ``config`` holds Kafka's own keys."""
    yield count(partitions, "partition")
    yield f"RF {replicas}"
    yield f"min ISR {config['min.insync.replicas']}" if "min.insync.replicas" in config else ""
    cleanup = config.get("cleanup.policy", "delete")
    yield "" if cleanup == "delete" else str(cleanup)
    yield format_duration(int(config["retention.ms"])) if "retention.ms" in config and cleanup != "compact" else ""
    yield "tiered" if config.get("remote.storage.enable") else ""


def _user(body: Body) -> Iterator[str]:
    spec, quotas = body["spec"], body["spec"].get("quotas", {})
    acls = len(spec.get("authorization", {}).get("acls", []))
    return user_facts(str(spec["authentication"]["type"]), acls, quotas.get("producerByteRate"), quotas.get("consumerByteRate"))


def user_facts(authentication: str, acls: int, produce: int | None, consume: int | None) -> Iterator[str]:
    """Facts about one user: bytes per second in and out on each broker."""
    yield authentication
    yield count(acls, "ACL") if acls else "no ACLs"
    yield f"{format_bytes(produce)}/s in" if produce is not None else ""
    yield f"{format_bytes(consume)}/s out" if consume is not None else ""
    yield "no quota of its own" if produce is None and consume is None else ""


def _network_policy(body: Body) -> Iterator[str]:
    yield " and ".join(body["spec"].get("policyTypes", [])).lower()


def _priority_class(body: Body) -> Iterator[str]:
    yield f"{body['value']:,}"


def _other(body: Body) -> Iterator[str]:
    """What many kinds have in common: replicas, images, ports."""
    spec = body.get("spec") or {}
    if not isinstance(spec, Mapping):
        return
    yield count(spec["replicas"], "replica") if isinstance(spec.get("replicas"), int) else ""
    containers = ((spec.get("template") or {}).get("spec") or {}).get("containers", [])
    yield ", ".join(str(container.get("image", "")) for container in containers)
    ports = spec.get("ports", [])
    yield "ports " + ", ".join(str(port.get("port", "")) for port in ports) if ports else ""


_BY_KIND: Mapping[str, Callable[[Body], Iterator[str]]] = {
    "Kafka": _kafka,
    "KafkaNodePool": _node_pool,
    "KafkaTopic": _topic,
    "KafkaUser": _user,
    "NetworkPolicy": _network_policy,
    "PriorityClass": _priority_class,
}
