"""What MirrorMaker and its secrets are called. Pure."""

from components.core.secrets import SecretFile, referenced
from components.kafka.clients import CLUSTER_CA, KafkaClient, password_file
from components.mirror_maker.spec import MirrorSourceSpec

COMPONENT = "mirror_maker"
REST_PORT = 8083
"""Where nodes hand each other work; Connect signs these requests, and clients have no business there."""

SOURCE = "source"
"""The folder, in MirrorMaker's folder of secrets, of those that open the source; they are called like those of the target."""

SOURCE_CA_SECRET, SOURCE_PASSWORD_SECRET = "mirror-maker-source-ca", "mirror-maker-source"
"""The Secrets that what is kept in Vault reaches the cluster as."""


def node_name(cluster: str, node: int) -> str:
    """A container's name."""
    return f"{cluster}-mirror-maker-{node}"


def ports(source: MirrorSourceSpec) -> tuple[int, ...]:
    """The ports that the source's brokers are reached on, as far as ``bootstrap`` tells."""
    return tuple(sorted({int(address.rpartition(":")[2]) for address in source.bootstrap.split(",")}))


def source_ca(source: MirrorSourceSpec) -> SecretFile | None:
    """The CA of the source's brokers; ``None`` where the machine's own authorities vouch for them."""
    return None if source.ca is None else referenced(source.ca, f"{SOURCE}/{CLUSTER_CA}", SOURCE_CA_SECRET)


def source_password(source: MirrorSourceSpec) -> SecretFile | None:
    """The password on the source; ``None`` where it asks for none."""
    file = f"{SOURCE}/{password_file(source.user)}"
    return None if source.password is None else referenced(source.password, file, SOURCE_PASSWORD_SECRET)


def source_client(source: MirrorSourceSpec) -> KafkaClient:
    """How MirrorMaker reaches the source."""
    secrets = tuple(file for file in (source_ca(source), source_password(source)) if file is not None)
    return KafkaClient(source.user, source.bootstrap, source.tls, source.password is not None, secrets)
