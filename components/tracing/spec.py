"""What the user writes about traces (requirements A20 and B8)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.component_spec import ComponentSpec
from components.core import tls
from components.core.errors import Problem
from components.core.model import SecretReference, SpecModel, setting
from components.core.quantities import Percent
from components.core.resources import ResourcesSpec
from components.core.secrets import Use

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec


class ServerTlsSpec(SpecModel):
    """Encryption of what listens. The default references fit a Secret that cert-manager writes."""

    enabled: bool = setting(True, help="Whether connections are encrypted.", becomes="tls of the receiver and its clients")
    certificate: SecretReference = tls.certificate("otel-collector-tls", becomes="file server.pem in its folder of secrets")
    key: SecretReference = tls.private_key("otel-collector-tls", becomes="file server.pem.key in its folder of secrets")
    ca: SecretReference = tls.authority(
        "otel-collector-tls",
        help="Reference to what signed the certificate, PEM; its clients trust it.",
        becomes="a file in its clients' folders of secrets",
    )


class JaegerTlsSpec(ServerTlsSpec):
    """The same for Jaeger."""

    certificate: SecretReference = tls.certificate("jaeger-tls", becomes="file server.pem in its folder of secrets")
    key: SecretReference = tls.private_key("jaeger-tls", becomes="file server.pem.key in its folder of secrets")
    ca: SecretReference = tls.authority(
        "jaeger-tls",
        help="Reference to what signed the certificate, PEM; the collector trusts it.",
        becomes="file backend-ca.pem in the collector's folder of secrets",
    )


class JaegerSpec(SpecModel):
    """Jaeger 2, which keeps the last traces in memory: they are samples, and gone when it restarts."""

    image: str | None = setting(None, help="Image, when not the default one; pinned.", becomes="image of jaeger", min_length=1)
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(cpu="250m", memory="512Mi"), help="CPU and memory.", becomes="bounds of jaeger"
    )
    traces: int = setting(50_000, help="Most traces that are kept.", becomes="jaeger_storage max_traces", ge=100, le=10_000_000)
    tls: JaegerTlsSpec = setting(JaegerTlsSpec, help="Encryption between collector and Jaeger.", becomes="tls of both")
    publish: bool = setting(
        True, help="On docker: whether its pages are published on 127.0.0.1:16686.", becomes="ports of the container"
    )


class BackendSpec(SpecModel):
    """Where traces go instead of an own Jaeger: anything that takes OTLP over gRPC, always encrypted."""

    endpoint: str = setting(
        help="Its address, host:port.", becomes="otlp exporter's endpoint", pattern=r"^[A-Za-z0-9.-]+:[0-9]{1,5}$"
    )
    ca: SecretReference | None = setting(
        None,
        help="Reference to what signed its certificate, PEM; what the image trusts when left out.",
        becomes="file backend-ca.pem in the collector's folder of secrets",
    )


class TracingSpec(ComponentSpec):
    """Traces of changes. ``tracing: {}`` is enough where cert-manager writes the certificates."""

    sampling: Percent = setting(
        1,
        help="Share of changes that are followed. Sinks' spans are of whole batches, and all are kept.",
        becomes="OTEL_TRACES_SAMPLER_ARG of Connect",
    )
    image: str | None = setting(
        None,
        help="The collector's image, when not the default one; pinned. It has Jaeger's distribution of the collector.",
        becomes="image of otel-collector",
        min_length=1,
    )
    replicas: int | None = setting(
        None, help="Collectors; 2 on Kubernetes, 1 on docker.", becomes="Deployment.spec.replicas", ge=1, le=20
    )
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(cpu="250m", memory="256Mi"), help="CPU and memory of each.", becomes="bounds of otel-collector"
    )
    tls: ServerTlsSpec = setting(ServerTlsSpec, help="Encryption between sender and collector.", becomes="tls of the receiver")
    jaeger: JaegerSpec = setting(JaegerSpec, help="Where traces are looked at.", becomes="Deployment and container jaeger")
    backend: BackendSpec | None = setting(
        None, help="Where they go instead; there is no Jaeger then.", becomes="otlp exporter of the collector"
    )
    java_agent: str | None = setting(
        None,
        help="On docker: where Connect's image has OpenTelemetry's Java agent; without it Connect begins no trace. "
        "Strimzi's images have what it takes.",
        becomes="-javaagent of Connect's JVM",
        pattern=r"^/[A-Za-z0-9._/-]+\.jar$",
    )

    def secret_uses(self, environment: "EnvironmentSpec") -> Iterator[Use]:
        from components.tracing.uses import secret_uses

        return secret_uses(environment, self)

    def misfits(self, environment: "EnvironmentSpec") -> Iterator[Problem]:
        if environment.target == "docker" and (self.replicas or 1) > 1:
            yield Problem("tracing.replicas", "one machine needs one collector", "leave it out for the docker target")
        if environment.target == "kubernetes" and self.java_agent is not None:
            yield Problem("tracing.javaAgent", "is for docker: Strimzi's images trace by themselves", "leave it out")
        if self.backend is not None and "jaeger" in self.model_fields_set:
            yield Problem("tracing.jaeger", "traces go to tracing.backend", "keep one of the two")
        if environment.sink is None and environment.connect is None:
            yield Problem("tracing", "nothing is declared that would send a span", "declare sink or connect, or leave it out")
