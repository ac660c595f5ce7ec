"""Which changed properties make the real providers replace a resource instead of updating it.

Kubernetes: the provider's own table, for the kinds that have one: names, selectors and the like, and, unless the provider is
configured otherwise, the data of every ConfigMap and Secret. Docker: everything forces a replacement except what the Docker
API can change on a running container, and what only steers the provider.
"""

from collections.abc import Callable, Mapping

from google.protobuf.struct_pb2 import Struct  # type: ignore[import-untyped]

from tests.doubles.property_diff import Path

Rule = Callable[[Path], bool]

ANY_OBJECT = ("apiVersion", "kind", "metadata.name", "metadata.namespace")
LABEL_SELECTED = ("spec.selector",)
FORCING_BY_KIND: Mapping[str, tuple[str, ...]] = {
    "ClusterRoleBinding": ("roleRef",),
    "DaemonSet": LABEL_SELECTED,
    "Deployment": LABEL_SELECTED,
    "Job": ("spec.completions", "spec.parallelism", "spec.selector", "spec.template"),
    "PersistentVolumeClaim": ("spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"),
    "ResourceQuota": ("spec.scopes",),
    "RoleBinding": ("roleRef",),
    "Service": ("spec.clusterIP",),
    "StatefulSet": (
        "spec.podManagementPolicy",
        "spec.revisionHistoryLimit",
        "spec.selector",
        "spec.serviceName",
        "spec.volumeClaimTemplates",
    ),
    "StorageClass": ("parameters", "provisioner"),
}
DATA_BY_KIND: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "ConfigMap": ("enableConfigMapMutable", ("data", "binaryData")),
    "Secret": ("enableSecretMutable", ("data", "stringData", "type")),
}

CONTAINER = "docker:index/container:Container"
NETWORK = "docker:index/network:Network"
VOLUME = "docker:index/volume:Volume"
REMOTE_IMAGE = "docker:index/remoteImage:RemoteImage"
REMOTE_IMAGE = "docker:index/remoteImage:RemoteImage"
UPDATABLE_BY_TYPE: Mapping[str, frozenset[str]] = {
    CONTAINER: frozenset(
        (
            "attach",
            "containerReadRefreshTimeoutMilliseconds",
            "cpuSet",
            "cpuShares",
            "destroyGraceSeconds",
            "logs",
            "maxRetryCount",
            "memory",
            "memorySwap",
            "mustRun",
            "removeVolumes",
            "restart",
            "rm",
            "start",
            "wait",
            "waitTimeout",
        )
    ),
    REMOTE_IMAGE: frozenset(("forceRemove", "keepLocally")),
}


def kubernetes_rule(inputs: Struct, configuration: Mapping[str, object]) -> Rule:
    """Whether a changed path forces the replacement of the object with these inputs."""
    kind = inputs.fields["kind"].string_value
    option, data = DATA_BY_KIND.get(kind, ("", ()))
    mutable = str(configuration.get(option)).lower() == "true" and not inputs.fields["immutable"].bool_value
    fixed_data = () if mutable else data
    forcing = [tuple(path.split(".")) for path in (*ANY_OBJECT, *FORCING_BY_KIND.get(kind, ()), *fixed_data)]
    return lambda path: any(_overlap(path, forced) for forced in forcing)


def docker_rule(resource_type: str) -> Rule:
    """Whether a changed path forces the replacement of a resource of this type."""
    updatable = UPDATABLE_BY_TYPE.get(resource_type, frozenset())
    return lambda path: path[0] not in updatable


def _overlap(path: Path, forced: tuple[str, ...]) -> bool:
    """Whether the change is at, below or above the forcing property."""
    shared = min(len(path), len(forced))
    return path[:shared] == forced[:shared]
