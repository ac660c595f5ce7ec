"""What tracing's programs are called, and their ports. Pure."""

COMPONENT = "tracing"
COLLECTOR, JAEGER = "otel-collector", "jaeger"
GRPC_PORT, HTTP_PORT = 4317, 4318
"""OTLP's own."""
METRICS_PORT, HEALTH_PORT = 8888, 13133
"""The collector's own."""
UI_PORT = 16686
CA = "otel-collector-ca.pem"
"""The file of what signs the collector's certificate, in the folders of those who send to it."""
