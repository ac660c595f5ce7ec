"""Specs of any size, always the same for the same size: what every case of the benchmark reads. Pure."""

from dataclasses import dataclass
from textwrap import dedent

STACK = "bench"
TENANTS = 20
APPLICATIONS = 37
TOPICS_OF_A_PIPELINE = 10
"""Six tables, the dead letter queue, and three that a relational connector keeps for itself."""
TABLES_OF_A_PIPELINE = 6

_CLUSTER = """\
tier: production
target: kubernetes
kubernetes: {{context: bench, topicsAndUsers: {applied_by}}}
naming: {{pattern: "^[a-z][a-z0-9-]*_[a-z0-9_-]+$"}}
kafka:
  controllers: {{replicas: 3, storage: {{size: 20Gi, class: fast-ssd}}, resources: {{cpu: 500m, memory: 2Gi}}}}
  brokers:
    replicas: 36
    storage: {{size: 500Gi, class: fast-ssd}}
    resources: {{cpu: 2, cpuLimit: 4, memory: 8Gi}}
    jvm: 4Gi
  racks: topology.kubernetes.io/zone
  listeners: [{{name: clients, port: 9093, authentication: scram-sha-512}}]
"""


@dataclass(frozen=True, slots=True)
class Size:
    """How many topics and users a spec has."""

    topics: int
    users: int

    def __str__(self) -> str:
        return f"{self.topics:,} topics, {self.users:,} users"


def spec_text(size: Size, applied_by: str = "gitops") -> str:
    """An environment whose topics and users are all written out. ``applied_by`` is ``gitops`` or ``pulumi``."""
    topics = "".join(_topic(index) for index in range(size.topics))
    users = "".join(_user(index, size) for index in range(size.users))
    declared = f"  topics:\n{topics}" + (f"  users:\n{users}" if users else "")
    return f"{_CLUSTER.format(applied_by=applied_by)}{declared}{_tenants()}"


def pipelines_text(pipelines: int, applied_by: str = "gitops") -> str:
    """An environment whose topics and users all derive from pipelines: ten topics and two users each."""
    written = "".join(_pipeline(index) for index in range(pipelines))
    return f"{_CLUSTER.format(applied_by=applied_by)}{_BACKUP}{_tenants()}pipelines:\n{written}"


def stack_file(spec: str) -> str:
    """A spec as the whole ``Pulumi.<stack>.yaml``."""
    lines = "".join(f"    {line}\n" for line in spec.splitlines())
    return f"config:\n  cdc-platform:environment:\n{lines}"


def _tenant(index: int) -> str:
    return f"tenant{index % TENANTS}"


def _topic_name(index: int) -> str:
    return f"{_tenant(index)}_app{index % APPLICATIONS}_entity{index}"


def _topic(index: int) -> str:
    return (
        f"    - name: {_topic_name(index)}\n"
        f"      tenant: {_tenant(index)}\n"
        f"      partitions: {3 + index % 4}\n"
        f"      retention: {1 + index % 30}d\n"
        f"      config:\n"
        f"        flush.ms: {1000 + index}\n"
    )


def _user(index: int, size: Size) -> str:
    """Produces to one topic, consumes it and a neighbour's application by prefix, as a stream processor does."""
    topic = _topic_name(index % size.topics)
    rates = f"produce: {1 + index % 8}MiB/s, consume: {2 + index % 8}MiB/s"
    return (
        f"    - name: user{index}\n"
        f"      tenant: {_tenant(index)}\n"
        f"      produces: [{topic}]\n"
        f"      consumes: [{topic}, {_tenant(index)}_app{(index + 1) % APPLICATIONS}_*]\n"
        f"      groups: [{_tenant(index)}_group{index}]\n"
        f"      quota: {{{rates}, request: 20%, controllerMutations: 5/s}}\n"
    )


def _pipeline(index: int) -> str:
    tables = ", ".join(f"shop{index}.table{table}" for table in range(TABLES_OF_A_PIPELINE))
    return dedent(f"""\
        - name: pipeline{index}
          tenant: {_tenant(index)}
          source:
            mysql: {{host: db{index}, password: "vault:cdc-pipeline/bench/db{index}#password", tls: {{}}, tables: [{tables}]}}
          sink: {{postgres: {{database: warehouse, schema: shop{index}}}}}
        """)


_BACKUP = 'backup: {image: "acme/cdc:1", claim: elsewhere, key: "vault:backup#key", data: {pipelines: ["*"]}}\n'


def _tenants() -> str:
    quota = "quota: {produce: 10MiB/s, consume: 20MiB/s, request: 50%, controllerMutations: 5/s}"
    return "tenants:\n" + "".join(f"  - {{name: tenant{index}, owner: team-{index}, {quota}}}\n" for index in range(TENANTS))
