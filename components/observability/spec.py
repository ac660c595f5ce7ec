"""What the user writes about metrics, alerts and dashboards (requirements A8, B8, B12)."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from components.component_spec import ComponentSpec
from components.core.errors import Problem
from components.core.model import DnsLabel, SecretReference, SpecModel, Text, setting
from components.core.quantities import ByteSize, Duration, Percent
from components.core.resources import ResourcesSpec
from components.core.secrets import Use
from components.kafka.clients import listener_problems
from components.kafka.state import KafkaState
from components.observability.derive import kafka_state
from components.pipelines.alerts import MOST_RECORDS

if TYPE_CHECKING:
    from components.environment import EnvironmentSpec

_SECOND, _DAY, _GIB = 1000, 86_400_000, 1 << 30


class ThresholdsSpec(SpecModel):
    """From where on any pipeline is not well; a pipeline's own ``alerts`` come first."""

    lag: int = setting(
        10_000, help="Records behind, in its worst partition.", becomes="alert HighConsumerLag", ge=1, le=MOST_RECORDS
    )
    lag_time: Duration = setting(
        120 * _SECOND, help="How long its oldest unwritten change waits.", becomes="alert PipelineBehind"
    )
    errors: Percent = setting(1, help="Errors, in percent of events.", becomes="alert PipelineErrors")
    dead_letters: int = setting(
        1000, help="Refused events that wait for somebody.", becomes="alert DeadLetters", ge=1, le=MOST_RECORDS
    )


class CertificateAlertsSpec(SpecModel):
    """How long before the end of a certificate somebody is told."""

    warning: Duration = setting(14 * _DAY, help="When renewal should have happened.", becomes="alert CertificateExpires")
    critical: Duration = setting(3 * _DAY, help="When somebody must act now.", becomes="alert CertificateExpiresSoon")

    def problems(self) -> list[Problem]:
        if self.critical >= self.warning:
            return [Problem("critical", "is not later than the warning", "write less than warning")]
        return []


class PrometheusSpec(SpecModel):
    """Prometheus itself on docker. On Kubernetes the Prometheus operator runs it, and is told what to scrape."""

    image: str | None = setting(
        None, help="Image, when not the default one; pinned.", becomes="image of container prometheus", min_length=1
    )
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(cpu="500m", memory="512Mi"), help="CPU and memory.", becomes="bounds of container prometheus"
    )
    retention: Duration = setting(15 * _DAY, help="How long samples are kept.", becomes="--storage.tsdb.retention.time")
    retention_size: ByteSize = setting(
        10 * _GIB, help="Most that samples take on disk.", becomes="--storage.tsdb.retention.size"
    )
    alertmanager: str | None = setting(
        None, help="Where alerts are sent, host:port.", becomes="alerting.alertmanagers", pattern=r"^[A-Za-z0-9.-]+:[0-9]{1,5}$"
    )
    publish: bool = setting(True, help="Whether its port 9090 is published on 127.0.0.1.", becomes="ports of the container")
    namespace: DnsLabel = setting(
        "monitoring", help="On Kubernetes: where Prometheus runs.", becomes="ingress rules of what it scrapes"
    )
    pod_labels: Mapping[str, Text] = setting(
        lambda: {"app.kubernetes.io/name": "prometheus"},
        help="On Kubernetes: what its pods are known by.",
        becomes="ingress rules of what it scrapes",
    )
    selected_by: Mapping[str, Text] = setting(
        dict,
        help="On Kubernetes: labels by which the operator chooses rules and monitors, such as {release: prometheus}.",
        becomes="labels of PrometheusRule, PodMonitor and Probe",
    )


class GrafanaSpec(SpecModel):
    """Grafana on docker. On Kubernetes it is the user's own, whose sidecar finds the dashboards by their label."""

    enabled: bool = setting(True, help="Whether it runs.", becomes="container grafana")
    image: str | None = setting(
        None, help="Image, when not the default one; pinned.", becomes="image of container grafana", min_length=1
    )
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(cpu="250m", memory="384Mi"), help="CPU and memory.", becomes="bounds of container grafana"
    )
    password: SecretReference | None = setting(
        None,
        help="Reference to the password of its user admin; without one everybody may look, and nobody may change.",
        becomes="file admin.password in its folder of secrets",
    )
    publish: bool = setting(True, help="Whether its port 3000 is published on 127.0.0.1.", becomes="ports of the container")
    dashboard_labels: Mapping[str, Text] = setting(
        lambda: {"grafana_dashboard": "1"},
        help="On Kubernetes: what Grafana's sidecar looks for.",
        becomes="labels of the dashboards' ConfigMaps",
    )


