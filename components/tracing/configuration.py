"""The collector's and Jaeger's configuration: both are OpenTelemetry Collectors, with Jaeger's components. Pure."""

from typing import Any

from components.core import yaml_text
from components.tracing.names import GRPC_PORT, HEALTH_PORT, HTTP_PORT, JAEGER, METRICS_PORT, UI_PORT
from components.tracing.spec import JaegerSpec, TracingSpec

SECRETS = "/run/secrets/tracing"
CERTIFICATE, KEY, BACKEND_CA = "server.pem", "server.pem.key", "backend-ca.pem"
HEALTH_PATH = "/status"

Section = dict[str, Any]


def collector(spec: TracingSpec, host: str) -> str:
    """Takes spans at ``host``, and sends them on in batches. When memory runs short it refuses them: senders try again, and
    drop them in the end.
    """
    return yaml_text.dump(
        {
            "receivers": {"otlp": {"protocols": _protocols(host, tls=spec.tls.enabled)}},
            "processors": {
                "memory_limiter": {"check_interval": "1s", "limit_percentage": 75, "spike_limit_percentage": 20},
                "batch": {"timeout": "1s", "send_batch_size": 2048, "send_batch_max_size": 4096},
            },
            "exporters": {"otlp": _exporter(spec)},
            "extensions": _health(host),
            "service": {
                "extensions": ["healthcheckv2"],
                "pipelines": {
                    "traces": {"receivers": ["otlp"], "processors": ["memory_limiter", "batch"], "exporters": ["otlp"]}
                },
                "telemetry": _telemetry(host),
            },
        }
    )


def jaeger(spec: JaegerSpec, host: str) -> str:
    """Takes spans from the collector, and shows them."""
    return yaml_text.dump(
        {
            "receivers": {"otlp": {"protocols": {"grpc": _protocols(host, tls=spec.tls.enabled)["grpc"]}}},
            "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
            "extensions": {
                **_health(host),
                "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": spec.traces}}}},
                "jaeger_query": {
                    "storage": {"traces": "memory"},
                    "http": {"endpoint": f"{host}:{UI_PORT}"},
                    "grpc": {"endpoint": "127.0.0.1:16685"},
                },
            },
            "service": {
                "extensions": ["healthcheckv2", "jaeger_storage", "jaeger_query"],
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
                "telemetry": _telemetry(host),
            },
        }
    )


def _protocols(host: str, *, tls: bool) -> Section:
    own: Section = {}
    if tls:
        own = {"tls": {"cert_file": f"{SECRETS}/{CERTIFICATE}", "key_file": f"{SECRETS}/{KEY}", "reload_interval": "1h"}}
    return {name: {"endpoint": f"{host}:{port}", **own} for name, port in (("grpc", GRPC_PORT), ("http", HTTP_PORT))}


def _exporter(spec: TracingSpec) -> Section:
    if spec.backend is not None:
        trusted = {} if spec.backend.ca is None else {"ca_file": f"{SECRETS}/{BACKEND_CA}"}
        return {"endpoint": spec.backend.endpoint, "tls": trusted}
    tls: Section = {"ca_file": f"{SECRETS}/{BACKEND_CA}"} if spec.jaeger.tls.enabled else {"insecure": True}
    return {"endpoint": f"{JAEGER}:{GRPC_PORT}", "tls": tls}


def _health(host: str) -> Section:
    return {"healthcheckv2": {"use_v2": True, "http": {"endpoint": f"{host}:{HEALTH_PORT}"}}}


def _telemetry(host: str) -> Section:
    reader = {"pull": {"exporter": {"prometheus": {"host": host, "port": METRICS_PORT}}}}
    return {"metrics": {"level": "normal", "readers": [reader]}}
