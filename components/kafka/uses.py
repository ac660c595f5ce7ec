"""Which secrets Kafka's nodes read, and those who give its users their passwords. Pure."""

from collections.abc import Iterable, Iterator

from components.core.secrets import SecretFile, Use, referenced
from components.environment import EnvironmentSpec
from components.kafka.listeners import CLIENTS_CA_FILE, CLUSTER_CA_FILE, KEYSTORE_FILE, needs_certificate
from components.kafka.logins import is_login, logins_to_set
from components.kafka.nodes import nodes

KAFKA_USERS = "kafka-users"
"""What gives Kafka's users their passwords: Strimzi's User Operator, or whoever brings the cluster to its state."""


def secret_uses(environment: EnvironmentSpec, programs: Iterable[Use] = ()) -> Iterator[Use]:
    """Nodes' keys and their way to the tiered storage; the users' passwords, those that ``programs`` log in with among them."""
    yield from _of_nodes(environment)
    yield _of_users(environment, programs)


def _of_nodes(environment: EnvironmentSpec) -> Iterator[Use]:
    """On Kubernetes the operator sees to certificates; on docker every node has one of its own."""
    kafka = environment.kafka
    tiered = kafka.tiered.credentials if kafka.tiered is not None else None
    store = f"{kafka.name}-tiered-storage"
    credentials = [] if tiered is None else [referenced(tiered, "tiered-storage-credentials", store)]
    if environment.target == "kubernetes":
        yield Use(kafka.name, tuple(credentials))
        return
    for node in nodes(kafka):
        names = (KEYSTORE_FILE, CLUSTER_CA_FILE, CLIENTS_CA_FILE) if needs_certificate(kafka, node) else ()
        certificates = [SecretFile(name, f"{kafka.name}-node", name) for name in names]
        files = [*certificates, *credentials] if node.is_broker else certificates
        yield Use(node.name, tuple(sorted(files)), (node.name,))


def _of_users(environment: EnvironmentSpec, programs: Iterable[Use]) -> Use:
    """Passwords that the spec names, in files that are called like the user's Secret; logins, which on docker make the folder
    that ``cdc apply`` is given."""
    logins = {logins_to_set(file) for use in programs for file in use.files if is_login(file)}
    files = [
        referenced(user.password, f"{user.name}.password", f"{user.name}-password")
        for user in environment.kafka_state.users
        if user.password is not None
    ]
    return Use(KAFKA_USERS, tuple(sorted([*files, *logins])), (KAFKA_USERS,) if environment.context.rotates_logins else ())