class ExporterSpec(SpecModel):
    """A program that asks others for what they do not say by themselves."""

    image: str | None = setting(None, help="Image, when not the default one; pinned.", becomes="container image", min_length=1)
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(cpu="100m", memory="128Mi"), help="CPU and memory.", becomes="container resources"
    )


class CompanionSpec(ExporterSpec):
    """One that stands beside a store."""

    enabled: bool = setting(True, help="Whether what it tells of is watched.", becomes="scrape jobs, alerts and the exporter")
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(cpu="50m", memory="64Mi"), help="CPU and memory.", becomes="container resources"
    )


class ObservabilitySpec(ComponentSpec):
    """Exporters, rules, monitors and dashboards. ``observability: {}`` is enough."""

    scrape_interval: Duration = setting(
        30 * _SECOND,
        help="How often metrics are read and rules are evaluated.",
        becomes="scrape_interval, evaluation_interval; interval of monitors and rule groups",
    )
    thresholds: ThresholdsSpec = setting(
        ThresholdsSpec, help="From where on a pipeline is not well.", becomes="alerts of all pipelines"
    )
    certificates: CertificateAlertsSpec = setting(
        CertificateAlertsSpec, help="When certificates are too old.", becomes="alerts on every TLS port"
    )
    runbooks: str | None = setting(
        None,
        help="Address of the folder docs/runbooks where readers of alerts find it.",
        becomes="annotation runbook_url of every alert",
        pattern=r"^https?://\S*[^/\s]$",
    )
    prometheus: PrometheusSpec = setting(PrometheusSpec, help="Prometheus.", becomes="container prometheus; monitors")
    grafana: GrafanaSpec = setting(GrafanaSpec, help="Grafana.", becomes="container grafana; ConfigMaps of dashboards")
    kafka_exporter: ExporterSpec = setting(
        ExporterSpec, help="Consumer lag and partitions.", becomes="Kafka.spec.kafkaExporter; container kafka-exporter"
    )
    prober: ExporterSpec = setting(
        ExporterSpec, help="Reads the certificate of every TLS port.", becomes="Deployment and container prober"
    )
    redis_exporter: CompanionSpec = setting(
        CompanionSpec, help="Asks Redis and its Sentinels how they are.", becomes="Deployment and container redis-exporter"
    )
    postgres_exporter: CompanionSpec = setting(
        CompanionSpec,
        help="Asks PostgreSQL how it is: on docker, and an existing server; CloudNativePG's tell of themselves.",
        becomes="Deployment and container postgres-exporter; PodMonitor postgres",
    )
    backup_exporter: CompanionSpec = setting(
        CompanionSpec,
        help="On docker: shows how old the newest backup is. On Kubernetes kube-state-metrics tells of the CronJobs.",
        becomes="container backup-exporter",
    )
    jmx_agent: str | None = setting(
        None,
        help="On docker: where the images of brokers, Connect and MirrorMaker have the JMX exporter's agent; a shell pattern. "
        "Debezium's own image has one, Kafka's has none. Strimzi's images have theirs.",
        becomes="-javaagent of their JVMs; scrape jobs",
        pattern=r"^/[A-Za-z0-9._/*-]+\.jar$",
    )

    def kafka_state(self, environment: "EnvironmentSpec") -> KafkaState:
        return kafka_state(environment)

    def problems(self) -> list[Problem]:
        if not 5 * _SECOND <= self.scrape_interval <= 120 * _SECOND:
            remedy = "write 5s to 2m: alerts look back over five minutes, and need some samples in them"
            return [Problem("scrapeInterval", "is too often or too seldom", remedy)]
        return []

    def secret_uses(self, environment: "EnvironmentSpec") -> Iterator[Use]:
        from components.observability.uses import secret_uses

        return secret_uses(environment, self)

    def misfits(self, environment: "EnvironmentSpec") -> Iterator[Problem]:
        if environment.target == "docker":
            yield from listener_problems(environment.kafka)
        elif self.jmx_agent is not None:
            yield Problem("observability.jmxAgent", "is for docker: Strimzi's images have an agent", "leave it out")
