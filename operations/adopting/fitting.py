"""Puts the parts together, and leaves out what the spec refuses or would change, until nothing is refused or changed. Pure."""

from dataclasses import dataclass

from components.core.errors import CdcError, SpecError
from components.core.paths import parse_path
from components.environment import EnvironmentSpec
from components.loading import build_environment
from operations.adopting.parts import Draft, LeftOver, Plain
from operations.adopting.pipelines import candidates, declare_pipelines, topics_of, users_of
from operations.adopting.text import spec_text
from operations.adopting.topics import declare_topics
from operations.adopting.users import declare_users
from operations.live.desired import desired
from operations.live.observed import Observed
from operations.live.ownership import Ownership
from operations.live.plan import Judged, Words, plan

_MOST_ROUNDS = 50
_KIND = {"topics": "topic", "users": "user", "pipelines": "pipeline"}


@dataclass(frozen=True, slots=True)
class Adopted:
    """A spec file whose plan is empty. ``left`` is everything that it does not say, sorted."""

    spec: EnvironmentSpec
    text: str
    left: tuple[LeftOver, ...]


def adopt(name: str, tier: str, seen: Observed) -> Adopted:
    """A spec of what was ``seen``. Raises :class:`CdcError` where nothing can be said of the cluster at all."""
    draft = Draft()
    found = candidates(seen)
    derived, plain = (set[str]().union(*sets) for sets in ([one.derived for one in found], [one.plain for one in found]))
    defaults = declare_topics(seen.kafka, draft, derived, plain)
    everybody = declare_users(seen.kafka, draft)
    declare_pipelines(found, draft)
    for _ in range(_MOST_ROUNDS):
        value = _value(tier, seen, draft, defaults, everybody)
        try:
            spec = build_environment(value, name, name)
        except SpecError as error:
            refused = {problem.path: problem.message for problem in error.problems}
        else:
            wanted = desired(spec)
            refused = {
                planned.origin: "the spec would have it otherwise"
                for planned in plan(wanted, seen, Ownership(), Words(), Judged())
            }
            if not refused:
                left = tuple(sorted({*draft.left, *_never_said(seen, spec)}))
                return Adopted(spec, spec_text(name, value, seen, left), left)
        _leave_out(refused, value, draft)
    raise CdcError(
        f"{name}: no spec was found that leaves the cluster as it is\n      → report it, with what cdc adopt --json says"
    )


def _value(tier: str, seen: Observed, draft: Draft, defaults: Plain, everybody: Plain) -> Plain:
    pipelines = [draft.pipelines[name] for name in sorted(draft.pipelines)]
    told_topics = {topic for pipeline in pipelines for topic in topics_of(pipeline)}
    told_users = {user for pipeline in pipelines for user in users_of(pipeline)}
    topics = [topic for name, topic in sorted(draft.topics.items()) if name not in told_topics]
    tenants = {topic["tenant"] for topic in topics if "tenant" in topic} | {pipeline["tenant"] for pipeline in pipelines}
    users = []
    for name, user in sorted(draft.users.items()):
        if name not in told_users:
            tenant = name.partition("-")[0]
            users.append({"name": name, **({"tenant": tenant} if tenant in tenants else {}), **user})
    replicas = [topic.replicas for topic in seen.kafka.topics.values()]
    kafka: Plain = {
        "brokers": max([len(seen.kafka.brokers), 1, *replicas]),
        "authorization": {"type": "none" if seen.kafka.acls is None else "simple"},
        "quotas": {"default": everybody},
        "topicDefaults": defaults,
        "topics": topics,
        "users": users,
    }
    return {
        "tier": tier,
        "target": "docker",
        "kafka": {key: part for key, part in kafka.items() if part},
        **({"tenants": [{"name": tenant, "owner": "unknown"} for tenant in sorted(tenants)]} if tenants else {}),
        **({"pipelines": pipelines} if pipelines else {}),
    }


def _leave_out(refused: dict[str, str], value: Plain, draft: Draft) -> None:
    """Parts that are refused go; a path that leads to none of them says that the whole is not understood."""
    gone = False
    for path, why in sorted(refused.items()):
        steps = [step for step in parse_path(path) if step != "kafka"]
        if len(steps) < 2 or steps[0] not in _KIND or not isinstance(steps[1], int):
            continue
        listed = value["pipelines"] if steps[0] == "pipelines" else value["kafka"][steps[0]]
        name = listed[steps[1]]["name"]
        parts = {"topics": draft.topics, "users": draft.users, "pipelines": draft.pipelines}[str(steps[0])]
        if parts.pop(name, None) is not None:
            gone = True
            draft.leave(_KIND[str(steps[0])], f"User:{name}" if steps[0] == "users" else name, why)
    if not gone:
        told = "; ".join(f"{path}: {why}" for path, why in sorted(refused.items()))
        raise CdcError(f"the cluster has what no spec says: {told}\n      → write the spec by hand")


def _never_said(seen: Observed, spec: EnvironmentSpec) -> set[LeftOver]:
    """What an adopted spec leaves to others on purpose, and what could not be looked at."""
    found = {LeftOver("not seen", gap.what, gap.why) for gap in seen.gaps}
    if seen.registry is not None:
        why = "declare schemaRegistry.subjects to have it checked and registered from here"
        found |= {LeftOver("subject", subject, why) for subject in seen.registry.subjects}
        found.add(LeftOver("registry", "compatibility", f"{seen.registry.level}, of all subjects without one of their own"))
    for cluster, connectors in (seen.connect or {}).items():
        why = f"declare connect to have it run from here (seen on {cluster})"
        found |= {LeftOver("connector", name, why) for name in connectors}
    for pipeline in spec.pipelines:
        found.add(
            LeftOver(
                "secret", f"pipelines[{pipeline.name}].source", "Kafka tells no passwords: put it where the reference says"
            )
        )
        found.add(
            LeftOver("target", f"pipelines[{pipeline.name}].sink", "Kafka does not know where rows go: name the database")
        )
    return found | _surplus(seen, spec)


def _surplus(seen: Observed, spec: EnvironmentSpec) -> set[LeftOver]:
    """Rights that a pipeline's user has beside those that it needs."""
    wanted = desired(spec)
    found = set()
    for user in wanted.users.values():
        if user.pipeline:
            for acl in (seen.kafka.acls or frozenset()) - user.acls:
                if acl.principal == user.principal:
                    what = f"{acl.operation} on {acl.resource} {acl.name}"
                    found.add(LeftOver("ACL", f"{acl.principal}: {what}", "more than its pipeline needs"))
    return found
