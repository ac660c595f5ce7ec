"""Two environments of the docker target, and what is rendered of their Kafka."""

from typing import Any

from components.core.rendered import Rendered, Workload
from components.environment import EnvironmentSpec
from components.kafka import render_docker
from components.loading import build_environment

Plain = dict[str, Any]

PRODUCTION: Plain = {
    "tier": "production",
    "target": "docker",
    "kafka": {
        "controllers": {"replicas": 3, "jvm": "256Mi"},
        "brokers": {"replicas": 3, "storage": {"size": "10Gi", "volumes": 2}, "jvm": {"heap": "1Gi"}},
        "racks": {"names": ["a", "b"]},
        "listeners": [
            {"name": "clients", "port": 9093},
            {"name": "mutual", "port": 9094, "authentication": "tls"},
            {"name": "open", "port": 9095, "authentication": "none"},
            {"name": "host", "port": 19092, "type": "host", "tls": False},
        ],
        "authorization": {"superUsers": ["admin"]},
        "tiered": {"bucket": "old", "region": "eu", "credentials": "vault:kafka/tiered#credentials"},
        "quotas": {"connectionRate": "100/s", "connections": 5000},
        "users": [{"name": "admin", "authentication": "tls", "quota": {"produce": "1MiB/s"}}],
        "config": {"num.network.threads": 8, "unclean.leader.election.enable": False},
    },
    "tenants": [{"name": "shop", "owner": "team-shop", "quota": {"produce": "10MiB/s", "request": "50%"}}],
    "pipelines": [
        {
            "name": "orders",
            "tenant": "shop",
            "source": {"mysql": {"host": "db", "password": "vault:db#password", "tables": ["shop.orders"]}},
            "sink": {"postgres": {"database": "warehouse"}},
        }
    ],
}
DEVELOPMENT: Plain = {
    "tier": "development",
    "target": "docker",
    "kafka": {
        "controllers": 0,
        "brokers": 1,
        "listeners": [{"name": "plain", "port": 9092, "tls": False, "authentication": "none"}],
        "tls": {"internal": False},
        "authorization": {"type": "none"},
    },
}


def environment(plain: Plain, **kafka: Any) -> EnvironmentSpec:
    return build_environment({**plain, "kafka": {**plain["kafka"], **kafka}}, "trial", "the test")


def rendered(plain: Plain, **kafka: Any) -> Rendered:
    spec = environment(plain, **kafka)
    return render_docker.render(spec.kafka, spec.kafka_state, spec.context)


def workload(name: str, plain: Plain, **kafka: Any) -> Workload:
    return next(workload for workload in rendered(plain, **kafka).workloads if workload.name == name)
