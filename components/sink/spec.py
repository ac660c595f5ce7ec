"""What the user writes about the sink workers (requirements A1, A12, B4, B12)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from components.component_spec import ComponentSpec
from components.core import tls
from components.core.errors import Problem
from components.core.model import DnsLabel, SecretReference, SpecModel, setting
from components.core.quantities import ByteSize
from components.core.resources import AutoscalingSpec, ResourcesSpec
from components.core.secrets import Use
from components.kafka.clients import listener_problems
from components.kafka.state import KafkaState
from components.postgres.derive import destination
from components.sink.companion_spec import SESSIONS, DeadLettersSpec, SinkAdminSpec
from components.sink.derive import kafka_state, pipelines

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec

BUILT_IMAGE = "cdc-platform/sink-worker:local"
_MIB = 1 << 20


class SinkSettingsSpec(SpecModel):
    """What of a worker's own settings is worth changing; the others keep the worker's defaults."""

    batch_rows: int = setting(50_000, help="Most events of a batch.", becomes="batch.max_rows", ge=500, le=1_000_000)
    batch_bytes: ByteSize = setting(32 * _MIB, help="Most bytes of a batch.", becomes="batch.max_bytes")
    on_mismatch: Literal["halt", "reject", "coerce"] = setting(
        "halt",
        help="Columns that do not take the values without loss: stop the topic, refuse its rows, or round.",
        becomes="tables.on_mismatch",
    )
    create_tables: bool = setting(True, help="Whether missing tables are created.", becomes="tables.create")
    evolve_tables: bool = setting(True, help="Whether new nullable columns are added.", becomes="tables.evolve")
    geometry: Literal["bytea", "postgis"] = setting("bytea", help="What geometry becomes.", becomes="decode.geometry")


class LagSpec(SpecModel):
    """Workers by how far a pipeline's group is behind, with KEDA; ``lag: 50000`` is short for ``{threshold: 50000}``."""

    shorthand: ClassVar[str | None] = "threshold"
    threshold: int = setting(
        100_000,
        help="Events, of all of the pipeline's topics, that one worker may be behind: a worker is added for each such number.",
        becomes="ScaledObject.spec.triggers[].metadata.lagThreshold",
        ge=1,
        le=2**53,
    )
    keda_namespace: DnsLabel = setting(
        "keda", help="Namespace that KEDA runs in.", becomes="a network policy that lets KEDA ask the brokers"
    )


class SinkAutoscalingSpec(AutoscalingSpec):
    """Workers of each pipeline by load: by CPU, and by lag on request. Never more than have a partition to read."""

    lag: LagSpec | None = setting(
        None,
        help="Scale by lag as well, which needs KEDA in the cluster; by CPU alone when left out.",
        becomes="ScaledObject and TriggerAuthentication, in place of the HorizontalPodAutoscaler",
    )


class SinkWorkersSpec(ComponentSpec):
    """The platform's sink workers. Each pipeline whose ``sink.via`` is ``sink-worker`` has its own."""

    image: str | None = setting(
        None, help="The worker's image, built from sink_worker/ and pinned.", becomes="container image", min_length=1
    )
    build: str | None = setting(
        None,
        help="In place of image, on docker: the folder of the project that it is built from, where it runs.",
        becomes="build of the container's image",
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$",
    )
    replicas: int = setting(2, help="Workers of each pipeline.", becomes="Deployment.spec.replicas; containers", ge=1, le=100)
    processes: int = setting(1, help="Processes of each worker.", becomes="processes", ge=1, le=64)
    writers: int = setting(1, help="Connections that write in each process.", becomes="writers", ge=1, le=8)
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(cpu="1", memory="512Mi"),
        help="CPU and memory of each worker; a process needs up to 300 MiB.",
        becomes="container resources",
    )
    autoscaling: SinkAutoscalingSpec | None = setting(
        None,
        help="Workers of each pipeline by CPU, and by lag on request (Kubernetes only).",
        becomes="HorizontalPodAutoscaler, or ScaledObject",
    )
    postgres_tls: Literal["verify-full", "verify-ca", "require", "disable"] = setting(
        "verify-full", help="How PostgreSQL's certificate is checked.", becomes="postgres.sslmode"
    )
    postgres_ca: SecretReference = tls.authority(
        "postgres-ca",
        help="Reference to what signs PostgreSQL's certificate, PEM.",
        becomes="file postgres-ca.pem in the workers' folders of secrets",
    )
    masking_key: SecretReference = setting(
        "secret:masking#key",
        help="Reference to the secret of all masks of personal data, 32 bytes at the least. With another one hashes and "
        "tokens are others, and refused events of those tables cannot be replayed.",
        becomes="masking.key_file, where a pipeline masks columns",
    )
    settings: SinkSettingsSpec = setting(SinkSettingsSpec, help="The workers' own settings.", becomes="settings.json")
    admin: SinkAdminSpec | None = setting(
        None,
        help="The admin API beside each pipeline's workers; none when left out.",
        becomes="Deployment and container sink-<pipeline>-admin",
    )
    dead_letters: DeadLettersSpec | None = setting(
        None,
        help="The DLQ processor beside each pipeline's workers; refused events only wait when it is left out.",
        becomes="Deployment and container sink-<pipeline>-dlq",
    )

    @property
    def more_connections(self) -> int:
        """The most that the programs beside a pipeline's workers open to PostgreSQL."""
        return (0 if self.admin is None else SESSIONS + 1) + (0 if self.dead_letters is None else 1)

    @property
    def used_image(self) -> str:
        """The image's name; one that is built is never fetched under it."""
        return self.image or BUILT_IMAGE

    def problems(self) -> list[Problem]:
        if (self.image is None) == (self.build is None):
            found = "no image is named" if self.image is None else "one image is named, and another is built"
            return [Problem("image", found, "write image or, on docker, build: sink_worker")]
        return []

    def kafka_state(self, environment: "EnvironmentSpec") -> KafkaState:
        return kafka_state(environment)

    def secret_uses(self, environment: "EnvironmentSpec") -> Iterator[Use]:
        from components.sink.uses import secret_uses

        return secret_uses(environment, self)

    def misfits(self, environment: "EnvironmentSpec") -> Iterator[Problem]:
        yield from listener_problems(environment.kafka)
        if self.autoscaling is not None and environment.target == "docker":
            yield Problem("sink.autoscaling", "docker scales nothing", "leave it out, and set replicas")
        if self.build is not None and environment.target == "kubernetes":
            yield Problem("sink.build", "a cluster does not see this machine's images", "push one, and name it in sink.image")
        if self.admin is not None and self.admin.host_port is not None and environment.target == "kubernetes":
            yield Problem(
                "sink.admin.hostPort", "a cluster publishes nothing on a machine", "leave it out; see docs/dlq-and-admin-api.md"
            )
        for index, pipeline in pipelines(environment):
            target = destination(environment, pipeline)
            if not target.declared and target.password is None:
                yield Problem(
                    f"pipelines[{index}].sink.postgres.password",
                    "the sink worker needs the password of its database user",
                    "write a reference, such as vault:warehouse#password",
                )
