"""What the registries need of Kafka, and what HAProxy needs to know of them. Pure."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.core.secrets import referenced
from components.haproxy.backend import SAFE_METHODS, Affinity, Backend, Check, OwnApi, Server
from components.haproxy.derive import address, service_host
from components.kafka.acls import group_acl, merged_acls, topic_acl
from components.kafka.network_policies import CLIENT_LABEL
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
CA, SECRET = f"{NAME}-ca.pem", f"{NAME}-tls"
"""The file of what signs the registries' certificates, in the folders of those who ask them, and the Secret that certificates
from Vault reach the cluster as."""

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

APICURIO_OWN = "/apis/"
"""Below it lie all of Apicurio's APIs, Confluent's among them; nothing of Confluent's begins so."""

APICURIO_CLIENTS = f"{APICURIO_OWN}registry/v2"
"""The API that Apicurio's converter speaks."""

_APICURIO_OWN = OwnApi(
    APICURIO_OWN,
    affinity=(
        *(Affinity(f"{APICURIO_OWN}registry/{version}/groups/", 8) for version in ("v2", "v3")),
        Affinity(f"{APICURIO_OWN}ccompat/v7/subjects/", 6),
    ),
    named_by="X-Registry-ArtifactId",
    repeatable_if=("ifExists", "RETURN"),
)
"""An artifact is made by a POST to its group that a header names; made twice it is refused, unless the client asks for what
is there already."""

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
        own=_APICURIO_OWN if spec.distribution == "apicurio" else None,
        server_ca=referenced(spec.tls.ca, CA, SECRET) if is_encrypted(environment) else None,
        pods={"app.kubernetes.io/name": NAME},
        clients=CLIENT_LABEL,
    )
    return (backend,)


def is_encrypted(environment: "EnvironmentSpec") -> bool:
    """Whether registries speak TLS: as the spec says, and by default where the tier is production."""
    spec = environment.schema_registry
    if spec is None:
        return False
    return environment.tier == "production" if spec.tls.enabled is None else spec.tls.enabled


def _servers(environment: "EnvironmentSpec", spec: "SchemaRegistrySpec") -> tuple[Server, ...]:
    """On Kubernetes as many as the headless Service has ready pods: one more than the replicas while they are rolled out."""
    if environment.target == "docker":
        return tuple(Server(name, name, PORT) for name in instances(spec))
    return (Server(NAME, service_host(environment, NAME), PORT, instances=spec.replicas + 1),)


def is_read_only(environment: "EnvironmentSpec") -> bool:
    """Whether registries refuse every write: what they know is mirrored, and ids given here would collide with the source's."""
    mirror = environment.mirror_maker
    return environment.stands_by and mirror is not None and mirror.registry


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
    return direct_url(environment, spec, backend.prefix)


def direct_url(environment: "EnvironmentSpec", spec: "SchemaRegistrySpec", path: str) -> str:
    """A path of a registry itself, for those in the platform's own namespace: its Service, or its first container."""
    host = NAME if environment.target == "kubernetes" else instances(spec)[0]
    return f"{'https' if is_encrypted(environment) else 'http'}://{host}:{PORT}{path}"
