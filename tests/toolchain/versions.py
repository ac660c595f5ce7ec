"""Every version of a real program that the tests run against, in one place."""

SCALA = "2.13"
KAFKA = "4.3.1"
KAFKA_LOG4J = "2.25.4"
DEBEZIUM = "3.5.0.Final"
APICURIO = "3.3.3"
APICURIO_CONVERTER = "2.6.13.Final"  # the newest that Maven Central has with all that it needs; it speaks to 3.3 all the same
JMX_EXPORTER = "1.0.1"
POSTGRESQL = "15"
STRIMZI = "1.2.0"
KUBERNETES = "v1.34.0"
HELM = "v3.19.0"
KUSTOMIZE = "v5.7.1"
COMPOSE = "v2.16.2"

MAVEN_DEPENDENCY_PLUGIN = "3.8.1"

JAVA_PREFERRED = 21
JAVA_MINIMUM = 17

PULUMI_CLI = "3.256.0"
PULUMI_YAML = "1.38.0"
