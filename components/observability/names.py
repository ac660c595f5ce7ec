"""What observability's programs are called. Pure."""

COMPONENT = "observability"
PROMETHEUS, GRAFANA, PROBER, EXPORTER = "prometheus", "grafana", "prober", "kafka-exporter"
REDIS_EXPORTER, POSTGRES_EXPORTER, BACKUP_EXPORTER = "redis-exporter", "postgres-exporter", "backup-exporter"
PROBER_PORT, GRAFANA_PORT = 9115, 3000
REDIS_EXPORTER_PORT, POSTGRES_EXPORTER_PORT, BACKUP_EXPORTER_PORT = 9121, 9187, 9100
CERTIFICATES = "certificates"
"""The job that reads certificates."""
KAFKA_METRICS, CONNECT_METRICS = "kafka-metrics", "connect-metrics"
"""ConfigMaps with the JMX exporter's rules."""
