"""Which secrets the collector and Jaeger read. Pure."""

from collections.abc import Iterator

from components.core.secrets import SecretFile, Use, referenced
from components.environment import EnvironmentSpec
from components.tracing.configuration import BACKEND_CA, CERTIFICATE, KEY
from components.tracing.names import COLLECTOR, JAEGER
from components.tracing.spec import JaegerSpec, ServerTlsSpec, TracingSpec


def secret_uses(_environment: EnvironmentSpec, tracing: TracingSpec) -> Iterator[Use]:
    """Jaeger is there only where traces go to no other backend."""
    yield Use(COLLECTOR, collector_files(tracing), (COLLECTOR,), (COLLECTOR,))
    if tracing.backend is None:
        yield Use(JAEGER, jaeger_files(tracing.jaeger), (JAEGER,), (JAEGER,))


def collector_files(tracing: TracingSpec) -> tuple[SecretFile, ...]:
    """Its own key and certificate, and what it knows its backend by."""
    return tuple(sorted([*_own(tracing.tls, COLLECTOR), *_of_backend(tracing)]))


def jaeger_files(jaeger: JaegerSpec) -> tuple[SecretFile, ...]:
    """Its own key and certificate."""
    return tuple(_own(jaeger.tls, JAEGER))


def _own(tls: ServerTlsSpec, name: str) -> list[SecretFile]:
    pairs = ((tls.certificate, CERTIFICATE), (tls.key, KEY)) if tls.enabled else ()
    return [referenced(reference, file, f"{name}-tls") for reference, file in pairs]


def _of_backend(tracing: TracingSpec) -> list[SecretFile]:
    if tracing.backend is not None:
        return [] if tracing.backend.ca is None else [referenced(tracing.backend.ca, BACKEND_CA, "tracing-backend")]
    return [referenced(tracing.jaeger.tls.ca, BACKEND_CA, f"{JAEGER}-tls")] if tracing.jaeger.tls.enabled else []
