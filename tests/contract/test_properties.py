"""What holds for any environment: it loads, renders, reads back; and any single mistake in it is told where it is."""

import copy
import re
from typing import Any

import pytest
import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st

from components.backup.names import USER as BACKUP
from components.core import yaml_text
from components.core.errors import SpecError
from components.core.paths import Location, format_path, parse_path, value_at
from components.core.quantities import FOREVER
from components.environment import CONFIG_KEY, EnvironmentSpec
from components.kafka.settings import OPERATOR_EXCEPTIONS, OPERATOR_PREFIXES
from components.kafka.state import AclBinding, KafkaState, Topic, User
from components.loading import parse_environment
from components.platform import render
from tests.strategies.draw import Plain
from tests.strategies.environments import STACK, environments
from tests.strategies.examples import build, shop
from tests.strategies.wrong_values import SECRET, Wrong, misspelt_keys, wrong_values

ENVIRONMENTS = environments()
NEED_READERS = {"cassandraAgent", "development"}
"""What is refused where no pipeline has a use for it."""
ON_KUBERNETES = environments("kubernetes")


def text_of(values: Any) -> str:
    """A stack file that holds an environment."""
    return yaml_text.dump({"config": {CONFIG_KEY: values}})


# Any valid environment


@given(ENVIRONMENTS)
@example({"tier": "development", "target": "docker"})
@example({"tier": "production", "target": "kubernetes"})
def test_a_valid_environment_is_read_from_its_text_and_rendered_alike_each_time(values: Plain) -> None:
    spec = parse_environment(text_of(values), STACK)
    assert spec == build(values)
    rendered = render(spec)
    assert rendered == render(build(copy.deepcopy(values)))
    ids = [manifest.id for manifest in rendered.manifests] + [workload.id for workload in rendered.workloads]
    assert len(ids) == len(set(ids))


@given(ON_KUBERNETES)
def test_each_manifest_reads_back_as_itself_in_yaml_1_1(values: Plain) -> None:
    """kubectl, Helm and PyYAML take ``on`` for true and ``1_000`` for a number where nothing stops them."""
    for manifest in render(build(values)).manifests:
        assert yaml.load(yaml_text.dump(manifest.body), Loader=yaml.CSafeLoader) == manifest.body


@given(ON_KUBERNETES)
def test_names_and_labels_are_such_as_kubernetes_accepts(values: Plain) -> None:
    for manifest in render(build(values)).manifests:
        metadata = manifest.body["metadata"]
        assert len(metadata["name"]) <= 253
        for value in metadata["labels"].values():
            assert 0 < len(value) <= 63
            assert value[0].isalnum()
            assert value[-1].isalnum()


@given(ENVIRONMENTS)
def test_no_manifest_or_file_holds_the_key_of_a_vault_reference(values: Plain) -> None:
    """References themselves are no secrets, but nothing that is rendered may need Vault to be read. The backup's
    ConfigMaps are its plan, for ``cdc`` in the CronJob, which only lists the names of what is in Vault."""
    rendered = render(build(values))
    texts = [
        yaml_text.dump(manifest.body)
        for manifest in rendered.manifests
        if (manifest.component, manifest.kind) != ("backup", "ConfigMap")
    ]
    texts += [text for workload in rendered.workloads for text in (*workload.files.values(), *workload.environment.values())]
    assert not any(re.search(r"vault:\S+#", text) for text in texts)


@given(ON_KUBERNETES)
def test_the_operator_is_given_no_setting_that_it_would_ignore(values: Plain) -> None:
    [cluster] = [manifest for manifest in render(build(values)).manifests if manifest.kind == "Kafka"]
    keys = cluster.body["spec"]["kafka"]["config"]
    assert [key for key in keys if key.startswith(OPERATOR_PREFIXES) and not key.startswith(OPERATOR_EXCEPTIONS)] == []


# What pipelines derive


