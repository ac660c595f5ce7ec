"""CronJobs that make backups on Kubernetes. On docker nothing runs: cron of the machine calls ``cdc backup create``. Pure."""

from typing import Any

from components.backup import plan
from components.backup.access import REST_PORT, connect_access
from components.backup.names import COMPONENT, KEY, PODS, S3_CA, USER
from components.backup.spec import BackupSpec
from components.backup.uses import of_bucket, secrets
from components.connect.names import cluster_name
from components.core.kubernetes import (
    Body,
    config_map,
    container_security,
    manifest,
    network_policy,
    opening,
    pod_security,
    resources,
)
from components.core.quantities import kubernetes_bytes
from components.core.rendered import Manifest, Rendered
from components.core.secrets import projected
from components.environment import EnvironmentSpec
from components.kafka.clients import CLUSTER_CA, KafkaClient, kafka_client, password_file
from components.kafka.network_policies import CLIENT_LABEL
from components.postgres.spec import VolumeSpec
from components.schema_registry import derive as registry
from components.schema_registry.access import RegistryAccess, registry_access

PLAN, SECRETS, TEMPORARY = "/etc/cdc", "/run/secrets/backup", "/tmp"  # noqa: S108 - the container's own
UID = 10001
_KEPT_JOBS = 3


def render(spec: EnvironmentSpec) -> Rendered:
    """Nothing where no backup is declared, and on docker."""
    backup = spec.backup
    if backup is None or spec.target == "docker":
        return Rendered()
    kafka = kafka_client(spec.kafka, spec.context, USER)
    access = registry_access(spec, COMPONENT)
    known = _plan(spec, backup, kafka)
    found = list(known)
    if backup.storage is not None:
        found.append(_claim(spec, backup.storage))
    for kind, schedule in (("daily", backup.schedule.daily), ("weekly", backup.schedule.weekly)):
        if schedule is not None:
            command = _command(spec, backup, kind, kafka, access)
            found.append(_cron_job(spec, backup, kind, schedule, command, known))
    return Rendered(manifests=(*found, *_openings(spec, backup)))


