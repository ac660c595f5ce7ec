"""Which secrets a run reads. Pure."""

from collections.abc import Iterator

from components.backup.access import connect_access
from components.backup.names import COMPONENT, KEY, S3_CA, S3_CREDENTIALS, USER
from components.backup.spec import BackupSpec
from components.core.secrets import SecretFile, Use, referenced
from components.environment import EnvironmentSpec
from components.kafka.clients import kafka_client
from components.schema_registry.access import registry_access


def secret_uses(environment: EnvironmentSpec, backup: BackupSpec) -> Iterator[Use]:
    """Its CronJobs; on docker nothing runs."""
    if environment.target == "kubernetes":
        yield Use(COMPONENT, secrets(environment, backup))


def secrets(spec: EnvironmentSpec, backup: BackupSpec) -> tuple[SecretFile, ...]:
    """The files that a run reads."""
    key = () if backup.key is None else (referenced(backup.key, KEY, "backup-key"),)
    others = [
        file for way in (registry_access(spec, COMPONENT), connect_access(spec)) if way is not None for file in way.secrets
    ]
    return tuple(dict.fromkeys([*kafka_client(spec.kafka, spec.context, USER).secrets, *key, *others, *of_bucket(backup)]))


def of_bucket(backup: BackupSpec) -> Iterator[SecretFile]:
    """How a bucket is entered."""
    named = {} if backup.s3 is None else {S3_CREDENTIALS: backup.s3.credentials, S3_CA: backup.s3.ca}
    for file, reference in named.items():
        if reference is not None:
            yield referenced(reference, file, f"backup-{file.replace('.', '-')}")
