"""The whole environment: one typed value per stack. Each component's spec is one field of it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from functools import cache, cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_validator
from pydantic.alias_generators import to_camel

from components.backup.spec import BackupSpec
from components.cassandra_agent.spec import CassandraAgentSpec
from components.chaos.spec import ChaosSpec
from components.component_spec import ComponentSpec
from components.connect.spec import ConnectSpec
from components.core.context import Context, Target, Tier
from components.core.errors import Problem, SpecError, WrongValue, shown
from components.core.model import DnsLabel, SpecModel, duplicates, setting
from components.core.paths import format_path, format_step
from components.development.spec import DevelopmentSpec
from components.haproxy.spec import HaproxySpec
from components.kafka.check import check_kafka, check_state
from components.kafka.derive import derive_state, sink_group
from components.kafka.spec import KafkaSpec
from components.kafka.state import KafkaState, combined
from components.mirror_maker.derive import with_mirrored
from components.mirror_maker.spec import DisasterRecoverySpec, MirrorMakerSpec
from components.observability.spec import ObservabilitySpec
from components.pipelines.spec import PipelineSpec
from components.postgres.derive import destination
from components.postgres.spec import PostgresSpec
from components.promotion.spec import PromotionSpec
from components.redis.spec import RedisSpec
from components.schema_registry.spec import SchemaRegistrySpec
from components.sink.spec import SinkWorkersSpec
from components.tenancy.spec import NamingSpec, TenantSpec
from components.tracing.spec import TracingSpec
from components.vault.spec import VaultSpec

CONFIG_KEY = "cdc-platform:environment"


class KubernetesSpec(SpecModel):
    """Where on Kubernetes the platform goes."""

    namespace: DnsLabel = setting("cdc", help="Namespace of the platform.", becomes="metadata.namespace of every object")
    context: str | None = setting(
        None,
        help="The kubeconfig context this environment belongs to; without it the current one is used.",
        becomes="the Pulumi provider's context",
        min_length=1,
    )
    topics_and_users: Literal["pulumi", "gitops"] = setting(
        "pulumi",
        help="Who applies KafkaTopic and KafkaUser objects: the stack, or Argo CD or Flux from the rendered tree. "
        "A stack needs about 9 ms for each object at every preview. "
        "Changing this takes them out of the stack and keeps the live ones.",
        becomes="whether the stack registers them",
    )
    operator_namespace: DnsLabel = setting(
        "strimzi", help="Namespace the Strimzi operator runs in.", becomes="a check: it is not the platform's own"
    )

    def problems(self) -> list[Problem]:
        if self.namespace == "default" or self.namespace.startswith("kube-"):
            return [
                Problem("namespace", f"{self.namespace} is Kubernetes' own", "choose one for the platform alone, such as cdc")
            ]
        if self.namespace == self.operator_namespace:
            return [
                Problem(
                    "namespace",
                    "is the Strimzi operator's, which the platform's network policies would cut off",
                    "choose one for the platform alone, such as cdc",
                )
            ]
        return []


def _day(value: object) -> date:
    """``2026-12-31``; no times and no numbers, which would be taken for seconds since 1970."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str) and len(value) == len("2026-12-31"):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise WrongValue(f"{shown(value)} is not a day", "write year, month and day, such as 2026-12-31")


Day = Annotated[date, BeforeValidator(_day)]


class WaiverSpec(SpecModel):
    """A rule that this environment breaks knowingly, for a time."""

    rule: str = setting(help="Id of the rule.", becomes="a waived finding", min_length=1)
    path: str | None = setting(
        None,
        help="Spec path or object it is waived for, its parts included; everywhere when left out.",
        becomes="the scope of the waiver",
        min_length=1,
    )
    owner: str = setting(help="Who answers for it.", becomes="shown with the finding", min_length=1)
    reason: str = setting(help="Why it is right to break the rule here.", becomes="shown with the finding", min_length=10)
    expires: Day = setting(help="The first day on which it no longer holds.", becomes="an expired waiver fails the check")