def topics_of(state: KafkaState, pipeline: str) -> set[str]:
    return {topic.name for topic in state.topics if topic.pipeline == pipeline}


@given(ENVIRONMENTS)
def test_a_pipelines_users_reach_nothing_but_its_own_topics_and_what_was_added(values: Plain) -> None:
    spec = build(values)
    added = {pipeline.name: _added(pipeline) for pipeline in spec.pipelines}
    for user in spec.kafka_state.users:
        if user.pipeline:
            place = [pipeline.name for pipeline in spec.pipelines].index(user.pipeline)
            own = topics_of(spec.kafka_state, user.pipeline) | {topic.name for topic in audits(spec.kafka_state, place)}
            foreign = [acl for acl in user.acls if acl.resource == "topic" and acl.name not in own]
            assert {(acl.name, acl.pattern) for acl in foreign} <= added[user.pipeline]
            assert {acl.resource for acl in user.acls} <= {"topic", "group", "transactionalId"}
            assert all(acl.pattern == "literal" for acl in user.acls if acl.resource != "topic")
            transactions = [acl.name for acl in user.acls if acl.resource == "transactionalId"]
            groups = {f"{acl.name}.outbox" for acl in user.acls if acl.resource == "group"}
            assert all(f"-{user.pipeline}-source" in name or name in groups for name in transactions)


def audits(state: KafkaState, place: int) -> list[Topic]:
    """Where the workers of the pipeline at ``place`` tell what they changed."""
    return [topic for topic in state.topics if topic.origin == f"pipelines[{place}].schemaChanges.audit"]


def _added(pipeline: Any) -> set[tuple[str, str]]:
    """Resource patterns that the pipeline's overrides ask for."""
    access = (pipeline.source_user.access, pipeline.sink_user.access)
    names = [name for part in access for name in (*part.reads, *part.writes)]
    return {(name.removesuffix("*") or "*", "prefix" if name.endswith("*") and name != "*" else "literal") for name in names}


@given(ENVIRONMENTS)
def test_every_pipeline_has_its_topics_and_its_dead_letter_queue(values: Plain) -> None:
    spec = build(values)
    for pipeline in spec.pipelines:
        assert pipeline.source.chosen is not None
        kind, source = pipeline.source.chosen
        own = [topic for topic in spec.kafka_state.topics if topic.pipeline == pipeline.name]
        changes = [topic for topic in own if ".tables[" in topic.origin]
        histories = [topic for topic in own if topic.name.endswith("_schema_history") and topic not in changes]
        assert len(changes) == len(source.tables)
        assert len([topic for topic in own if topic.origin.endswith(".dlq")]) == 1
        assert len(histories) == (0 if kind == "cassandra" else 1)
        for topic in histories:
            assert (topic.partitions, topic.config["retention.ms"]) == (1, FOREVER)
            assert not topic.config.get("remote.storage.enable", False)


@given(ENVIRONMENTS)
def test_no_two_pipelines_users_share_a_group(values: Plain) -> None:
    state = build(values).kafka_state
    groups = [acl.name for user in state.users if user.pipeline for acl in user.acls if acl.resource == "group"]
    assert len(groups) == len(set(groups))


@given(ENVIRONMENTS)
def test_every_topic_can_be_written_with_one_replica_lost(values: Plain) -> None:
    spec = build(values)
    for topic in spec.kafka_state.topics:
        assert 1 <= int(topic.config["min.insync.replicas"]) <= max(1, topic.replicas - 1)
        assert topic.replicas <= spec.kafka.brokers.replicas


def _of_pipelines(users: tuple[User, ...]) -> tuple[User, ...]:
    """All but who reads every pipeline's topics, to save them."""
    return tuple(user for user in users if user.name != BACKUP)


