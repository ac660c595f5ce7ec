"""What observability's programs are called. Pure."""

COMPONENT = "observability"
PROMETHEUS, GRAFANA, PROBER = "prometheus", "grafana", "prober"
PROBER_PORT, GRAFANA_PORT = 9115, 3000
CERTIFICATES = "certificates"
"""The job that reads certificates."""
KAFKA_METRICS, CONNECT_METRICS = "kafka-metrics", "connect-metrics"
"""ConfigMaps with the JMX exporter's rules."""