class EnvironmentSpec(SpecModel):
    """One environment. Read from ``Pulumi.<stack>.yaml``; what does not hold together is refused with :class:`SpecError`."""

    name: DnsLabel = setting(help="The stack's name; taken from the file's name.", becomes="label cdc.platform/environment")
    tier: Tier = setting(
        help="How much this environment matters: which rules are mandatory.",
        becomes="levels of the rules; protection of what holds data",
    )
    target: Target = setting(help="What it runs on.", becomes="Kubernetes objects, or containers on one machine")
    kubernetes: KubernetesSpec = setting(KubernetesSpec, help="Where on Kubernetes it goes.", becomes="namespace and provider")
    naming: NamingSpec = setting(NamingSpec, help="How derived names are made.", becomes="names of topics and groups")
    kafka: KafkaSpec = setting(
        KafkaSpec, help="The Kafka cluster.", becomes="Kafka, KafkaNodePool, KafkaTopic, KafkaUser; broker containers"
    )
    tenants: tuple[TenantSpec, ...] = setting((), help="Who shares the platform.", becomes="quotas, owners, network openings")
    pipelines: tuple[PipelineSpec, ...] = setting(
        (), help="Source tables to PostgreSQL.", becomes="topics, users, ACLs, quotas, DLQ topics"
    )
    schema_registry: SchemaRegistrySpec | None = setting(
        None, help="The schema registry; none when left out.", becomes="Deployment schema-registry; its containers"
    )
    haproxy: HaproxySpec | None = setting(
        None, help="HAProxy in front of registry and Connect; none when left out.", becomes="Deployment haproxy; its container"
    )
    connect: ConnectSpec | None = setting(
        None, help="Kafka Connect, blue and green; none when left out.", becomes="KafkaConnect, KafkaConnector; containers"
    )
    cassandra_agent: CassandraAgentSpec | None = setting(
        None, help="Debezium beside each Cassandra node; none when left out.", becomes="agents' containers; sidecars' files"
    )
    sink: SinkWorkersSpec | None = setting(
        None, help="The sink workers; none when left out.", becomes="Deployments and containers sink-<pipeline>"
    )
    postgres: PostgresSpec | None = setting(
        None, help="PostgreSQL, where rows go; none when left out.", becomes="Cluster postgres; its container; roles and grants"
    )
    redis: RedisSpec | None = setting(
        None,
        help="Redis, where the sinks leave hints; none when left out.",
        becomes="StatefulSets redis, redis-sentinel; containers",
    )
    mirror_maker: MirrorMakerSpec | None = setting(
        None, help="The environment that this one stands in for.", becomes="KafkaMirrorMaker2; MirrorMaker containers"
    )
    disaster_recovery: DisasterRecoverySpec | None = setting(
        None, help="The environment that stands in for this one.", becomes="KafkaUser mirror-maker"
    )
    vault: VaultSpec | None = setting(
        None,
        help="Vault: secrets and certificates; none when left out.",
        becomes="StatefulSet vault; ExternalSecrets, Certificates",
    )
    observability: ObservabilitySpec | None = setting(
        None,
        help="Metrics, alerts and dashboards; none when left out.",
        becomes="PodMonitor, PrometheusRule, dashboards; containers prometheus, grafana, kafka-exporter",
    )
    tracing: TracingSpec | None = setting(
        None, help="Traces of changes; none when left out.", becomes="Deployments and containers otel-collector, jaeger"
    )
    chaos: ChaosSpec | None = setting(
        None, help="What is broken on purpose; nothing when left out.", becomes="Schedule chaos-<name> of Chaos Mesh"
    )
    development: DevelopmentSpec | None = setting(
        None,
        help="Databases to read from, on one's own machine only; none when left out.",
        becomes="containers mariadb, cassandra",
    )
    backup: BackupSpec | None = setting(
        None, help="Backups; none when left out.", becomes="CronJobs backup-daily, backup-weekly; what cdc backup does"
    )
    waivers: tuple[WaiverSpec, ...] = setting(
        (), help="Rules broken knowingly, for a time.", becomes="waived findings of the check"
    )
    promotion: PromotionSpec = setting(
        PromotionSpec, help="What it takes from another environment.", becomes="what cdc promote does"
    )

    @property
    def context(self) -> Context:
        """What every renderer knows of the environment."""
        return Context(
            environment=self.name,
            tier=self.tier,
            target=self.target,
            namespace=self.kubernetes.namespace,
            operator_namespace=self.kubernetes.operator_namespace,
            kubernetes_context=self.kubernetes.context,
            rotates_logins=self.target == "docker" and self.vault is not None,
        )

    @property
    def stands_by(self) -> bool:
        """Whether another environment still does this one's work: until it has taken over, nothing here reads a source, writes
        a target or registers a schema."""
        return self.mirror_maker is not None and not self.mirror_maker.failed_over

    def published(self) -> dict[str, Any]:
        """The spec as its author wrote it (defaults left out), in plain values; :func:`build_environment` reads it back."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    @cached_property
    def kafka_state(self) -> KafkaState:
        """Every topic and user: declared, derived from pipelines, and those that the components' own programs need."""
        state = combined(
            [
                derive_state(self.kafka, self.tenants, self.pipelines, self.naming),
                *(component.kafka_state(self) for component in self.components.values()),
            ]
        )
        return state if self.mirror_maker is None else with_mirrored(state, self.mirror_maker, self)

    @cached_property
    def components(self) -> Mapping[str, ComponentSpec]:
        """The components that are declared, by the name of their field."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in fields.items() if isinstance(value, ComponentSpec)}

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        found = [*_tree_problems(self), *_environment_problems(self)]
        if found:
            raise SpecError(dict.fromkeys(found))
        return self


@cache
def _nested_fields(model: type[SpecModel]) -> tuple[tuple[str, str], ...]:
    """(attribute, written name) of the fields that may hold further spec models."""
    return tuple((name, info.alias or name) for name, info in model.model_fields.items() if "Spec" in str(info.annotation))


def _tree_problems(part: SpecModel) -> Iterator[Problem]:
    yield from part.problems()
    for attribute, written in _nested_fields(type(part)):
        for suffix, child in _children(getattr(part, attribute)):
            yield from (problem.under(f"{written}{suffix}") for problem in _tree_problems(child))


def _children(value: Any) -> Iterator[tuple[str, SpecModel]]:
    if isinstance(value, SpecModel):
        yield "", value
    elif isinstance(value, tuple):
        yield from ((f"[{index}]", item) for index, item in enumerate(value) if isinstance(item, SpecModel))
    elif isinstance(value, Mapping):
        yield from ((format_step(key), item) for key, item in value.items() if isinstance(item, SpecModel))


def _environment_problems(spec: EnvironmentSpec) -> Iterator[Problem]:
    yield from (problem.under("kafka") for problem in check_kafka(spec.kafka, spec.target))
    references_hold = True
    for problem in _reference_problems(spec):
        references_hold = False
        yield problem
    if references_hold and not list(_naming_problems(spec)):
        yield from check_state(spec.kafka, spec.kafka_state, spec.naming.pattern)
        yield from _group_problems(spec)
        yield from _budget_problems(spec)
        for component in spec.components.values():
            yield from component.misfits(spec)


def _naming_problems(spec: EnvironmentSpec) -> list[Problem]:
    """Names cannot be derived while a pattern is wrong; the tree's own check reports it."""
    return spec.naming.problems()


