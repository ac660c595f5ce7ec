"""Metrics, alerts and traces, where the rest of an environment leaves room for them."""

from functools import cache

from hypothesis import strategies as st

from tests.strategies import registry
from tests.strategies.draw import Plain, one_of

USER = "kafka-exporter"
IMAGES = one_of(["acme/own:1.2.3", "acme/own@sha256:" + "0" * 64])
RESOURCES = one_of([{"memory": "256Mi"}, {"cpu": "250m", "cpuLimit": 3, "memory": "2Gi"}])
EXPORTERS = st.fixed_dictionaries({}, optional={"image": IMAGES, "resources": RESOURCES})
COMPANIONS = st.fixed_dictionaries({}, optional={"enabled": st.booleans(), "image": IMAGES, "resources": RESOURCES})
THRESHOLDS = st.fixed_dictionaries(
    {},
    optional={
        "lag": st.integers(1, 10**12),
        "lagTime": one_of(["30s", "5m", "3d"]),
        "errors": one_of(["1%", "250%"]),
        "deadLetters": st.integers(1, 10**12),
    },
)
PROMETHEUS = st.fixed_dictionaries(
    {},
    optional={
        "resources": RESOURCES,
        "retention": one_of(["1h", "400d"]),
        "alertmanager": one_of(["alertmanager:9093"]),
        "publish": st.booleans(),
        "namespace": one_of(["monitoring", "kube-prometheus"]),
        "selectedBy": one_of([{}, {"release": "prometheus"}]),
    },
)


def fits(kafka: Plain, topics: list[str], users: list[str]) -> bool:
    """Whether its exporter can connect, and nobody has its name."""
    declared = {str(user["name"]) for user in kafka.get("users", [])}
    return registry.fits(kafka, topics, users) and USER not in declared | set(users)


@cache
def observed(target: str) -> st.SearchStrategy[Plain]:
    """``observability``; the JMX exporter's agent is named on docker only."""
    optional: dict[str, st.SearchStrategy[object]] = {
        "scrapeInterval": one_of(["5s", "30s", "2m"]),
        "thresholds": THRESHOLDS,
        "certificates": one_of([{}, {"warning": "30d", "critical": "1d"}]),
        "runbooks": one_of(["https://git.example/runbooks"]),
        "prometheus": PROMETHEUS,
        "grafana": one_of([{}, {"enabled": False}, {"password": "vault:grafana#admin", "publish": False}]),
        "kafkaExporter": EXPORTERS,
        "prober": EXPORTERS,
        **dict.fromkeys(("redisExporter", "postgresExporter", "backupExporter"), COMPANIONS),
    }
    if target == "docker":
        optional["jmxAgent"] = one_of(["/opt/agent.jar", "/kafka/libs/jmx*.jar"])
    return st.fixed_dictionaries({}, optional=optional)


@cache
def traced(target: str) -> st.SearchStrategy[Plain]:
    """``tracing``: an own Jaeger, or another's backend."""
    optional: dict[str, st.SearchStrategy[object]] = {
        "sampling": one_of(["1%", "100%"]),
        "image": IMAGES,
        "resources": RESOURCES,
        "tls": one_of([{}, {"enabled": False}, {"ca": "vault:pki#ca"}]),
    }
    if target == "docker":
        optional["javaAgent"] = one_of(["/otel/agent.jar"])
    else:
        optional["replicas"] = st.integers(1, 5)
    backends = one_of(
        [
            {},
            {"jaeger": {"traces": 1000}},
            {"jaeger": {"tls": {"enabled": False}}},
            {"backend": {"endpoint": "tempo.example:4317"}},
        ]
    )
    return st.builds(lambda own, backend: {**own, **backend}, st.fixed_dictionaries({}, optional=optional), backends)