def _settings(kafka: KafkaClient) -> str:
    """How a run reaches Kafka, as librdkafka reads it."""
    settings = {"bootstrap.servers": kafka.bootstrap, "security.protocol": kafka.protocol}
    if kafka.tls:
        settings["ssl.ca.location"] = f"{SECRETS}/{CLUSTER_CA}"
    if kafka.with_password:
        settings |= {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": kafka.user}
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _plan(spec: EnvironmentSpec, backup: BackupSpec, kafka: KafkaClient) -> list[Manifest]:
    """What a run knows of the environment, in objects that each are small enough."""
    files = plan.written(plan.plan_of(spec, backup))
    first = {plan.NAME: files.pop(plan.NAME), "kafka.properties": _settings(kafka)}
    lists = [
        config_map(COMPONENT, f"{COMPONENT}-{name.removesuffix('.txt')}", spec.context, {name: text})
        for name, text in files.items()
    ]
    return [config_map(COMPONENT, COMPONENT, spec.context, first), *lists]


def _command(
    spec: EnvironmentSpec, backup: BackupSpec, kind: str, kafka: KafkaClient, access: RegistryAccess | None
) -> list[str]:
    words = ["cdc", "backup", "create", spec.name, "--plan", PLAN, "--kind", kind]
    words += ["--kafka-config", f"{PLAN}/kafka.properties"]
    if kafka.with_password:
        words += ["--kafka-password-file", f"{SECRETS}/{password_file(USER)}"]
    if backup.key is not None:
        words += ["--key-file", f"{SECRETS}/{KEY}"]
    for file in of_bucket(backup):
        words += ["--s3-ca-file" if file.name == S3_CA else "--s3-credentials-file", f"{SECRETS}/{file.name}"]
    if access is not None:
        words += ["--registry", access.url]
        words += [] if access.ca is None else ["--registry-ca-file", f"{SECRETS}/{access.ca.name}"]
        if access.user is not None and access.password is not None:
            words += ["--registry-user", access.user, "--registry-password-file", f"{SECRETS}/{access.password.name}"]
    through = connect_access(spec)
    if through is not None:
        words += ["--connect", through.url]
        words += [] if through.ca is None else ["--connect-ca-file", f"{SECRETS}/{through.ca.name}"]
        if through.user is not None and through.password is not None:
            words += ["--connect-user", through.user, "--connect-password-file", f"{SECRETS}/{through.password.name}"]
    return words


def _cron_job(
    spec: EnvironmentSpec, backup: BackupSpec, kind: str, schedule: str, command: list[str], known: list[Manifest]
) -> Manifest:
    """One at a time; what was missed is made up within the hour. A run that fails is not tried again by itself: the next run
    takes away what it has left. ``known`` are the objects with its plan."""
    files = secrets(spec, backup)
    mounts: list[Body] = [
        {"name": "plan", "mountPath": PLAN, "readOnly": True},
        {"name": "temporary", "mountPath": TEMPORARY},
    ]
    volumes: list[Body] = [
        {"name": "plan", "projected": {"sources": [{"configMap": {"name": each.name}} for each in known]}},
        {"name": "temporary", "emptyDir": {"sizeLimit": "64Mi"}},
    ]
    if backup.s3 is None:
        mounts.append({"name": "backups", "mountPath": backup.directory})
        volumes.append({"name": "backups", "persistentVolumeClaim": {"claimName": backup.claim or COMPONENT}})
    if files:
        mounts.append({"name": "secrets", "mountPath": SECRETS, "readOnly": True})
        volumes.append({"name": "secrets", **projected(files)})
    container: dict[str, Any] = {
        "name": COMPONENT,
        "image": backup.image,
        "command": command,
        "env": [{"name": "HOME", "value": TEMPORARY}],
        "volumeMounts": mounts,
        "resources": resources(backup.resources),
        "securityContext": container_security(),
    }
    pod: Body = {
        "automountServiceAccountToken": False,
        "containers": [container],
        "enableServiceLinks": False,
        "priorityClassName": spec.context.priority_class("service"),
        "restartPolicy": "Never",
        "securityContext": pod_security(UID, UID),
        "volumes": volumes,
    }
    labels = spec.context.labels(COMPONENT, {**PODS, **CLIENT_LABEL})
    job = {
        "activeDeadlineSeconds": backup.at_most // 1000,
        "backoffLimit": 0,
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    body = {
        "schedule": schedule,
        "timeZone": "Etc/UTC",
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 3600,
        "successfulJobsHistoryLimit": _KEPT_JOBS,
        "failedJobsHistoryLimit": _KEPT_JOBS,
        "jobTemplate": {"spec": job},
    }
    return manifest(COMPONENT, spec.context, "batch/v1", "CronJob", f"{COMPONENT}-{kind}", labels=PODS, spec=body)


def _claim(spec: EnvironmentSpec, storage: VolumeSpec) -> Manifest:
    body: Body = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": kubernetes_bytes(storage.size)}},
    }
    if storage.storage_class is not None:
        body["storageClassName"] = storage.storage_class
    return manifest(COMPONENT, spec.context, "v1", "PersistentVolumeClaim", COMPONENT, stateful=True, spec=body)


def _openings(spec: EnvironmentSpec, backup: BackupSpec) -> list[Manifest]:
    """To the bucket's store, which is no pod; to the registry and to Connect's workers, where no HAProxy is before them. All
    else is opened by the client label."""
    out = [] if backup.s3 is None else [opening("to", [], backup.s3.port)]
    found: list[Manifest] = []
    if spec.schema_registry is not None and spec.haproxy is None:
        out.append(opening("to", [{"app.kubernetes.io/name": registry.NAME}], registry.PORT))
    if spec.connect is not None and spec.haproxy is None:
        workers = {
            "strimzi.io/cluster": cluster_name(spec.kafka, spec.connect.active),
            "strimzi.io/kind": "KafkaConnect",
        }
        out.append(opening("to", [workers], REST_PORT))
        ingress = [opening("from", [PODS], REST_PORT)]
        found.append(network_policy(COMPONENT, f"{COMPONENT}-connect", workers, spec.context, ingress=ingress))
    if out:
        found.append(network_policy(COMPONENT, COMPONENT, PODS, spec.context, egress=out))
    return found
