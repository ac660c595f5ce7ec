"""Every version of a real program that the tests run against, in one place."""

from components.core import versions

SCALA = "2.13"
KAFKA = "4.3.1"
KAFKA_LOG4J = "2.25.4"
DEBEZIUM = "3.5.0.Final"
CASSANDRA = versions.CASSANDRA
DEBEZIUM_CASSANDRA = versions.DEBEZIUM_CASSANDRA
CQLSH = "6.2.2"  # Cassandra's own, by itself
CQLSH_HASHES = {
    f"cqlsh=={CQLSH}": "959140b661e67a03d206f2d05ae6ceb91970ed9e1bf72407eed93cef11ebcaa1",
    "wcwidth==0.2.13": "3da69048e4540d84af32131829ff948f1e022c1c6bdb8d6102117aac784f6859",
}
APICURIO = "3.3.3"
APICURIO_CONVERTER = "2.6.13.Final"  # the newest that Maven Central has with all that it needs; it speaks to 3.3 all the same
JMX_EXPORTER = "1.0.1"
POSTGRESQL = "15"
STRIMZI = "1.2.0"
KUBERNETES = "v1.34.0"
HELM = "v3.19.0"
KUSTOMIZE = "v5.7.1"
COMPOSE = "v2.16.2"
CLOUDNATIVE_PG = "v1.27.0"
VAULT = "v1.19.0"
VERSITYGW = "v1.8.0"
JAEGER = "v1.76.0"  # the same release as 2.13.0: the module keeps the old numbers
REDIS_EXPORTER = "v1.74.0"
POSTGRES_EXPORTER = "v0.17.1"
OTEL_JAVA_AGENT = "2.21.0"
PROMETHEUS_OPERATOR = "v0.85.0"
EXTERNAL_SECRETS = "v1.3.2"
KEDA = "v2.21.0"
CERT_MANAGER = "v1.21.2"
CHAOS_MESH = "v0.9.1-0.20260902003049-47411975a8cb"  # its releases from 2.0 on are no Go modules; this is newer than 2.7

MAVEN_DEPENDENCY_PLUGIN = "3.8.1"

JAVA_PREFERRED = 21
JAVA_MINIMUM = 17

PULUMI_CLI = "3.256.0"
PULUMI_YAML = "1.38.0"
