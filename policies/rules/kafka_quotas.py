"""No client starves the others (requirement A6)."""

from collections.abc import Iterator

from policies.model import SHARED, Rule, Subject, Violation
from policies.rules.settings import broker_settings, setting_path, whole_number

_BOUNDS = {"produce": "produce", "consume": "consume", "request": "request", "controller_mutations": "controllerMutations"}
_CLIENT_BOUNDS = ("produce", "consume", "request")


def _client(subject: Subject) -> Iterator[Violation]:
    """Kafka takes each figure that a user lacks from the default of all users."""
    default = subject.spec.kafka.quotas.default
    unbounded = [bound for bound in _CLIENT_BOUNDS if getattr(default, bound) is None]
    for user in subject.state.users if unbounded else ():
        missing = [bound for bound in unbounded if getattr(user.quota, bound) is None]
        if missing:
            yield Violation(
                f"{user.origin}.quota", f"user {user.name} has no bound on {', '.join(missing)}", subject.user_resource(user)
            )


def _default(subject: Subject) -> Iterator[Violation]:
    default = subject.spec.kafka.quotas.default
    for bound, written in _BOUNDS.items():
        if getattr(default, bound) is None:
            yield Violation(f"kafka.quotas.default.{written}", f"a user without a quota of its own has no bound on {written}")


def _connection_rate(subject: Subject) -> Iterator[Violation]:
    """On docker a broker's own limit; on Kubernetes one on each client listener."""
    key = "max.connection.creation.rate"
    for setting in broker_settings(subject, key) if subject.spec.target == "docker" else ():
        if (whole_number(setting.value) or 0) <= 0:
            yield Violation(setting_path(key), f"{key} {setting.said}", setting.resource)
    for manifest in subject.of_kind("Kafka"):
        for listener in manifest.body["spec"]["kafka"]["listeners"]:
            if listener.get("configuration", {}).get("maxConnectionCreationRate", 0) <= 0:
                yield Violation(setting_path(key), f"listener {listener['name']} has no limit", manifest.id)


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "kafka-client-quota",
        "Every client is bounded in bytes produced, bytes fetched and broker time",
        "One client without a bound can take a broker's network or threads from all others.",
        "Set the user's or the tenant's quota, or kafka.quotas.default.",
        "Requirement A6; Apache Kafka documentation, quotas",
        SHARED,
        _client,
    ),
    Rule(
        "kafka-default-quota",
        "A client without a quota of its own has the default one",
        "The next user that somebody adds must not be the one without a bound.",
        "Set produce, consume, request and controllerMutations under kafka.quotas.default.",
        "Requirement A6; Apache Kafka documentation, default quotas; KIP-599",
        SHARED,
        _default,
    ),
    Rule(
        "kafka-connection-rate",
        "New connections are limited on every broker",
        "Clients that reconnect in a loop cost a TLS handshake each, and can hold a broker down after an incident.",
        "Set kafka.quotas.connectionRate, such as 100/s.",
        "Requirement A6; KIP-612",
        SHARED,
        _connection_rate,
    ),
)
