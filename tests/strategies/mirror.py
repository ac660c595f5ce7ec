"""The two sides of a mirror, where the rest of an environment leaves room for them."""

from hypothesis import strategies as st

from tests.strategies.draw import Draw, Plain, one_of, some_of
from tests.strategies.names import look
from tests.strategies.registry import TOPICS
from tests.strategies.registry import fits as registry_fits

OWN_TOPICS = ("mm2-configs.prod.internal", "mm2-offsets.prod.internal", "mm2-status.prod.internal", "heartbeats")
USERS = {"mirror-maker", "mirror-maker-writer"}
RESOURCES = one_of([{"memory": "2Gi"}, {"cpu": "500m", "cpuLimit": 1, "memory": "1Gi"}])


def fits(kafka: Plain, tenants: list[Plain], topics: list[str], users: list[str]) -> bool:
    """Whether MirrorMaker can connect and has something to mirror, and nothing has the names of what is its own."""
    declared = {str(user["name"]) for user in kafka.get("users", [])} | set(users)
    taken = {look(topic) for topic in (*topics, *(str(topic["name"]) for topic in kafka.get("topics", [])))}
    own = {look(topic) for topic in (*OWN_TOPICS, *TOPICS)}
    return bool(tenants) and registry_fits(kafka, topics, users) and not declared & USERS and not taken & own


@st.composite
def mirrors(draw: Draw, replicas: int) -> Plain:
    """What mirrors the environment ``prod``. ``replicas`` is the most that a topic can have."""
    source: Plain = {"environment": "prod", "bootstrap": draw(one_of(["a:9093", "kafka-0.prod.example:9094,b-1:1"]))}
    source |= some_of(draw, {"password": one_of(["vault:a/b#password", "secret:x#y"]), "ca": st.just("secret:ca#ca.crt")})
    exactly_once = draw(st.booleans())
    optional = {
        "failedOver": st.booleans(),
        "topics": st.lists(one_of(["shop_.+", r"a\.b", ".*"]), max_size=2, unique=True),
        "groups": st.lists(one_of(["shop_.+", ".*"]), max_size=2, unique=True),
        "registry": st.booleans(),
        "replicas": st.integers(1, 4),
        "tasksMax": st.integers(1, 16),
        "resources": RESOURCES,
        "jvm": st.just({"heap": "512Mi", "options": {"MaxGCPauseMillis": "20"}}),
        "image": st.just("registry.example.org/kafka:1"),
        "replicationFactor": st.integers(1, replicas),
        "checkpoints": one_of(["1s", "1m"]),
        "offsetLag": st.integers(0, 100),
        "client": st.just({"batch": "1MiB", "records": 100, "linger": "5ms"}),
        "rpo": one_of(["30s", "10m"]),
    }
    return {"source": source, "exactlyOnce": exactly_once, "connectOffsets": not exactly_once} | some_of(draw, optional)


RECOVERIES = st.one_of(
    st.just("prod-dr"),
    st.fixed_dictionaries(
        {"standby": st.just("prod-dr")},
        optional={
            "rpo": one_of(["30s", "1m"]),
            "reads": st.lists(one_of(["*", "audit*", "a.b"]), max_size=2),
            "groups": st.just(["audit*"]),
            "password": st.just("vault:a#b"),
            "quota": st.just({"consume": "50MB/s"}),
        },
    ),
)
