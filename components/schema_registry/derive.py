"""What the registries need of Kafka, and what HAProxy needs to know of them. Pure."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.haproxy.backend import SAFE_METHODS, Affinity, Backend, Check, Server
from components.haproxy.derive import address, service_host
from components.kafka.acls import group_acl, merged_acls, topic_acl
from components.kafka.spec import KafkaSpec
from components.kafka.state import KafkaState, Quota, User
from components.kafka.topics import PLATFORM_OWNER, internal_topic

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec
    from components.schema_registry.spec import SchemaRegistrySpec

NAME = "schema-registry"
ORIGIN = "schemaRegistry"
USER = "schema-registry"
GROUP = "schema-registry"
"""Begins the names of the registries' consumer groups."""

PORT = 8081
ANSWER_SECONDS = 20
"""A registry answers in milliseconds. One that takes this long hangs, and another is asked."""

_RETRIES = 6
"""Twice round three registries: one of them wrote what is asked for."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """How two registries that serve one API differ. ``prefix`` stands before every path of Confluent's API; ``topics`` are
    where it keeps what it knows, one partition each, with their cleanup policy; ``ready`` says whether it has read all of that,
    where it begins to answer before."""

    prefix: str
    topics: tuple[str, ...]
    cleanup: str
    ready: Check | None = None


CONFLUENT = Distribution("", ("_schemas",), "compact")
APICURIO_READY = Check(9000, "/health/ready")
APICURIO = Distribution(
    "/apis/ccompat/v7", ("kafkasql-journal", "kafkasql-snapshots", "registry-events"), "delete", APICURIO_READY
)
"""At its start it verifies that these topics keep everything and are not compacted (``KafkaAdminUtil`` of 3.3)."""

DISTRIBUTIONS = {"confluent": CONFLUENT, "apicurio": APICURIO}


def registry_state(spec: "SchemaRegistrySpec", kafka: KafkaSpec) -> KafkaState:
    """The topics that hold the registry's state, and a user who may do no more than keep it there and elect a leader."""
    distribution = DISTRIBUTIONS[spec.distribution]
    topics = tuple(internal_topic(kafka, name, ORIGIN, cleanup=distribution.cleanup) for name in distribution.topics)
    acls = [topic_acl(name, "Describe", "DescribeConfigs", "Read", "Write") for name in distribution.topics]
    user = User(
        name=USER,
        authentication="scram-sha-512",
        quota=Quota(),
        acls=merged_acls([*acls, group_acl(f"{GROUP}*")]),
        owner=PLATFORM_OWNER,
        origin=ORIGIN,
    )
    return KafkaState(topics, (user,))


def instances(spec: "SchemaRegistrySpec") -> tuple[str, ...]:
    """The names of the registries' containers on docker."""
    return tuple(f"{NAME}-{number}" for number in range(spec.replicas))


def backends(environment: "EnvironmentSpec") -> tuple[Backend, ...]:
    """The registries as HAProxy sees them; none when none is declared.

    Registering a schema twice gives the same id, and what else is written by POST and PUT sets what it says, so that all but
    DELETE may be repeated. A registry learns what another one wrote some milliseconds later: what one does not find, another
    may, and a client that asks about its own subject again finds what it wrote.
    """
    spec = environment.schema_registry
    if spec is None:
        return ()
    distribution = DISTRIBUTIONS[spec.distribution]
    backend = Backend(
        name=NAME,
        port=PORT,
        servers=_servers(environment, spec),
        health_path=f"{distribution.prefix}/subjects",
        ready=distribution.ready,
        prefix=distribution.prefix,
        repeatable=(*SAFE_METHODS, "POST", "PUT"),
        timeout_seconds=ANSWER_SECONDS,
        retried=(404, 503),
        retries=_RETRIES,
        affinity=(Affinity("/subjects/", 3), Affinity("/config/", 3), Affinity("/compatibility/subjects/", 4)),
        pods={"app.kubernetes.io/name": NAME},
    )
    return (backend,)


def _servers(environment: "EnvironmentSpec", spec: "SchemaRegistrySpec") -> tuple[Server, ...]:
    """On Kubernetes as many as the headless Service has ready pods: one more than the replicas while they are rolled out."""
    if environment.target == "docker":
        return tuple(Server(name, name, PORT) for name in instances(spec))
    return (Server(NAME, service_host(environment, NAME), PORT, instances=spec.replicas + 1),)


def registry_url(environment: "EnvironmentSpec") -> str:
    """Where clients inside the environment find Confluent's API: HAProxy, or the one registry that stands alone.

    Raises :class:`ValueError` where no registry is declared.
    """
    spec = environment.schema_registry
    if spec is None:
        raise ValueError("no schema registry is declared")
    [backend] = backends(environment)
    if environment.haproxy is not None:
        return address(environment, backend)
    return f"http://{host(environment, spec)}:{PORT}{backend.prefix}"


def host(environment: "EnvironmentSpec", spec: "SchemaRegistrySpec") -> str:
    """The name of a registry itself, for those in the platform's own namespace: its Service, or its first container."""
    return NAME if environment.target == "kubernetes" else instances(spec)[0]
