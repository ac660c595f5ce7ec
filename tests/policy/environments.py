"""Environments that keep every rule, and ways to break one thing in them."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from components.core.paths import parse_path
from components.core.rendered import Manifest, Workload
from components.core.yaml_text import load
from components.environment import CONFIG_KEY, EnvironmentSpec
from components.kafka.state import KafkaState, Topic, User
from components.loading import build_environment
from components.tenancy.spec import NamingSpec
from policies.model import Subject

ROOT = Path(__file__).parents[2]
REMOVED = object()
"""Given as a value: the key goes."""


@cache
def _written(stack: str) -> Any:
    text = (ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    return load(text, stack)["config"][CONFIG_KEY]


_DOCKER: dict[str, Any] = {
    "tier": "staging",
    "target": "docker",
    "naming": {"pattern": "^[a-z]"},
    "kafka": {
        "controllers": 3,
        "brokers": 3,
        "racks": {"names": ["a", "b", "c"]},
        "authorization": {"superUsers": ["admin"]},
        "tiered": {"store": "s3", "bucket": "cdc", "credentials": "vault:tiered#credentials"},
        "users": [{"name": "admin", "owner": "team-platform", "authentication": "tls"}],
    },
    "tenants": [{"name": "shop", "owner": "team-shop"}],
}


def written(base: str) -> dict[str, Any]:
    """The plain spec of ``prod``, ``dev``, ``prod-dr`` or the made ``docker`` (three brokers and controllers, staging)."""
    return copy.deepcopy(_DOCKER if base == "docker" else _written(base))


def spec_of(value: dict[str, Any], name: str = "prod") -> EnvironmentSpec:
    """A spec from plain values."""
    return build_environment(value, name, "the test's spec")


def with_values(base: str, changes: dict[str, Any]) -> dict[str, Any]:
    """The plain spec of ``base`` with other values at the given paths."""
    value = written(base)
    for path, new in changes.items():
        *parents, last = parse_path(path)
        place: Any = value
        for step in parents:
            place = place[step] if isinstance(step, int) else place.setdefault(step, {})
        if isinstance(last, int) and last == len(place):
            place.append(new)
        elif new is REMOVED:
            place.pop(last, None)
        else:
            place[last] = new
    return value


def spec_with(base: str, changes: dict[str, Any]) -> EnvironmentSpec:
    """A spec that differs from ``base`` at the given paths."""
    return spec_of(with_values(base, changes), base)


@cache
def good(base: str = "prod") -> Subject:
    """The environment that nothing was broken in."""
    return Subject.of(spec_of(written(base), base))


def with_spec(changes: dict[str, Any], base: str = "prod") -> Subject:
    """The environment of a spec with other values at the given paths."""
    return Subject.of(spec_with(base, changes))


def with_parts(**parts: Any) -> Subject:
    """``prod`` with parts that its own validation would refuse: rules do not lean on it."""
    spec = good().spec.model_copy(update=parts)
    spec.__dict__.pop("kafka_state", None)
    return Subject(spec, good().rendered)


def naming(**patterns: str) -> NamingSpec:
    """The naming of ``prod`` with other patterns."""
    return good().spec.naming.model_copy(update=patterns)


def with_manifests(change: Callable[[dict[str, Any]], None], *kinds: str, name: str | None = None) -> Subject:
    """``prod`` with every rendered object of ``kinds`` (or the one called ``name``) changed in place."""
    subject = good()

    def changed(manifest: Manifest) -> Manifest:
        if manifest.kind not in kinds or name not in {None, manifest.name}:
            return manifest
        body = copy.deepcopy(dict(manifest.body))
        change(body)
        return replace(manifest, body=body)

    manifests = tuple(map(changed, subject.rendered.manifests))
    return Subject(subject.spec, replace(subject.rendered, manifests=manifests))


def with_manifest(body: dict[str, Any], component: str = "kafka") -> Subject:
    """``prod`` with one rendered object more."""
    subject = good()
    manifests = (*subject.rendered.manifests, Manifest(component, body))
    return Subject(subject.spec, replace(subject.rendered, manifests=manifests))


def without_manifest(kind: str, name: str) -> Subject:
    """``prod`` with one rendered object less."""
    subject = good()
    manifests = tuple(m for m in subject.rendered.manifests if (m.kind, m.name) != (kind, name))
    return Subject(subject.spec, replace(subject.rendered, manifests=manifests))


def unprotected(kind: str) -> Subject:
    """``prod`` where objects of ``kind`` are not marked as holding data."""
    subject = good()
    manifests = tuple(replace(m, stateful=m.stateful and m.kind != kind) for m in subject.rendered.manifests)
    return Subject(subject.spec, replace(subject.rendered, manifests=manifests))


def with_workloads(**changes: Any) -> Subject:
    """``docker`` with every container changed."""
    subject = good("docker")
    workloads = tuple(replace(workload, **changes) for workload in subject.rendered.workloads)
    return Subject(subject.spec, replace(subject.rendered, workloads=workloads))


def with_properties(old: str, new: str) -> Subject:
    """``docker`` with every node's files changed as text; one of them must hold ``old``."""
    subject = good("docker")
    assert any(old in text for workload in subject.rendered.workloads for text in workload.files.values()), old

    def changed(workload: Workload) -> Workload:
        return replace(workload, files={path: text.replace(old, new) for path, text in workload.files.items()})

    workloads = tuple(map(changed, subject.rendered.workloads))
    return Subject(subject.spec, replace(subject.rendered, workloads=workloads))


def with_files(**files: str) -> Subject:
    """``prod`` with further files in its tree."""
    subject = good()
    return Subject(subject.spec, replace(subject.rendered, files={**subject.rendered.files, **files}))


def with_topic(name: str, **changes: Any) -> Subject:
    """``prod`` where one topic's derived state differs; ``config`` is merged, ``None`` takes a key out."""

    def changed(topic: Topic) -> Topic:
        if topic.name != name:
            return topic
        merged = {**topic.config, **changes.get("config", {})}
        config = {key: value for key, value in merged.items() if value is not None}
        return replace(topic, **{**changes, "config": config})

    state = good().state
    return _with_state(KafkaState(tuple(map(changed, state.topics)), state.users))


def without_topic(name: str) -> Subject:
    """``prod`` where one topic was not derived."""
    state = good().state
    return _with_state(KafkaState(tuple(topic for topic in state.topics if topic.name != name), state.users))


def with_user(name: str, **changes: Any) -> Subject:
    """``prod`` where one user's derived state differs."""

    def changed(user: User) -> User:
        return replace(user, **changes) if user.name == name else user

    state = good().state
    return _with_state(KafkaState(state.topics, tuple(map(changed, state.users))))


def _with_state(state: KafkaState) -> Subject:
    """The derived state is kept in the spec once it was asked for; here another one is kept there."""
    spec = good().spec.model_copy()
    spec.__dict__["kafka_state"] = state
    return Subject(spec, good().rendered)
