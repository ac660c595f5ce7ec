"""The schema registry and HAProxy, where the rest of an environment leaves room for them."""

from functools import cache

from hypothesis import strategies as st

from tests.strategies import names
from tests.strategies.draw import Draw, Plain, one_of, some_of

LEVELS = ("BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE", "NONE")
TOPICS = ("_schemas", "kafkasql-journal", "kafkasql-snapshots", "registry-events")
USER = "schema-registry"
RESOURCES = one_of([{"memory": "512Mi"}, {"cpu": "250m", "cpuLimit": 3, "memory": "2Gi"}])


def fits(kafka: Plain, pipelines_topics: list[str], users: list[str]) -> bool:
    """Whether the registry can connect, and nothing has the names of what is its own."""
    listeners = kafka.get("listeners", [{}])
    reachable = any(
        entry.get("type", "internal") == "internal" and entry.get("authentication", "scram-sha-512") != "tls"
        for entry in listeners
    )
    taken = {names.look(topic) for topic in (*pipelines_topics, *(str(topic["name"]) for topic in kafka.get("topics", [])))}
    own_users = {str(user["name"]) for user in kafka.get("users", [])} | set(users)
    return reachable and not taken & {names.look(topic) for topic in TOPICS} and USER not in own_users


@st.composite
def registries(draw: Draw, target: str) -> Plain:
    """A registry, and HAProxy where there are several or it is wanted all the same."""
    replicas = draw(st.integers(1, 4))
    registry: Plain = {"replicas": replicas} | draw(_registry())
    if replicas == 1 and draw(st.booleans()):
        return {"schemaRegistry": registry}
    return {"schemaRegistry": registry, "haproxy": draw(_haproxy(target))}


@cache
def _registry() -> st.SearchStrategy[Plain]:
    subjects = st.lists(
        st.fixed_dictionaries(
            {"subject": one_of(["shop_orders-value", "ünïcode", "a:b#c%2F"]), "compatibility": one_of(LEVELS)},
            optional={"file": st.just("schemas/x.avsc"), "schemaType": one_of(["AVRO", "JSON"])},
        ),
        max_size=2,
        unique_by=lambda entry: str(entry["subject"]),
    )
    return st.fixed_dictionaries(
        {},
        optional={
            "distribution": one_of(["confluent", "apicurio"]),
            "image": st.just("registry.example.org/registry:1"),
            "compatibility": one_of(LEVELS),
            "tls": st.fixed_dictionaries({}, optional={"enabled": st.booleans(), "ca": st.just("vault:registry#ca")}),
            "resources": RESOURCES,
            "subjects": subjects,
        },
    )


@cache
@st.composite
def _haproxy(draw: Draw, target: str) -> Plain:
    authentication = draw(one_of(["basic", "tls", "none"]))
    users = [
        {"name": name, "passwordHash": "vault:haproxy#hash"} | some_of(draw, {"password": st.just("secret:x#y")})
        for name in draw(st.lists(one_of(["app", "A.b_c-1", "0"]), min_size=1, max_size=3, unique=True))
    ]
    found: Plain = {"authentication": authentication, "users": users}
    if authentication == "tls":
        found["tls"] = {"clientCa": "vault:ca#ca.crt"} | some_of(draw, {"minimum": one_of(["TLSv1.2", "TLSv1.3"])})
    else:
        found |= some_of(draw, {"tls": st.fixed_dictionaries({"enabled": st.booleans()})})
    if target == "kubernetes":
        found |= some_of(draw, {"replicas": st.integers(1, 5), "clusterDomain": one_of(["cluster.local", "k8s.example.org"])})
    optional = {"image": st.just("haproxy@sha256:" + "0" * 64), "publish": st.booleans(), "drain": one_of(["1s", "45s"])}
    return found | some_of(draw, optional | {"statsPort": one_of([8404, 1024, 65535]), "resources": RESOURCES})
