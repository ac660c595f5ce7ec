"""Which of another tenant's names an ACL reaches, against the plainest way to say it."""

from hypothesis import example, given
from hypothesis import strategies as st

from components.kafka.state import AclBinding
from policies.rules.kafka_access import OwnedNames

NAMES = st.text(alphabet="ab_", min_size=1, max_size=5)
TENANTS = st.sampled_from(["a", "b", "c"])


def reached(acl: AclBinding, names: dict[str, str]) -> list[str]:
    if acl.pattern == "literal" and acl.name != "*":
        return [name for name in names if name == acl.name]
    return sorted(name for name in names if acl.name == "*" or name.startswith(acl.name))


@given(st.dictionaries(NAMES, TENANTS, max_size=12), NAMES | st.just("*"), st.sampled_from(["literal", "prefix"]), TENANTS)
@example({}, "a", "prefix", "a")
@example({"a_1": "a", "a_2": "a"}, "a_", "prefix", "a")
@example({"a_1": "a", "b_1": "b", "b_2": "b"}, "*", "literal", "a")
def test_strangers_are_the_reached_names_of_other_tenants(names: dict[str, str], name: str, pattern: str, tenant: str) -> None:
    acl = AclBinding("topic", name, "prefix" if pattern == "prefix" else "literal", ("Read",))
    strangers = [stranger for stranger in reached(acl, names) if names[stranger] != tenant]
    assert OwnedNames(names).strangers(acl, tenant) == ((strangers[0], len(strangers)) if strangers else None)