@given(ENVIRONMENTS)
def test_one_more_pipeline_changes_nothing_that_the_others_derive(values: Plain) -> None:
    assume(values.get("pipelines"))
    values = {key: value for key, value in values.items() if key not in NEED_READERS}
    fewer = {**values, "pipelines": values["pipelines"][:-1]}
    last = values["pipelines"][-1]["name"]
    assume(last not in values.get("backup", {}).get("data", {}).get("pipelines", ()))
    more, less = build(values).kafka_state, build(fewer).kafka_state
    own = audits(more, len(values["pipelines"]) - 1)
    assert less.topics == tuple(topic for topic in more.topics if topic.pipeline != last and topic not in own)
    assert _of_pipelines(less.users) == tuple(user for user in _of_pipelines(more.users) if user.pipeline != last)


@given(ENVIRONMENTS)
def test_each_acl_is_said_once(values: Plain) -> None:
    for user in build(values).kafka_state.users:
        patterns = [(acl.resource, acl.name, acl.pattern, acl.host) for acl in user.acls]
        assert len(patterns) == len(set(patterns))
        assert user.acls == tuple(sorted(user.acls))
        assert all(isinstance(acl, AclBinding) and acl.operations for acl in user.acls)


# Any single mistake


def refused(values: Any, location: Location) -> SpecError:
    """The refusal of ``values``, which must be told at ``location``: there, in a part of it, or in what it is a part of."""
    with pytest.raises(SpecError) as caught:
        parse_environment(text_of(values), STACK)
    told = [parse_path(problem.path) for problem in caught.value.problems]
    at = tuple(step if isinstance(step, int) else str(step) for step in location)
    assert any(path[: len(at)] == at or (path and at[: len(path)] == path) for path in told), str(caught.value)
    assert all(problem.message and problem.remedy for problem in caught.value.problems), str(caught.value)
    return caught.value


@given(wrong_values())
def test_any_wrong_value_is_told_at_its_place_with_its_line(wrong: Wrong) -> None:
    error = refused(wrong.values, wrong.location)
    assert SECRET not in str(error)
    lines = text_of(wrong.values).splitlines()
    for problem in error.problems:
        assert 0 < problem.line <= len(lines)
        step = parse_path(problem.path)[-1]
        if isinstance(step, str) and value_at(wrong.values, parse_path(problem.path)) is not None:
            assert step in lines[problem.line - 1]


@given(misspelt_keys())
def test_any_misspelt_key_is_told_at_its_place(wrong: Wrong) -> None:
    error = refused(wrong.values, wrong.location)
    assert SECRET not in str(error)
    assert format_path(wrong.location) in {problem.path for problem in error.problems if problem.message == "unknown key"}


REPLICAS = st.sampled_from(
    ["kafka.topicDefaults", "kafka.topics[0]", "pipelines[0].topic", "pipelines[0].dlq", 'pipelines[0].tables["shop.orders"]']
)


@given(REPLICAS, st.integers(1, 6), st.integers(1, 9))
def test_replicas_above_brokers_and_too_many_in_sync_are_told_wherever_they_are_said(
    path: str, brokers: int, replicas: int
) -> None:
    """And nowhere else; what fits is taken."""
    base: Plain = {"kafka.brokers": brokers, "kafka.topics": [{"name": "x"}]}
    assert _paths({**base, f"{path}.replicas": replicas}) == ({f"{path}.replicas"} if replicas > brokers else set())
    in_sync = {f"{path}.replicas": brokers, f"{path}.minInSyncReplicas": replicas}
    assert _paths({**base, **in_sync}) == ({f"{path}.minInSyncReplicas"} if replicas > max(1, brokers - 1) else set())


def _paths(changes: Plain) -> set[str]:
    try:
        build(shop(changes))
    except SpecError as error:
        return {problem.path for problem in error.problems}
    return set()


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=6,
)


@given(JSON_LIKE | st.dictionaries(st.sampled_from(sorted(EnvironmentSpec.model_fields)), JSON_LIKE))
def test_whatever_stands_in_a_specs_place_is_refused_and_nothing_else_is_raised(value: Any) -> None:
    with pytest.raises(SpecError):
        build(value)
