"""The pure plan of a live system: it leads to the spec, touches only what is ours, and shows no difference that is none."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.live.changes import (
    AddPartitions,
    Configure,
    CreateTopic,
    Delete,
    DropPassword,
    Grant,
    MoveReplicas,
    Object,
    Planned,
    Revoke,
    SetQuota,
)
from operations.live.consequences import Facts, explained
from operations.live.desired import EVERYBODY, SCRAM, Desired, DesiredTopic, DesiredUser, PipelineFacts
from operations.live.normal import canonical, canonical_config, differing
from operations.live.observed import Acl, Broker, Credential, Entity, Observed, ObservedKafka, ObservedTopic
from operations.live.ownership import Mark, Ownership
from operations.live.placement import is_internal, moved, spread
from operations.live.plan import Judged, Words, named, plan
from tests.doubles.live_system import acls_of, changed

BROKERS = tuple(Broker(number, f"host-{number}", 9092, f"rack-{number % 2}") for number in range(4))
DEFAULTS = {
    "cleanup.policy": "delete",
    "retention.ms": "604800000",
    "retention.bytes": "-1",
    "local.retention.ms": "-2",
    "flush.ms": "9223372036854775807",
    "min.insync.replicas": "1",
    "compression.type": "producer",
}
NAMES = ("orders", "lines", "audit", "old", "__consumer_offsets")
USERS = ("alice", "bob", "carol")


def desired(
    topics: tuple[DesiredTopic, ...] = (),
    users: tuple[DesiredUser, ...] = (),
    quota: Mapping[str, float] | None = None,
    **more: Any,
) -> Desired:
    return Desired(
        "test",
        operated=more.pop("operated", False),
        judged=True,
        topics={topic.name: topic for topic in topics},
        users={user.name: user for user in users},
        default_quota=quota or {},
        **more,
    )


def topic(name: str, partitions: int = 1, replicas: int = 2, **more: Any) -> DesiredTopic:
    config = canonical_config(more.pop("config", {}))
    return DesiredTopic(name, partitions, replicas, config, f"kafka.topics[{name}]", **more)


def user(
    name: str, acls: frozenset[Acl] = frozenset(), quota: Mapping[str, float] | None = None, scram: bool = True
) -> DesiredUser:
    return DesiredUser(name, f"User:{name}", scram, acls, quota or {}, f"kafka.users[{name}]")


def system(
    *topics: ObservedTopic,
    acls: frozenset[Acl] = frozenset(),
    credentials: Mapping[str, tuple[Credential, ...]] | None = None,
    quotas: Mapping[Entity, Mapping[str, float]] | None = None,
) -> Observed:
    there = {one.name: one for one in topics}
    return Observed(ObservedKafka("id", 0, BROKERS, there, DEFAULTS, acls, credentials or {}, quotas or {}))


def there(name: str, partitions: int = 1, replicas: int = 2, config: Mapping[str, str] | None = None) -> ObservedTopic:
    assignment = tuple(tuple(range(replicas)) for _ in range(partitions))
    return ObservedTopic(name, assignment, config or {}, is_internal(name))


def planned(
    wanted: Desired, seen: Observed, marks: Mapping[Object, Mark] | None = None, words: Words | None = None
) -> list[Planned]:
    return plan(wanted, seen, Ownership(marks or {}), words or Words(), Judged())


def to_make(found: list[Planned]) -> list[Planned]:
    return [one for one in found if not one.hold]


# Any spec beside any system

_values = st.sampled_from(["1000", "604800000", "-1", "604800000.0"])
_configs = st.dictionaries(st.sampled_from(["retention.ms", "retention.bytes", "flush.ms"]), _values, max_size=3)
_acls = st.builds(
    Acl,
    st.sampled_from([f"User:{name}" for name in (*USERS, "stranger")]),
    st.sampled_from(["TOPIC", "GROUP"]),
    st.sampled_from(NAMES),
    st.sampled_from(["LITERAL", "PREFIXED"]),
    st.sampled_from(["READ", "WRITE", "DESCRIBE"]),
    st.sampled_from(["ALLOW", "DENY"]),
    st.sampled_from(["*", "10.0.0.1"]),
)
_figures = st.dictionaries(
    st.sampled_from(["producer_byte_rate", "consumer_byte_rate"]), st.sampled_from([1.0, 5.0]), max_size=2
)
_credentials = st.sampled_from([(), (Credential(SCRAM, 4096),), (Credential("SCRAM-SHA-256", 4096), Credential(SCRAM, 4096))])


@st.composite
def desires(draw: st.DrawFn) -> Desired:
    topics = [
        topic(
            name,
            draw(st.integers(1, 4)),
            draw(st.integers(1, 3)),
            config=draw(_configs),
            mirrored=draw(st.integers(0, 5)) == 0,
            ordered=draw(st.sampled_from([None, True, False])),
        )
        for name in draw(st.sets(st.sampled_from(NAMES[:4])))
    ]
    users = [
        user(
            name,
            frozenset(replace(acl, principal=f"User:{name}") for acl in draw(st.lists(_acls, max_size=3))),
            draw(_figures),
            draw(st.booleans()),
        )
        for name in draw(st.sets(st.sampled_from(USERS)))
    ]
    return desired(tuple(topics), tuple(users), draw(_figures))


@st.composite
def systems(draw: st.DrawFn) -> Observed:
    topics = [
        there(name, draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(_configs))
        for name in draw(st.sets(st.sampled_from(NAMES)))
    ]
    people = {name: draw(_credentials) for name in draw(st.sets(st.sampled_from([*USERS, "stranger"])))}
    entities: list[Entity] = [EVERYBODY, (("client-id", "x"),), *((("user", name),) for name in (*USERS, "stranger"))]
    quotas = {who: figures for who in draw(st.sets(st.sampled_from(entities))) if (figures := draw(_figures))}
    acls = frozenset(draw(st.lists(_acls, max_size=8)))
    return system(*topics, acls=acls, credentials={n: c for n, c in people.items() if c}, quotas=quotas)


_objects = st.one_of(
    st.builds(lambda name: Object("topic", name), st.sampled_from(NAMES)),
    st.builds(lambda name: Object("user", name), st.sampled_from([*USERS, "stranger"])),
)
_marks = st.dictionaries(_objects, st.sampled_from(["managed", "adopted"]), max_size=6)
_words = st.builds(
    Words, st.dictionaries(_objects, st.just("no longer needed"), max_size=2), st.frozensets(st.sampled_from(NAMES), max_size=3)
)


@given(desires(), systems(), _marks, _words)
def test_what_was_made_leaves_nothing_to_make(wanted: Desired, seen: Observed, marks: dict[Object, Mark], words: Words) -> None:
    first = planned(wanted, seen, marks, words)
    after = changed(seen, to_make(first))
    again = planned(wanted, after, marks, words)
    assert to_make(again) == []
    assert [(one.object, type(one.change)) for one in again] == [(one.object, type(one.change)) for one in first if one.hold]


@given(desires(), systems(), _marks, _words, st.data())
def test_a_plan_that_was_cut_anywhere_is_finished_by_the_next(
    wanted: Desired, seen: Observed, marks: dict[Object, Mark], words: Words, data: st.DataObject
) -> None:
    first = to_make(planned(wanted, seen, marks, words))
    part = changed(seen, first[: data.draw(st.integers(0, len(first)))])
    rest = to_make(planned(wanted, part, marks, words))
    assert changed(part, rest) == changed(seen, first)


@given(desires(), systems(), _marks, _words)
def test_nothing_of_anybody_else_is_ever_touched(
    wanted: Desired, seen: Observed, marks: dict[Object, Mark], words: Words
) -> None:
    found = planned(wanted, seen, marks, words)
    ours = named(wanted, Judged()) | set(marks)
    after = changed(seen, to_make(found))
    assert all(one.object in ours for one in to_make(found))
    for name, one in seen.kafka.topics.items():
        if Object("topic", name) not in ours:
            assert after.kafka.topics[name] == one
    for name in (*USERS, "stranger"):
        if Object("user", name) not in ours:
            assert acls_of(after.kafka, f"User:{name}") == acls_of(seen.kafka, f"User:{name}")
            assert (after.kafka.credentials or {}).get(name) == (seen.kafka.credentials or {}).get(name)
            assert (after.kafka.quotas or {}).get((("user", name),)) == (seen.kafka.quotas or {}).get((("user", name),))
    assert (after.kafka.quotas or {}).get((("client-id", "x"),)) == (seen.kafka.quotas or {}).get((("client-id", "x"),))


@given(desires(), systems(), _marks, _words)
def test_what_is_taken_away_was_named_or_is_ours_in_whole(
    wanted: Desired, seen: Observed, marks: dict[Object, Mark], words: Words
) -> None:
    after = changed(seen, to_make(planned(wanted, seen, marks, words)))
    for name in set(seen.kafka.topics) - set(after.kafka.topics):
        thing = Object("topic", name)
        assert thing in words.delete
        assert thing in marks
        assert not is_internal(name)
        assert name not in wanted.topics
    for name, before in seen.kafka.topics.items():
        if name in after.kafka.topics:
            assert after.kafka.topics[name].partitions >= before.partitions
    gone = (seen.kafka.acls or frozenset()) - (after.kafka.acls or frozenset())
    for acl in gone:
        thing = Object("user", acl.principal.removeprefix("User:"))
        assert marks.get(thing) == "managed" or thing in words.delete


@given(desires(), systems(), _marks)
def test_mirrored_and_internal_topics_are_left_alone(wanted: Desired, seen: Observed, marks: dict[Object, Mark]) -> None:
    for one in planned(wanted, seen, marks):
        if one.object.kind == "topic":
            assert not wanted.topics[one.object.name].mirrored
            assert not is_internal(one.object.name)


# What is the same


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [
        ("retention.ms", "7d", 604_800_000),
        ("retention.ms", "604800000.0", "604800000"),
        ("retention.ms", "9223372036854775807", "-1"),
        ("retention.bytes", "9223372036854775807", -1),
        ("segment.bytes", "1GiB", "1073741824"),
        ("preallocate", True, "TRUE"),
        ("min.cleanable.dirty.ratio", 0.5, "0.50"),
        ("cleanup.policy", "delete, compact", "compact,delete"),
        ("compression.type", "lz4", " lz4"),
    ],
)
def test_spellings_of_the_same_are_the_same(key: str, one: Any, other: Any) -> None:
    assert canonical(key, one) == canonical(key, other)
    assert differing({key: canonical(key, one)}, {key: str(other)}, {}, whole=True) == {}


def test_greatest_is_no_end_only_where_minus_one_is() -> None:
    assert canonical("flush.ms", "9223372036854775807") != canonical("flush.ms", "-1")


def test_a_topic_that_says_nothing_has_its_brokers_default() -> None:
    assert differing({"retention.ms": "604800000"}, {}, DEFAULTS, whole=True) == {}
    assert differing({}, {"retention.ms": "604800000"}, DEFAULTS, whole=True) == {}
    assert differing({"retention.ms": "1"}, {}, DEFAULTS, whole=True) == {"retention.ms": ("604800000", "1")}


def test_minus_two_is_what_the_other_key_says() -> None:
    wanted = {"local.retention.ms": "1000", "retention.ms": "1000"}
    assert differing(wanted, {"retention.ms": "1000"}, DEFAULTS, whole=True) == {}
    assert differing({**wanted, "local.retention.ms": "5"}, {"retention.ms": "1000"}, DEFAULTS, whole=True) != {}


def test_throttles_of_a_move_are_nobodys_drift() -> None:
    assert differing({}, {"leader.replication.throttled.replicas": "0:1"}, {}, whole=True) == {}


def test_what_an_adopted_topic_says_beside_the_spec_stays() -> None:
    own, thing = there("orders", config={"flush.ms": "5", "retention.ms": "7"}), Object("topic", "orders")
    wanted = desired((topic("orders", config={"retention.ms": "1000"}),))
    adopted = planned(wanted, system(own))
    managed = planned(wanted, system(own), {thing: "managed"})
    assert [one.change for one in adopted] == [Configure("orders", {"retention.ms": ("7", "1000")})]
    assert [one.change for one in managed] == [Configure("orders", {"flush.ms": ("5", None), "retention.ms": ("7", "1000")})]


def test_what_an_adopted_user_has_beside_the_spec_stays() -> None:
    extra = Acl("User:bob", "TOPIC", "their", "LITERAL", "READ")
    entity: Entity = (("user", "bob"),)
    bound = {"producer_byte_rate": 1.0, "consumer_byte_rate": 2.0}
    both = (Credential("SCRAM-SHA-256", 4096), Credential(SCRAM, 4096))
    seen = system(acls=frozenset({extra}), credentials={"bob": both}, quotas={entity: bound})
    wanted = desired(users=(user("bob", quota={"producer_byte_rate": 5.0}),))
    adopted = planned(wanted, seen)
    managed = planned(wanted, seen, {Object("user", "bob"): "managed"})
    assert [one.change for one in adopted] == [SetQuota(entity, bound, {**bound, "producer_byte_rate": 5.0})]
    assert [one.change for one in managed] == [
        SetQuota(entity, bound, {"producer_byte_rate": 5.0}),
        Revoke("User:bob", (extra,)),
        DropPassword("bob", "SCRAM-SHA-256"),
    ]


# What needs a word


def test_partitions_never_shrink() -> None:
    [one] = planned(desired((topic("orders", 2),)), system(there("orders", 3)))
    assert (one.hold, "none away" in one.why) == ("refused", True)


@pytest.mark.parametrize(("ordered", "hold"), [(True, "refused"), (None, "refused"), (False, "")])
def test_growing_a_keyed_topic_needs_a_word(ordered: bool | None, hold: str) -> None:
    wanted = desired((topic("orders", 3, ordered=ordered),))
    [one] = planned(wanted, system(there("orders", 2)))
    assert one.hold == hold
    [said] = planned(wanted, system(there("orders", 2)), words=Words(remap=frozenset({"orders"})))
    assert (said.hold, said.change) == ("", AddPartitions("orders", 2, 3))


def test_replicas_are_moved_by_kafkas_own_tool() -> None:
    [one] = planned(desired((topic("orders", 2, 3),)), system(there("orders", 2, 2)))
    assert (one.hold, isinstance(one.change, MoveReplicas)) == ("manual", True)


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
def test_replicas_that_are_there_stay_and_racks_are_filled_first(partitions: int, before: int, after: int) -> None:
    old = tuple(tuple((start + step) % 4 for step in range(before)) for start in range(partitions))
    new = spread(old, after, BROKERS)
    for was, now in zip(old, new, strict=True):
        assert len(now) == len(set(now)) == after
        assert now[: min(before, after)] == was[:after]
        if before == 1 and after == 2:
            assert {number % 2 for number in now} == {0, 1}
    assert moved(old, new) == partitions * max(0, after - before)


def test_only_what_is_ours_and_out_of_the_spec_is_deleted_by_its_name() -> None:
    seen = system(there("old"), there("__consumer_offsets"), there("orders"))
    wanted = desired((topic("orders"),))
    marks: dict[Object, Mark] = {Object("topic", name): "managed" for name in ("old", "orders", "__consumer_offsets")}

    def verdict(name: str, marks: Mapping[Object, Mark]) -> list[str]:
        words = Words({Object("topic", name): "why not"})
        return [one.hold for one in planned(wanted, seen, marks, words) if isinstance(one.change, Delete)]

    assert verdict("old", marks) == [""]
    assert verdict("old", {}) == ["refused"]
    assert verdict("orders", marks) == ["refused"]
    assert verdict("__consumer_offsets", marks) == ["refused"]
    assert verdict("gone", marks) == []
    assert planned(wanted, seen, marks) == []


def test_a_deleted_user_loses_rights_quota_and_password_in_that_order() -> None:
    acl = Acl("User:bob", "TOPIC", "orders", "LITERAL", "READ")
    entity: Entity = (("user", "bob"),)
    seen = system(
        acls=frozenset({acl}), credentials={"bob": (Credential(SCRAM, 4096),)}, quotas={entity: {"producer_byte_rate": 1.0}}
    )
    thing = Object("user", "bob")
    found = planned(desired(), seen, {thing: "managed"}, Words({thing: "has left"}))
    assert [one.change for one in found] == [
        SetQuota(entity, {"producer_byte_rate": 1.0}, {}),
        Revoke("User:bob", (acl,)),
        DropPassword("bob", SCRAM),
    ]


def test_what_is_leant_on_comes_before_who_leans_on_it() -> None:
    acl = Acl("User:bob", "TOPIC", "orders", "LITERAL", "READ")
    old = replace(acl, name="old")
    seen = system(acls=frozenset({old}), credentials={"bob": (Credential(SCRAM, 4096),)})
    found = planned(desired((topic("orders"),), (user("bob", frozenset({acl})),)), seen, {Object("user", "bob"): "managed"})
    assert [type(one.change) for one in found] == [CreateTopic, Grant, Revoke]


def test_where_strimzi_operates_topics_and_users_are_its_own() -> None:
    wanted = desired((topic("orders"),), (user("bob"),), {"producer_byte_rate": 1.0}, operated=True)
    assert {one.hold for one in planned(wanted, system())} == {"manual"}


def test_a_quota_that_nobody_bounds_is_no_difference() -> None:
    assert planned(desired(users=(user("bob", scram=False),)), system()) == []
    seen = system(quotas={(("user", "bob"),): {"request_percentage": 5.0}})
    wanted = desired(users=(user("bob", quota={"request_percentage": 5}, scram=False),))
    assert planned(wanted, seen, {Object("user", "bob"): "managed"}) == []


# What follows


def told(wanted: Desired, seen: Observed, one: Planned, **more: Any) -> tuple[set[str], Planned]:
    found = explained(one, Facts(wanted, seen, **more))
    return {consequence.kind for consequence in found.consequences}, found


def test_a_shorter_retention_loses_records_and_cannot_be_undone() -> None:
    wanted = desired(
        (topic("orders", config={"retention.ms": 1000}, pipeline="shop"),),
        pipelines={"shop": PipelineFacts("shop", "shop_sink", "h", frozenset())},
    )
    seen = system(there("orders"))
    [one] = planned(wanted, seen)
    kinds, found = told(wanted, seen, one, sizes={"orders": 5 << 20}, groups={"orders": ("shop_sink", "other")})
    assert kinds == {"loss", "consumers"}
    assert found.undo is None
    texts = [consequence.text for consequence in found.consequences]
    assert any("5MiB" in text for text in texts)
    assert {"pipeline", "consumer group other"} <= {" ".join(text.split()[:1]) for text in texts} | {
        text.rpartition(" must")[0] for text in texts
    }


def test_a_longer_retention_loses_nothing() -> None:
    wanted = desired((topic("orders", config={"retention.ms": -1}),))
    [one] = planned(wanted, system(there("orders")))
    kinds, found = told(wanted, system(there("orders")), one, sizes={"orders": 1}, groups={"orders": ()})
    assert (kinds, found.undo is not None) == (set(), True)


def test_moved_bytes_and_their_time_are_counted() -> None:
    wanted, seen = desired((topic("orders", 2, 3),)), system(there("orders", 2, 2))
    [one] = planned(wanted, seen)
    _, found = told(wanted, seen, one, sizes={"orders": 600 << 20}, throttle=10 << 20)
    [consequence] = found.consequences
    assert consequence.figures == {"bytes": 600 << 20, "seconds": 60}
    kinds, _ = told(wanted, seen, one)
    assert kinds == {"unknown"}


def test_a_share_of_the_keys_is_said_to_move() -> None:
    wanted, seen = desired((topic("orders", 4, ordered=True),)), system(there("orders", 2))
    [one] = planned(wanted, seen, words=Words(remap=frozenset({"orders"})))
    kinds, found = told(wanted, seen, one, sizes={"orders": 0}, groups={"orders": ("g",)})
    assert kinds == {"keys", "consumers"}
    assert found.consequences[0].figures == {"sharePercent": 50, "empty": True}
    assert found.undo is None
