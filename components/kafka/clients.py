"""How the platform's own programs reach the brokers. Pure."""

from dataclasses import dataclass

from components.core.context import Context
from components.core.errors import Problem
from components.core.secrets import SecretFile
from components.kafka.logins import FIRST, MECHANISM, PASSWORD, login_file, login_name
from components.kafka.spec import KafkaSpec, ListenerSpec

CLUSTER_CA = "cluster-ca.pem"
"""The file of the CA that signs brokers' certificates, in a client's folder of secrets."""

PROVIDERS = {
    "directory": "org.apache.kafka.common.config.provider.DirectoryConfigProvider",
    "file": "org.apache.kafka.common.config.provider.FileConfigProvider",
}
"""What a Java program needs to read :func:`secret_of`, and a login: Kafka's own clients, workers and tools all take them."""


@dataclass(frozen=True, slots=True)
class KafkaClient:
    """One principal's way to the brokers. ``secrets`` are the files it needs in its folder."""

    user: str
    bootstrap: str
    tls: bool
    with_password: bool
    secrets: tuple[SecretFile, ...]
    rotated: bool = False
    """Whether its mechanism stands beside its password in a login."""

    @property
    def protocol(self) -> str:
        """Kafka's ``security.protocol``."""
        return ("SASL_" if self.with_password else "") + ("SSL" if self.tls else "PLAINTEXT")

    def properties(self, folder: str) -> dict[str, str]:
        """Settings of a Java client whose secrets lie in ``folder``. The password is a reference of the directory provider."""
        return {"bootstrap.servers": self.bootstrap, **self.security(folder)}

    def security(self, folder: str) -> dict[str, str]:
        """:meth:`properties` less the address: what ``producer.``, ``consumer.`` and ``admin.`` sections repeat."""
        settings = {"security.protocol": self.protocol}
        if self.tls:
            settings |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": f"{folder}/{CLUSTER_CA}"}
        if self.with_password:
            login = f"{folder}/{login_name(self.user)}"
            mechanism = f"${{file:{login}:{MECHANISM}}}" if self.rotated else FIRST
            password = f"${{file:{login}:{PASSWORD}}}" if self.rotated else secret_of(folder, password_file(self.user))
            settings |= {"sasl.mechanism": mechanism, "sasl.jaas.config": scram_login(self.user, password)}
        return settings

    @property
    def login(self) -> str | None:
        """The name of its login, where that is a file of its own."""
        return login_name(self.user) if self.with_password and self.rotated else None


def password_file(user: str) -> str:
    """The name of a user's password in its program's folder of secrets."""
    return f"{user}.password"


def secret_of(folder: str, file: str) -> str:
    """The content of one secret file, as a Java program's configuration refers to it."""
    return f"${{directory:{folder}:{file}}}"


def providers(rotated: bool, allowed: str | None = None) -> dict[str, str]:
    """Settings of a Java program that reads secrets as configurations refer to them, in ``allowed`` and nowhere else; logins
    too, where they are ``rotated``: their provider reads a file once for all its keys, so what it finds belongs together."""
    names = ["directory", *(["file"] if rotated else [])]
    settings = {"config.providers": ",".join(names)}
    for name in names:
        settings[f"config.providers.{name}.class"] = PROVIDERS[name]
        if allowed is not None:
            settings[f"config.providers.{name}.param.allowed.paths"] = allowed
    return settings


def scram_login(user: str, password: str) -> str:
    """The JAAS configuration of a user; ``password`` is a reference."""
    return f'org.apache.kafka.common.security.scram.ScramLoginModule required username="{user}" password="{password}";'


def platform_listener(kafka: KafkaSpec) -> ListenerSpec | None:
    """The listener that the platform's own programs use: the safest inside the cluster that takes a password or nothing."""
    usable = [entry for entry in kafka.listeners if entry.type == "internal" and entry.authentication != "tls"]
    return max(usable, key=lambda entry: (entry.authentication != "none", entry.tls), default=None)


def listener_problems(kafka: KafkaSpec) -> list[Problem]:
    """Why none of the platform's own programs could reach the brokers."""
    if platform_listener(kafka) is not None:
        return []
    remedy = "add one such as {name: clients, port: 9093, authentication: scram-sha-512}"
    return [Problem("kafka.listeners", "the platform's own programs need an internal listener that takes passwords", remedy)]


def kafka_client(kafka: KafkaSpec, context: Context, user: str) -> KafkaClient:
    """How ``user`` reaches ``kafka``. Strimzi keeps its password in the Secret of its name, and the CA beside the cluster.

    Raises :class:`ValueError` where :func:`listener_problems` has one: the environment's check refuses such a spec.
    """
    listener = platform_listener(kafka)
    if listener is None:
        raise ValueError("no listener for the platform's own programs")
    with_password = listener.authentication == "scram-sha-512"
    secrets = []
    if with_password:
        plain = SecretFile(password_file(user), user, PASSWORD)
        secrets.append(login_file(user) if context.rotates_logins else plain)
    if listener.tls:
        secrets.append(SecretFile(CLUSTER_CA, f"{kafka.name}-cluster-ca-cert", "ca.crt"))
    address = bootstrap(kafka, context, listener)
    return KafkaClient(user, address, listener.tls, with_password, tuple(secrets), rotated=context.rotates_logins)


def bootstrap(kafka: KafkaSpec, context: Context, listener: ListenerSpec) -> str:
    """Where clients of one listener begin."""
    if context.target == "kubernetes":
        service = "bootstrap" if listener.type == "internal" else f"{listener.name}-bootstrap"
        return f"{kafka.name}-kafka-{service}.{context.namespace}.svc:{listener.port}"
    return ",".join(_docker_address(kafka, listener, node) for node in range(kafka.brokers.replicas))


def _docker_address(kafka: KafkaSpec, listener: ListenerSpec, node: int) -> str:
    return f"127.0.0.1:{listener.port + node}" if listener.type == "host" else f"{kafka.name}-brokers-{node}:{listener.port}"
