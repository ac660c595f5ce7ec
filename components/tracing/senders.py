"""How those who have spans send them to the collector. Pure."""

from typing import TYPE_CHECKING

from components.core.secrets import SecretFile, referenced
from components.tracing.names import CA, COLLECTOR, GRPC_PORT, HTTP_PORT

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec


def certificate(environment: "EnvironmentSpec") -> tuple[SecretFile, ...]:
    """What a sender needs in its folder of secrets to know the collector by."""
    tracing = environment.tracing
    if tracing is None or not tracing.tls.enabled:
        return ()
    return (referenced(tracing.tls.ca, CA, "otel-collector-tls"),)


def endpoint(environment: "EnvironmentSpec", port: int = HTTP_PORT) -> str:
    """The collector's address, for those in the platform's own namespace. Raises :class:`ValueError` where there is none."""
    if environment.tracing is None:
        raise ValueError("tracing is not declared")
    return f"{'https' if environment.tracing.tls.enabled else 'http'}://{COLLECTOR}:{port}"


def trusting(environment: "EnvironmentSpec", folder: str) -> dict[str, str]:
    """The variable by which every OpenTelemetry SDK is told whom to trust, for a sender whose secrets lie in ``folder``."""
    return {"OTEL_EXPORTER_OTLP_CERTIFICATE": f"{folder}/{CA}"} if certificate(environment) else {}


def java_variables(environment: "EnvironmentSpec", service: str, folder: str) -> dict[str, str]:
    """The environment of a JVM that begins traces: so many of a hundred changes, and no metrics or logs (Prometheus reads
    those). Source: OpenTelemetry's "SDK Environment Variables"."""
    if environment.tracing is None:
        return {}
    return {
        "OTEL_SERVICE_NAME": service,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint(environment, GRPC_PORT),
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": f"{environment.tracing.sampling / 100:g}",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        **trusting(environment, folder),
    }