def _reference_problems(spec: EnvironmentSpec) -> Iterator[Problem]:
    tenants = {tenant.name for tenant in spec.tenants}
    for what, names in (("tenants", [t.name for t in spec.tenants]), ("pipelines", [p.name for p in spec.pipelines])):
        for name, places in duplicates(names).items():
            yield Problem(f"{what}[{places[1]}].name", f"{name} is already {what}[{places[0]}]", "each needs its own name")
    users = [("kafka.users", index, user.tenant) for index, user in enumerate(spec.kafka.users)]
    topics = [("kafka.topics", index, topic.tenant) for index, topic in enumerate(spec.kafka.topics)]
    pipelines = [("pipelines", index, pipeline.tenant) for index, pipeline in enumerate(spec.pipelines)]
    for where, index, tenant in (*users, *topics, *pipelines):
        if tenant is not None and tenant not in tenants:
            known = ", ".join(sorted(tenants)) or "none declared"
            yield Problem(
                f"{where}[{index}].tenant", f"there is no tenant {tenant}", f"declare it under tenants, or use one of: {known}"
            )
    yield from _table_problems(spec)
    for index, pipeline in enumerate(spec.pipelines):
        if pipeline.sink.via == "jdbc" and spec.connect is None:
            yield Problem(f"pipelines[{index}].sink.via", "the JDBC sink runs on Kafka Connect", "declare connect")
        if pipeline.sink.via == "jdbc" and destination(spec, pipeline).password is None:
            yield Problem(
                f"pipelines[{index}].sink.postgres.password",
                "the JDBC sink connector needs the password of its database user",
                "write a reference, such as vault:warehouse#password",
            )


