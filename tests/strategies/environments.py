"""Any valid environment, as the plain values that a YAML file holds. What must fit together is made to fit, not filtered."""

from functools import cache

from hypothesis import strategies as st

from tests.strategies import backup, chaos, connect, development, kafka, mirror, names, observability, registry, sinks, stores
from tests.strategies import vault as vaults
from tests.strategies.cluster import Cluster
from tests.strategies.draw import Draw, Plain, one_of
from tests.strategies.pipelines import NAMINGS, derived_topics, derived_users, pipelines
from tests.strategies.tenancy import tenants

STACK = "trial"
"""The name that these environments are read under."""

TIERS = ("development", "staging", "production")
TARGETS = ("kubernetes", "docker")

KUBERNETES = st.fixed_dictionaries(
    {},
    optional={
        "namespace": names.labels(63, first="abc").filter(lambda name: name != "strimzi"),
        "context": one_of(["prod", "arn:aws:eks:eu:1:cluster/x"]),
        "topicsAndUsers": one_of(["pulumi", "gitops"]),
        "operatorNamespace": one_of(["strimzi", "kafka-operator-0"]),
    },
)
WAIVERS = st.lists(
    st.fixed_dictionaries(
        {
            "rule": one_of(["replication-factor", "racks"]),
            "owner": names.OWNERS,
            "reason": one_of(["one machine only", "schon länger so", "x" * 300]),
            "expires": st.dates().map(str),
        },
        optional={"path": one_of(["kafka.brokers", 'pipelines[0].tables["shop.orders"]'])},
    ),
    max_size=2,
)


@st.composite
def environments(draw: Draw, target: str | None = None) -> Plain:
    """One environment without its name, which comes from the stack's file."""
    cluster = draw(_clusters(target or draw(one_of(TARGETS))))
    owners = draw(st.lists(tenants(), max_size=3, unique_by=lambda tenant: str(tenant["name"])))
    tenant_names = tuple(str(tenant["name"]) for tenant in owners)
    naming = draw(one_of(NAMINGS))
    found = draw(pipelines(cluster, tenant_names, naming))
    parts: Plain = {
        "kubernetes": draw(KUBERNETES),
        "naming": naming,
        "kafka": draw(kafka.clusters(cluster, tenant_names, derived_topics(found, naming), derived_users(found))),
        "tenants": owners,
        "pipelines": found,
        "waivers": draw(WAIVERS),
    }
    if registry.fits(parts["kafka"], derived_topics(found, naming), derived_users(found)) and draw(st.booleans()):
        parts |= draw(registry.registries(cluster.target))
    if connect.fits(parts["kafka"], found, derived_topics(found, naming), derived_users(found), naming) and draw(st.booleans()):
        parts["connect"] = draw(connect.connects(cluster.target))
    if mirror.fits(parts["kafka"], owners, derived_topics(found, naming), derived_users(found)):
        parts |= {"mirrorMaker": draw(mirror.mirrors(cluster.brokers))} if draw(st.booleans()) else {}
        parts |= {"disasterRecovery": draw(mirror.RECOVERIES)} if draw(st.booleans()) else {}
    parts |= {"postgres": draw(stores.databases(cluster.target))} if draw(st.booleans()) else {}
    parts |= {"redis": draw(stores.caches())} if draw(st.booleans()) else {}
    parts |= {"vault": draw(vaults.vaults(cluster.target))} if draw(st.booleans()) else {}
    if observability.fits(parts["kafka"], derived_topics(found, naming), derived_users(found)) and draw(st.booleans()):
        parts["observability"] = draw(observability.observed(cluster.target))
    if backup.fits(parts["kafka"], derived_topics(found, naming), derived_users(found)) and draw(st.booleans()):
        parts["backup"] = draw(backup.backups(cluster.target, [str(pipeline["name"]) for pipeline in found]))
    if "connect" in parts and draw(st.booleans()):
        parts["tracing"] = draw(observability.traced(cluster.target))
    if sinks.fits(parts["kafka"], found, derived_topics(found, naming), naming):
        parts |= draw(_read_and_written(cluster.target, parts))
    kinds = chaos.fitting(parts, cluster)
    if bool(kinds) and draw(st.booleans()):
        parts["chaos"] = draw(chaos.experiments(kinds))
    given = {key: value for key, value in parts.items() if value or draw(st.booleans())}
    return {"tier": draw(one_of(TIERS)), "target": cluster.target, **given}


@st.composite
def _read_and_written(draw: Draw, target: str, parts: Plain) -> Plain:
    """Workers, agents, and databases of its own to read from; with the pipelines that fit them."""
    changed: Plain = {}
    pipelines = parts["pipelines"]
    if draw(st.booleans()):
        pipelines = sinks.with_passwords(pipelines, draw(sinks.PASSWORDS))
        changed["sink"] = draw(sinks.workers(target))
    if sinks.agents_fit(pipelines) and draw(st.booleans()):
        changed["cassandraAgent"] = draw(sinks.agents(target))
    if target == "docker" and draw(st.booleans()):
        kinds = development.kinds_of(pipelines) - (set() if "cassandraAgent" in changed else {"cassandra"})
        pipelines = development.read_here(pipelines, kinds)
        own_vault = "vault" in parts and "external" not in parts["vault"]
        changed["development"] = draw(development.developments(kinds, parts["kafka"], own_vault))
    return {**changed, "pipelines": pipelines}


@cache
@st.composite
def _clusters(draw: Draw, target: str) -> Cluster:
    brokers = draw(st.integers(1, 5))
    return Cluster(target, brokers, draw(st.integers(1, brokers)), draw(st.booleans()))
