"""What the user writes about backups (requirement A13)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.backup import derive
from components.component_spec import ComponentSpec
from components.core.cron import Schedule
from components.core.errors import Problem
from components.core.model import SecretReference, SpecModel, TopicPattern, setting
from components.core.quantities import Duration
from components.core.resources import ResourcesSpec
from components.core.secrets import Use
from components.kafka.clients import listener_problems
from components.kafka.state import KafkaState
from components.postgres.spec import VolumeSpec
from components.tenancy.spec import QuotaSpec

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec

_HOUR_MS = 3_600_000
_LAST_PORT = 65_535


class BackedUpDataSpec(SpecModel):
    """Whose records are in a backup. The configuration of all topics always is."""

    pipelines: tuple[str, ...] = setting(
        (), help="Pipelines, all of whose topics are; * for every one.", becomes="records in a backup; Read ACLs"
    )
    topics: tuple[TopicPattern, ...] = setting(
        (), help="Further topics, or prefixes of names that end in *.", becomes="records in a backup; Read ACLs"
    )


class BackupScheduleSpec(SpecModel):
    """When backups are made, as cron writes it, in UTC."""

    daily: Schedule | None = setting("0 2 * * *", help="The daily one, in UTC.", becomes="CronJob backup-daily")
    weekly: Schedule | None = setting("0 4 * * 0", help="The weekly one, in UTC.", becomes="CronJob backup-weekly")


class BackupAgeSpec(SpecModel):
    """How old the newest of each kind may be: a day or a week and as long as a run may take, where schedules are the usual."""

    daily: Duration = setting(30 * _HOUR_MS, help="The newest daily one.", becomes="alert BackupTooOld", gt=0)
    weekly: Duration = setting(174 * _HOUR_MS, help="The newest weekly one.", becomes="alert BackupTooOld", gt=0)


class BackupKeepSpec(SpecModel):
    """How many are kept of each kind; older ones are deleted after a newer one is whole."""

    daily: int = setting(7, help="Daily ones.", becomes="what cdc backup create deletes", ge=1, le=1000)
    weekly: int = setting(5, help="Weekly ones.", becomes="what cdc backup create deletes", ge=1, le=1000)


class BackupBucketSpec(SpecModel):
    """A bucket of a store that speaks S3 and knows conditional writes, as AWS and MinIO do."""

    bucket: str = setting(
        help="The bucket, which is there already.",
        becomes="where cdc backup writes",
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
    )
    prefix: str = setting(
        "",
        help="What names in it begin with; the environment's name follows.",
        becomes="names of objects",
        pattern=r"^([A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*)?$",
    )
    region: str = setting("us-east-1", help="Region of the bucket.", becomes="where requests are signed for", min_length=1)
    endpoint: str | None = setting(
        None,
        help="Address of a store that is not AWS's: https://<host>, with :<port> when it has its own.",
        becomes="where requests go; egress of the CronJobs",
        pattern=r"^https?://[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[1-9][0-9]{0,4})?$",
    )
    credentials: SecretReference | None = setting(
        None,
        help="Reference to the access key, as AWS's programs read it ([default], aws_access_key_id=…, "
        "aws_secret_access_key=…); the machine's own identity when left out.",
        becomes="file s3.credentials in its folder of secrets; --s3-credentials-file",
    )
    ca: SecretReference | None = setting(
        None,
        help="Reference to what signed the store's certificate, PEM; those that everybody trusts when left out.",
        becomes="file s3-ca.pem in its folder of secrets; --s3-ca-file",
    )

    @property
    def port(self) -> int:
        scheme, _, rest = (self.endpoint or "https://aws").partition("://")
        _, _, port = rest.partition(":")
        return int(port) if port else 80 if scheme == "http" else 443


class BackupSpec(ComponentSpec):
    """Backups. On docker cron runs ``cdc backup create``; on Kubernetes a CronJob does."""

    data: BackedUpDataSpec = setting(BackedUpDataSpec, help="Whose records are in it.", becomes="what cdc backup create reads")
    directory: str = setting(
        "/var/backups/cdc",
        help="The folder of all backups; on Kubernetes the volume is mounted there.",
        becomes="the folder; volumeMounts",
        pattern=r"^/[A-Za-z0-9._/-]+$",
    )
    s3: BackupBucketSpec | None = setting(
        None, help="A bucket in place of a folder.", becomes="where cdc backup reads and writes; no volume"
    )
    key: SecretReference | None = setting(
        None,
        help="Reference to the key that backups are encrypted with: 64 hexadecimal digits (openssl rand -hex 32). "
        "Keep it elsewhere too: without it no backup can be read.",
        becomes="file backup.key in its folder of secrets; --key-file",
    )
    schedule: BackupScheduleSpec = setting(BackupScheduleSpec, help="When they are made.", becomes="CronJob.spec.schedule")
    keep: BackupKeepSpec = setting(BackupKeepSpec, help="How many are kept.", becomes="what cdc backup create deletes")
    too_old: BackupAgeSpec = setting(
        BackupAgeSpec,
        help="From when on somebody is told that there is no newer one.",
        becomes="alert BackupTooOld",
    )
    image: str | None = setting(
        None,
        help="Image with cdc, pinned by tag or digest; needed on Kubernetes.",
        becomes="image of the CronJobs",
        min_length=1,
    )
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(cpu=1, memory="2Gi"), help="CPU and memory of a run.", becomes="bounds of the CronJobs"
    )
    at_most: Duration = setting(6 * _HOUR_MS, help="How long a run may take.", becomes="activeDeadlineSeconds of the CronJobs")
    storage: VolumeSpec | None = setting(
        None, help="On Kubernetes: a volume of our own for backups.", becomes="PersistentVolumeClaim backup"
    )
    claim: str | None = setting(
        None,
        help="On Kubernetes: a claim that is there already, such as one of another site's storage.",
        becomes="volumes of the CronJobs",
        min_length=1,
    )
    quota: QuotaSpec = setting(
        lambda: QuotaSpec(produce="1MB/s", consume="100MB/s", request="200%", controller_mutations="1/s"),
        help="Quota of the user that reads.",
        becomes="KafkaUser backup",
    )

    def kafka_state(self, environment: "EnvironmentSpec") -> KafkaState:
        """The user that reads, where one has to be anybody."""
        return KafkaState((), (derive.user(environment, self),))

    def problems(self) -> list[Problem]:
        if self.storage is not None and self.claim is not None:
            return [Problem("claim", "storage is a claim of our own", "keep one of the two")]
        if self.s3 is not None and (self.storage is not None or self.claim is not None):
            return [Problem("s3", "backups go to a volume already", "keep s3, or storage, or claim")]
        if self.s3 is not None and not (0 < self.s3.port <= _LAST_PORT):
            return [Problem("s3.endpoint", f"{self.s3.port} is no port", f"write at most {_LAST_PORT}")]
        return []

    def secret_uses(self, environment: "EnvironmentSpec") -> Iterator[Use]:
        from components.backup.uses import secret_uses

        return secret_uses(environment, self)

    def misfits(self, environment: "EnvironmentSpec") -> Iterator[Problem]:
        known = [pipeline.name for pipeline in environment.pipelines]
        for index, name in enumerate(self.data.pipelines):
            if name != "*" and name not in known:
                remedy = f"use one of: {', '.join(known) or 'none declared'}"
                yield Problem(f"backup.data.pipelines[{index}]", f"there is no pipeline {name}", remedy)
        names = [topic.name for topic in derive.known_topics(environment)]
        for index, pattern in enumerate(self.data.topics):
            if not any(derive.matches(pattern, name) for name in names):
                yield Problem(f"backup.data.topics[{index}]", f"no topic is called {pattern}", "name one that is declared")
        if environment.target == "kubernetes":
            yield from (problem for problem in listener_problems(environment.kafka))
            if self.image is None:
                yield Problem("backup.image", "the CronJobs need an image with cdc", "build one, and name it here")
            if self.storage is None and self.claim is None and self.s3 is None:
                remedy = "write a size, or name a claim or a bucket (s3)"
                yield Problem("backup.storage", "there is nowhere to keep backups", remedy)
            if self.s3 is not None and self.s3.credentials is None:
                remedy = "write a reference to an access key"
                yield Problem("backup.s3.credentials", "the CronJobs' pods have no identity of their own", remedy)
        elif self.storage is not None or self.claim is not None:
            yield Problem("backup", "on docker backups go to backup.directory of the host", "leave storage and claim out")