def _table_problems(spec: EnvironmentSpec) -> Iterator[Problem]:
    """One table feeds one pipeline: two connectors on one table would write two topics that each claim to be its changes."""
    claimed: dict[tuple[str, str, str], str] = {}
    for index, pipeline in enumerate(spec.pipelines):
        if pipeline.source.chosen is None:
            continue
        kind, source = pipeline.source.chosen
        for position, table in enumerate(dict.fromkeys(source.tables)):
            path = f"pipelines[{index}].source.{kind}.tables[{position}]"
            other = claimed.setdefault((kind, f"{source.host}:{source.port}", table), path)
            if other != path:
                yield Problem(path, f"{table} of {source.host} is already captured by {other}", "capture it in one pipeline")


def _group_problems(spec: EnvironmentSpec) -> Iterator[Problem]:
    """One group for two pipelines would give each of them only a part of its partitions' rows."""
    groups = [sink_group(pipeline, spec.naming) for pipeline in spec.pipelines]
    for group, places in duplicates(groups).items():
        own = next((place for place in places if spec.pipelines[place].sink.group is not None), None)
        yield Problem(
            "naming.group" if own is None else f"pipelines[{own}].sink.group",
            f"consumer group {group} is that of {' and '.join(f'pipelines[{place}]' for place in places)}",
            "give each pipeline its own; see naming.group",
        )


def _budget_problems(spec: EnvironmentSpec) -> Iterator[Problem]:
    """A tenant's clients together may be promised no more than its budget; a client without a quota has no bound at all."""
    users = defaultdict(list)
    for user in spec.kafka_state.users:
        users[user.tenant].append(user)
    for index, tenant in enumerate(spec.tenants):
        for field in ("produce", "consume", "request", "controller_mutations"):
            budget = getattr(tenant.budget, field)
            if budget is None:
                continue
            default = getattr(spec.kafka.quotas.default, field)
            shares = [
                getattr(user.quota, field) if getattr(user.quota, field) is not None else default for user in users[tenant.name]
            ]
            if None in shares or sum(shares) > budget:
                total = "no bound" if None in shares else f"{sum(shares):g}"
                yield Problem(
                    format_path(("tenants", index, "budget", to_camel(field))),
                    f"its {len(shares)} clients add up to {total}, above the budget of {budget:g}",
                    "lower the quotas of its pipelines and users, or raise the budget",
                )


__all__ = ["CONFIG_KEY", "EnvironmentSpec", "KubernetesSpec", "Target", "Tier", "WaiverSpec"]
