"""Objects of the Prometheus operator (API ``monitoring.coreos.com/v1``), dashboards, the prober, and who may scrape. Pure."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from components.core import versions
from components.core.jmx import CONFIG_KEY
from components.core.kubernetes import Body, Service, config_map, http_probe, manifest, network_policy, opening
from components.core.quantities import format_duration
from components.core.rendered import Manifest
from components.environment import EnvironmentSpec
from components.kafka.render_docker import COMPONENT as KAFKA
from components.observability import jmx, prober, rules
from components.observability.dashboards import DASHBOARDS
from components.observability.names import (
    CERTIFICATES,
    COMPONENT,
    CONNECT_METRICS,
    KAFKA_METRICS,
    PROBER,
    PROBER_PORT,
)
from components.observability.render_companions import manifests as companions
from components.observability.scraping import WITHOUT_SCHEME, Job, jobs, tls_ports
from components.observability.spec import ObservabilitySpec

API_VERSION = "monitoring.coreos.com/v1"
CHECKSUM = "cdc.platform/configuration"
PROBE_INTERVAL = "2m"
"""Prometheus forgets a sample after five minutes."""


def manifests(spec: EnvironmentSpec, observed: ObservabilitySpec) -> Iterator[Manifest]:
    """All of them. Prometheus and Grafana themselves are the user's."""
    context, chosen = spec.context, observed.prometheus.selected_by
    for name, groups in rules.documents(spec).items():
        yield manifest(COMPONENT, context, API_VERSION, "PrometheusRule", name, labels=chosen, spec={"groups": groups})
    for job in jobs(spec):
        kind, body = ("Probe", _asked(spec, observed, job)) if job.asked else ("PodMonitor", _pod_monitor(spec, observed, job))
        yield manifest(COMPONENT, context, API_VERSION, kind, job.name, labels=chosen, spec=body)
        yield _scraped(spec, observed, f"scrape-{job.name}", job.pods, job.port)
    for dashboard in DASHBOARDS:
        yield manifest(
            COMPONENT,
            context,
            "v1",
            "ConfigMap",
            f"dashboard-{dashboard.uid}",
            labels=observed.grafana.dashboard_labels,
            data={f"{dashboard.uid}.json": dashboard.json()},
        )
    yield config_map(COMPONENT, KAFKA_METRICS, context, {CONFIG_KEY: jmx.kafka_rules()})
    if spec.connect is not None:
        yield config_map(COMPONENT, CONNECT_METRICS, context, {CONFIG_KEY: jmx.connect_rules()})
    yield from _certificates(spec, observed)
    yield from companions(spec)


def _pod_monitor(spec: EnvironmentSpec, observed: ObservabilitySpec, job: Job) -> Body:
    """The job's name, and what the pods' labels say, become labels as they are on docker."""
    relabelings: list[dict[str, Any]] = [{"targetLabel": "job", "replacement": job.name}]
    for name, label in sorted(job.from_pods.items()):
        source = "__meta_kubernetes_pod_label_" + "".join(char if char.isalnum() else "_" for char in label)
        relabelings.append({"sourceLabels": [source], "targetLabel": name})
    if job.declared is not None:
        relabelings.append(
            {"sourceLabels": ["__meta_kubernetes_pod_ip"], "targetLabel": "__address__", "replacement": f"$1:{job.port}"}
        )
    endpoint = {
        "portNumber": job.declared or job.port,
        "path": job.path,
        "interval": format_duration(observed.scrape_interval),
        "relabelings": relabelings,
    }
    return {
        "selector": {"matchLabels": dict(job.pods)},
        "namespaceSelector": {"matchNames": [spec.context.namespace]},
        "podMetricsEndpoints": [endpoint],
    }


def _asked(spec: EnvironmentSpec, observed: ObservabilitySpec, job: Job) -> Body:
    """One program is asked about each address."""
    [(host, _)] = job.hosts
    bare = [{"sourceLabels": ["__param_target"], "regex": WITHOUT_SCHEME, "targetLabel": "instance"}]
    return {
        "jobName": job.name,
        "interval": format_duration(observed.scrape_interval),
        "prober": {"url": f"{host}.{spec.context.namespace}.svc:{job.port}", "path": job.path},
        "targets": {"staticConfig": {"static": list(job.asked), "relabelingConfigs": bare}},
    }


def _scraped(spec: EnvironmentSpec, observed: ObservabilitySpec, name: str, pods: Any, port: int) -> Manifest:
    """Prometheus' way in: from its own namespace, and from its own pods there."""
    own = observed.prometheus
    peer = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": own.namespace}},
        "podSelector": {"matchLabels": dict(own.pod_labels)},
    }
    return network_policy(COMPONENT, name, pods, spec.context, ingress=[{**opening("from", [], port), "from": [peer]}])


def _certificates(spec: EnvironmentSpec, observed: ObservabilitySpec) -> Iterator[Manifest]:
    """The prober, what it is asked, and its way out to every TLS port of the namespace."""
    ports = tls_ports(spec)
    if not ports:
        return
    context, text = spec.context, prober.configuration()
    service = Service(
        component=COMPONENT,
        name=PROBER,
        replicas=1,
        container=_prober(observed),
        resources=observed.prober.resources,
        group=prober.USER,
        user=prober.USER,
        volumes=[{"name": "configuration", "configMap": {"name": PROBER}}],
        annotations={CHECKSUM: hashlib.sha256(text.encode()).hexdigest()},
    )
    servers: defaultdict[str, set[int]] = defaultdict(set)
    for address, name in ports.items():
        servers[name].add(int(address.rpartition(":")[2]))
    brokers = {"strimzi.io/cluster": spec.kafka.name, "strimzi.io/broker-role": "true"}
    selectors = {name: brokers if name == KAFKA else {"app.kubernetes.io/name": name} for name in servers}
    yield config_map(COMPONENT, PROBER, context, {prober.CONFIGURATION.rpartition("/")[2]: text})
    yield service.deployment(context)
    yield service.service(context, {"http": PROBER_PORT})
    yield service.disruption_budget(context)
    yield service.network_policy(
        context, egress=[opening("to", [selectors[name]], *sorted(numbers)) for name, numbers in servers.items()]
    )
    yield _scraped(spec, observed, f"scrape-{PROBER}", service.selector, PROBER_PORT)
    for name, numbers in servers.items():
        ingress = [opening("from", [service.selector], *sorted(numbers))]
        yield network_policy(COMPONENT, f"{PROBER}-{name}", selectors[name], context, ingress=ingress)
    probe = {
        "jobName": CERTIFICATES,
        "interval": PROBE_INTERVAL,
        "module": prober.MODULE,
        "prober": {"url": f"{PROBER}.{context.namespace}.svc:{PROBER_PORT}"},
        "targets": {"staticConfig": {"static": list(ports)}},
    }
    yield manifest(COMPONENT, context, API_VERSION, "Probe", CERTIFICATES, labels=observed.prometheus.selected_by, spec=probe)


def _prober(observed: ObservabilitySpec) -> Body:
    probe = http_probe("/-/healthy", PROBER_PORT)
    return {
        "image": observed.prober.image or versions.PROBER_IMAGE,
        "command": list(prober.command("", PROBER_PORT)),
        "ports": [{"containerPort": PROBER_PORT, "name": "http"}],
        "volumeMounts": [{"name": "configuration", "mountPath": prober.CONFIGURATION.rpartition("/")[0], "readOnly": True}],
        "livenessProbe": probe,
        "readinessProbe": probe,
    }
