"""What a rule is and what it judges."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, Literal, TypeVar

from components.core.context import Tier
from components.core.rendered import Manifest, Rendered
from components.environment import EnvironmentSpec
from components.kafka.state import KafkaState, Topic, User
from components.platform import render
from policies.reach import Reach

Level = Literal["mandatory", "advisory", "disabled"]
Judged = TypeVar("Judged")


def levels(production: Level, staging: Level, development: Level) -> Mapping[Tier, Level]:
    """How much a rule weighs in each tier."""
    return {"production": production, "staging": staging, "development": development}


EVERYWHERE = levels("mandatory", "mandatory", "mandatory")
SHARED = levels("mandatory", "mandatory", "advisory")
"""Mandatory where others depend on the environment; advice on one's own machine."""
OUTSIDE_DEVELOPMENT = levels("mandatory", "mandatory", "disabled")
PRODUCTION = levels("mandatory", "advisory", "disabled")
ADVICE = levels("advisory", "advisory", "disabled")


@dataclass(frozen=True, slots=True)
class Violation:
    """One place that breaks a rule. ``path`` is the spec path to mend (empty when no single one is to blame), ``resource``
    the id of the rendered object. ``message`` says what was found there and never repeats what may be a secret."""

    path: str
    message: str
    resource: str | None = None


@dataclass(frozen=True, slots=True)
class Rule(Generic[Judged]):
    """One thing that must hold. ``check`` is pure and gives every violation; ``source`` says who says so."""

    id: str
    title: str
    why: str
    remedy: str
    source: str
    levels: Mapping[Tier, Level]
    check: Callable[[Judged], Iterable[Violation]]


@dataclass(frozen=True, slots=True)
class NodeConfiguration:
    """The configuration that a node will be started with: ``settings`` are Kafka's keys with their values as text."""

    resource: str
    settings: Mapping[str, str]
    is_broker: bool = True


@dataclass(frozen=True)
class Subject:
    """An environment as rules see it: what was written, and everything that it becomes. ``others`` are the environments that
    it names as its source or standby, where their specs are at hand: rules over two environments say nothing without."""

    spec: EnvironmentSpec
    rendered: Rendered
    others: Mapping[str, EnvironmentSpec] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: EnvironmentSpec, others: Mapping[str, EnvironmentSpec] | None = None) -> "Subject":
        """``spec`` with what it renders to."""
        return cls(spec, render(spec), others or {})

    @property
    def state(self) -> KafkaState:
        """Every topic and user, declared and derived."""
        return self.spec.kafka_state

    @cached_property
    def reach(self) -> Reach:
        """Who reaches whom inside the namespace."""
        return Reach(self)

    @cached_property
    def _by_kind(self) -> Mapping[str, list[Manifest]]:
        found: defaultdict[str, list[Manifest]] = defaultdict(list)
        for manifest in self.rendered.manifests:
            found[manifest.kind].append(manifest)
        return found

    def of_kind(self, *kinds: str) -> Iterator[Manifest]:
        """Rendered Kubernetes objects of the given kinds."""
        for kind in kinds:
            yield from self._by_kind.get(kind, ())

    def except_kinds(self, *kinds: str) -> Iterator[Manifest]:
        """Rendered Kubernetes objects of all other kinds."""
        for kind, manifests in self._by_kind.items():
            if kind not in kinds:
                yield from manifests

    @cached_property
    def nodes(self) -> tuple[NodeConfiguration, ...]:
        """One for a Strimzi cluster, whose nodes share it; one for each node on docker, controllers included."""
        strimzi = [
            NodeConfiguration(m.id, {key: text(value) for key, value in m.body["spec"]["kafka"].get("config", {}).items()})
            for m in self.of_kind("Kafka")
        ]
        docker = [
            NodeConfiguration(workload.id, settings, is_broker="broker" in settings["process.roles"])
            for workload in self.rendered.workloads
            for path, body in workload.files.items()
            if path.endswith(".properties") and "process.roles" in (settings := properties(body))
        ]
        return (*strimzi, *docker)

    def topic_resource(self, topic: Topic) -> str:
        """The id of the object that stands for ``topic``; docker has none, so its name says it."""
        if self.spec.target == "docker":
            return f"Topic/{topic.name}"
        return f"KafkaTopic/{self.spec.kubernetes.namespace}/{topic.resource_name}"

    def user_resource(self, user: User) -> str:
        """The id of the object that stands for ``user``."""
        if self.spec.target == "docker":
            return f"User/{user.name}"
        return f"KafkaUser/{self.spec.kubernetes.namespace}/{user.name}"


def text(value: object) -> str:
    """A configuration value as Kafka reads it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def properties(body: str) -> dict[str, str]:
    """The keys and values of a Java properties file whose entries are one line each."""
    lines = (line.strip() for line in body.splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith(("#", "!")))
    return {key.strip(): value.strip() for key, _, value in pairs}
