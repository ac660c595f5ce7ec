"""Whoever comes through HAProxy is known and cannot be listened to, and one that is lost is not missed (requirement A7)."""

from collections.abc import Iterator

from components.core.paths import format_step
from components.haproxy.render_kubernetes import REPLICAS
from components.haproxy.services import backends
from policies.model import OUTSIDE_DEVELOPMENT, Rule, Subject, Violation


def _replicas(subject: Subject) -> Iterator[Violation]:
    haproxy = subject.spec.haproxy
    if haproxy is None or subject.spec.target != "kubernetes":
        return
    count = REPLICAS if haproxy.replicas is None else haproxy.replicas
    if count < REPLICAS:
        yield Violation("haproxy.replicas", f"{count} HAProxy is none while it restarts")


def _encryption(subject: Subject) -> Iterator[Violation]:
    haproxy = subject.spec.haproxy
    if haproxy is not None and not haproxy.tls.enabled:
        yield Violation("haproxy.tls.enabled", "passwords and schemas cross the network in the clear")


def _authentication(subject: Subject) -> Iterator[Violation]:
    haproxy = subject.spec.haproxy
    if haproxy is None:
        return
    for backend in backends(subject.spec):
        if haproxy.authentication_of(backend.name) != "none":
            continue
        own = haproxy.frontends.get(backend.name)
        said_here = own is not None and own.authentication is not None
        path = f"haproxy.frontends{format_step(backend.name)}.authentication" if said_here else "haproxy.authentication"
        yield Violation(path, f"anybody may enter {backend.name}")


def _entrance(subject: Subject) -> Iterator[Violation]:
    if subject.spec.schema_registry is not None and subject.spec.haproxy is None:
        yield Violation("haproxy", "the registry's clients are neither encrypted nor known")


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "haproxy-replicas",
        "HAProxy runs at least twice on Kubernetes",
        "It stands in front of services that run several times so as to be always there; alone it undoes that.",
        "Leave haproxy.replicas at 2, or write more.",
        "Requirement A7; HAProxy management guide, high availability",
        OUTSIDE_DEVELOPMENT,
        _replicas,
    ),
    Rule(
        "haproxy-encryption",
        "Clients reach HAProxy encrypted",
        "Their password is in every request.",
        "Leave haproxy.tls.enabled on, and give it a certificate.",
        "Requirement A17: TLS everywhere",
        OUTSIDE_DEVELOPMENT,
        _encryption,
    ),
    Rule(
        "haproxy-authentication",
        "HAProxy asks every client who it is",
        "Whoever reaches the registry can register a schema that breaks every producer; whoever reaches Connect can read what "
        "its connectors may read.",
        "Set authentication to basic or tls.",
        "Requirements A7 and A18: least privilege",
        OUTSIDE_DEVELOPMENT,
        _authentication,
    ),
    Rule(
        "registry-entrance",
        "The registry stands behind HAProxy",
        "By itself it takes anybody's requests, in the clear.",
        "Declare haproxy.",
        "Requirements A7 and A17",
        OUTSIDE_DEVELOPMENT,
        _entrance,
    ),
)
